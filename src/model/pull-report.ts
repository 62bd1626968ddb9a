import type { RelayError } from '../errors.ts'
import type { Finding } from './finding.ts'
import type { NamedProject } from './server-services.ts'
import type { SnapshotWarning } from './snapshot.ts'

/** What a run of `pull` did, for people (rendered by report/) and for `--json`. */
export interface PullReport {
  readonly hosts: readonly HostPullReport[]
  /** ms */
  readonly duration: number
}

export interface HostPullReport {
  readonly host: string
  readonly outcome: 'done' | 'partial' | 'failed' | 'locked' | 'interrupted' | 'skipped'
  /** The committed snapshot; absent when nothing was committed. */
  readonly snapshot?: string | undefined
  readonly complete?: boolean | undefined
  /** What the deployment is, with the manager compose; `unknown` when neither its containers nor Compose tell. */
  readonly compose?: NamedProject | 'unknown' | undefined
  /** For `skipped`: the age of the newest complete snapshot, in ms. */
  readonly age?: number | undefined
  readonly sources: readonly SourcePullReport[]
  readonly rotation?: RotationReport | undefined
  /** What went wrong with services that were held still. */
  readonly findings?: readonly Finding[] | undefined
  /** Why nothing, or not everything, was done. */
  readonly error?: RelayError | undefined
  /** ms */
  readonly duration: number
}

export interface SourcePullReport {
  readonly source: string
  /** `partial`: some of its paths were not there. `torn`: it was captured, but nobody may rely on the copy. */
  readonly outcome: 'done' | 'partial' | 'torn' | 'failed'
  /** What of a database was captured alone. */
  readonly only?: 'schema' | 'data' | undefined
  readonly entries: number
  /** What the source holds, in bytes: of an incremental more than what was sent. */
  readonly size: number
  /** By how many bytes that is more than in the last complete snapshot; absent where that had no such source. */
  readonly change?: number | undefined
  /** Before compression and encryption, in bytes. */
  readonly plainBytes: number
  /** Encrypted, in bytes. */
  readonly bytes: number
  /** Over the wire, in bytes. */
  readonly wireBytes: number
  /** What it took, from its first look to its last file; absent where it was not begun. */
  readonly seconds?: number | undefined
  readonly warnings: readonly SnapshotWarning[]
  readonly error?: RelayError | undefined
}

export interface RotationReport {
  readonly kept: number
  /** Snapshots whose files were deleted, with the reason. */
  readonly removed: readonly { readonly snapshot: string; readonly why: string }[]
  /** Why the kept ones stay, in words, and how many. */
  readonly keptBy: readonly { readonly why: string; readonly count: number }[]
  /** Snapshots that were retired before, and that the policy keeps now. */
  readonly reinstated: readonly { readonly snapshot: string; readonly why: string }[]
  /** How many retired snapshots stay on disk. */
  readonly needed: number
  /** Snapshots that are hidden from then on. They stay on disk because an incremental needs them. */
  readonly retired: readonly { readonly snapshot: string; readonly why: string }[]
  /** Set when rotation waits for a person. */
  readonly paused?: string | undefined
  /** With `paused`: what the person can do. */
  readonly next?: string | undefined
}

/** What `pull --dry-run` would do on one host. */
export interface PullPlanReport {
  readonly host: string
  /** The outcome that the pull would have, as far as that can be seen without changing anything. */
  readonly outcome: Exclude<HostPullReport['outcome'], 'interrupted'>
  /** As of {@link HostPullReport}. */
  readonly age?: number | undefined
  /** Absent where nothing is known of the server. */
  readonly deployment?: string | undefined
  readonly server?: string | undefined
  /** As of {@link HostPullReport}. */
  readonly compose?: NamedProject | 'unknown' | undefined
  readonly sources: readonly {
    readonly source: string
    readonly kind: string
    readonly what: string
    readonly compression: string
    /** `as root by sudo`; absent: as the SSH user. */
    readonly privilege?: string | undefined
    /** What each pattern of its `exclude` leaves out there. */
    readonly excludes?:
      | readonly { readonly pattern: string; readonly count: number; readonly names: readonly string[] }[]
      | undefined
    /** Why it could not be captured. */
    readonly error?: RelayError | undefined
  }[]
  readonly notices: readonly string[]
  /** Why nothing could be captured. */
  readonly error?: RelayError | undefined
}
