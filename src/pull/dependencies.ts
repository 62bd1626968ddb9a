import type { CreateIndexBuilder, CreateRecordSorter, Throttle, WriteArchive } from '../archive/contract.ts'
import type { Encryptor } from '../crypto/contract.ts'
import type { CaptureType, SshConfig } from '../model/config.ts'
import type { RunCause } from '../model/run-record.ts'
import type { RemoteHost } from '../remote/contract.ts'
import type { Reporter } from '../report/contract.ts'
import type { VisitDependencies } from '../runs/visit.ts'
import type { ResolveSecret } from '../secrets/contract.ts'
import type { LookAtVersions } from '../services/contract.ts'
import type { CapturableSource } from '../sources/contract.ts'
import type { ListingStore } from '../state/contract.ts'
import type { Vault } from '../vault/contract.ts'

/** The parts a pull is wired from, by `commands/pull.ts` and by `demo`. */
export interface PullDependencies extends VisitDependencies {
  readonly vault: Vault
  readonly encryptor: Encryptor
  readonly writeArchive: WriteArchive
  readonly createIndexBuilder: CreateIndexBuilder
  readonly createSorter: CreateRecordSorter
  readonly listings: ListingStore
  readonly throttle: Throttle
  readonly resolveSecret: ResolveSecret
  readonly sourceOf: (kind: string) => Promise<CapturableSource>
  /** The same for two hosts that are one server behind several names. */
  readonly serverOf: (ssh: SshConfig) => Promise<string>
  /** Takes the lock of the deployment on the server; disposing it gives it back. */
  readonly lockDeployment: (
    host: RemoteHost,
    deployment: string,
    options: { readonly sudo: boolean; readonly signal: AbortSignal },
  ) => Promise<AsyncDisposable>
  readonly lookAtVersions: LookAtVersions
  readonly reporter: Reporter
  readonly now: () => Date
  /** Undefined: a person. */
  readonly cause?: RunCause | undefined
  readonly tool: { readonly name: string; readonly version: string }
}

/** What the user asked of this pull, the same for every host. */
export interface PullOptions {
  /** Only these sources; undefined means all that are configured. */
  readonly sources?: readonly string[] | undefined
  /** Databases by their schema or data alone, or in full, whatever their `capture` says. */
  readonly type?: CaptureType | undefined
  /** All of every source, not just what changed. */
  readonly full?: boolean | undefined
  /** Hosts whose newest complete snapshot is younger than this are skipped, in ms. */
  readonly ifOlderThan?: number | undefined
  readonly rotate: boolean
}
