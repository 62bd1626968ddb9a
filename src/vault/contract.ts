import type { Writable } from 'node:stream'
import type { AuditEntry, AuditRecord } from '../model/audit-record.ts'
import type { EndedRun, RunBegin, RunRecord } from '../model/run-record.ts'
import type { Manifest, Purpose, VAULT_FORMAT } from '../model/snapshot.ts'

/** A committed snapshot. */
export interface Snapshot {
  readonly host: string
  readonly id: string
  /** As stored, but for each file as the ledger says that it is now (`rekeyed`). */
  readonly manifest: Manifest
  /** Hex SHA-256 of manifest.json as stored. */
  readonly manifestHash: string
  /** Archive and index file names that the ledger says were removed by per-source retention. */
  readonly removedFiles: ReadonlySet<string>
  /** Dropped by retention, on disk only because an incremental needs it; shown on `list --all`. */
  readonly retired: boolean
  /**
   * The ledger does not know it: a crash came right before its line (the next run adopts it then), or the
   * directory was copied in. It can be read and restored, never counts for retention, and is never removed.
   */
  readonly unrecorded?: boolean
  /** What was found damaged in it, by whatever looked, and was not proven mended since; absent when nothing was. */
  readonly damage?: readonly Damage[]
  /**
   * A person has accepted that it, or one that it builds on, is damaged. It never counts as a good one again, and
   * nothing builds on it.
   */
  readonly lossAccepted?: boolean
}

/** A file of a snapshot that is not what was written, as `damage.jsonl` remembers it. */
export interface Damage {
  /** When it was found. ISO 8601, UTC. */
  readonly at: string
  readonly snapshot: string
  /** Absent when all of the snapshot is concerned. */
  readonly file?: string | undefined
  /** Of a {@link VaultProblem}. */
  readonly code: string
  readonly message: string
}

/** One line of `ledger.jsonl`. Each says its format. `previous` is the hex SHA-256 of the line before (null for the first), newline excluded. */
export type LedgerRecord = {
  readonly format: typeof VAULT_FORMAT
  readonly at: string
  readonly previous: string | null
} & (
  | {
      readonly event: 'made'
      readonly snapshot: string
      readonly manifest: string
      readonly purpose: Purpose
      readonly complete: boolean
    }
  | { readonly event: 'retired'; readonly snapshot: string; readonly manifest: string; readonly why: string }
  | {
      readonly event: 'reinstated'
      readonly snapshot: string
      readonly manifest: string
      readonly why: string
    }
  | { readonly event: 'removed'; readonly snapshot: string; readonly manifest: string; readonly why: string }
  | {
      readonly event: 'archives-removed'
      readonly snapshot: string
      readonly manifest: string
      readonly files: readonly string[]
      readonly why: string
    }
  | {
      readonly event: 'rekeyed'
      readonly snapshot: string
      readonly manifest: string
      /** Fingerprints of those who open these files from then on, upper-case hex. */
      readonly recipients: readonly string[]
      readonly files: readonly RekeyedFile[]
      readonly why: string
    }
  | { readonly event: 'rotation-paused'; readonly snapshot: string; readonly why: string }
  | { readonly event: 'rotation-accepted'; readonly why: string }
  | {
      readonly event: 'loss-accepted'
      readonly snapshots: readonly string[]
      readonly damaged?: readonly string[] | undefined
      readonly why: string
    }
)

/** A file as it is with new session-key packets. Its body is the one that the manifest has. */
export interface RekeyedFile {
  readonly file: string
  readonly bytes: number
  /** Of the file, hex. */
  readonly sha256: string
  /** Where its body begins, in bytes. */
  readonly offset: number
}

/** New session-key packets for a file, to stand before its body, which begins at `offset` of the file as it is. */
export interface NewHead {
  readonly file: string
  readonly head: Uint8Array
  readonly offset: number
}

/** A file being written into a pending snapshot. */
export interface PendingFile {
  readonly name: string
  readonly stream: Writable
  /** After the stream ended: fsyncs and returns the size on disk, in bytes. */
  finish(): Promise<{ readonly bytes: number }>
  /** Removes it: it will not be in the snapshot. */
  discard(): Promise<void>
}

/** A snapshot being written. Disposing it without a commit leaves the vault as it was. */
export interface PendingSnapshot extends AsyncDisposable {
  readonly host: string
  readonly id: string
  readonly createdAt: Date
  /** Hash of the manifest of the snapshot made before, for `previous`. */
  readonly previous: string | null
  /** A new file, mode 0600. Throws VaultError when the disk is full or not writable. */
  createFile(name: string): Promise<PendingFile>
  /** An absolute path in the provisional directory for scratch data that is gone before the commit. Encrypt what goes there. */
  scratchPath(name: string): string
  /** Writes SHA256SUMS and manifest, fsyncs, renames, fsyncs the parent, appends to the ledger. */
  commit(manifest: Manifest): Promise<Snapshot>
}

export interface VaultProblem {
  readonly host: string
  readonly snapshot?: string | undefined
  readonly file?: string | undefined
  /** `missing-snapshot`, `missing-file`, `size-differs`, `hash-differs`, `ledger-broken`, `unknown-snapshot`, `manifest-differs`, … */
  readonly code: string
  readonly message: string
}

/** What the audit log says, and where it is not as it was written. */
export interface AuditReading {
  readonly records: readonly AuditRecord[]
  readonly problems: readonly { readonly line: number; readonly message: string }[]
}

/** How far a host's ledger, or the audit log, had come: the hex SHA-256 of its last line, and how many lines there were. */
export interface LedgerMark {
  readonly lines: number
  readonly hash: string
}

/** What this computer keeps of ledgers outside of the vault. */
export interface LedgerMarks {
  /** Undefined when nothing is known. */
  recall(of: MarkedLedger): Promise<LedgerMark | undefined>
  remember(of: MarkedLedger, mark: LedgerMark): Promise<void>
  /** Hosts with a mark. */
  hosts(of: Omit<MarkedLedger, 'host'>): Promise<readonly string[]>
}

/** A host's ledger in the vault of this id at this path: a copy of a vault elsewhere is another. */
export interface MarkedLedger {
  readonly vault: string
  readonly path: string
  /** Undefined: the audit log. */
  readonly host: string | undefined
}

/** Holding it is the right to write for this host. */
export interface HostLock extends AsyncDisposable {
  readonly host: string
}

/** The local directory that holds all snapshots (docs/design/vault.md). Made on first use. */
export interface Vault {
  readonly path: string
  readonly id: string
  /** Hosts that have, or had, snapshots; sorted, as configured names or ad-hoc addresses. */
  hosts(): Promise<string[]>
  /**
   * Committed snapshots of a host in the order they were made, whatever their dates say; retired ones only when asked.
   * Never a half-written one.
   */
  snapshots(host: string, options?: { readonly retired?: boolean }): Promise<Snapshot[]>
  /** Throws LockedError that says who holds the host's lock. Changes nothing. */
  lookAtLock(host: string): Promise<void>
  /** Takes the host's lock at once or throws LockedError that says who holds it. The lock dies with the process. */
  lock(host: string): Promise<HostLock>
  /** Sweeps leftovers of dead runs, then starts a snapshot. A clash of ids waits for the next second. */
  begin(lock: HostLock, now: () => Date, signal: AbortSignal): Promise<PendingSnapshot>
  ledger(host: string): Promise<LedgerRecord[]>
  runs(host: string): Promise<RunRecord[]>
  /**
   * Remembers that a run has begun, until it is disposed after {@link recordRun}. Runs of this host that were begun and
   * whose processes died get their line first: they are `lost`. Needs no lock. Undefined where the
   * host has no directory: a verification does not make it.
   */
  beginRun(begun: RunBegin): Promise<AsyncDisposable | undefined>
  recordRun(run: EndedRun): Promise<void>
  /** The audit log of the whole vault: what it says, and where it is not as it was written. */
  audit(): Promise<AuditReading>
  /** Appends to the audit log. Needs no lock of a host. */
  recordAudit(entry: AuditEntry): Promise<void>
  /** The same, unless the last entry `recipients` has the same ones. */
  recordRecipients(entry: AuditEntry & { readonly fingerprints: readonly string[] }): Promise<void>
  /**
   * Removes a snapshot: keeps its manifest under `removed/`, ledger line first, then the files. On a disk that has no
   * room for the line the files make it.
   */
  remove(lock: HostLock, snapshot: Snapshot, why: string, at: Date): Promise<void>
  retire(lock: HostLock, snapshot: Snapshot, why: string, at: Date): Promise<void>
  /** Undoes {@link retire}. */
  reinstate(lock: HostLock, snapshot: Snapshot, why: string, at: Date): Promise<void>
  removeArchives(
    lock: HostLock,
    snapshot: Snapshot,
    files: readonly string[],
    why: string,
    at: Date,
  ): Promise<void>
  /**
   * Puts new session-key packets before the bodies of some files of a snapshot; all of them or none: each is written
   * beside the old one, read back and on the disk before the ledger says so, and then takes its place. What dies in
   * between is finished by the next run that takes the lock. A file whose body is not the manifest's stays as it is.
   *
   * @returns the names of those
   */
  rekey(
    lock: HostLock,
    snapshot: Snapshot,
    change: {
      readonly heads: readonly NewHead[]
      /** Fingerprints of those that the packets are for. */
      readonly recipients: readonly string[]
      readonly why: string
      readonly at: Date
    },
    signal: AbortSignal,
  ): Promise<readonly string[]>
  /** The first bytes of a committed file, fewer where it has no more; undefined when it is not there. */
  readStart(snapshot: Snapshot, file: string, bytes: number): Promise<Buffer | undefined>
  /** Rotation stops until someone looked (docs/design/pull.md). */
  pauseRotation(lock: HostLock, snapshot: string, why: string, at: Date): Promise<void>
  acceptRotation(lock: HostLock, why: string, at: Date): Promise<void>
  /** Why rotation is paused, or undefined. */
  rotationPaused(host: string): Promise<string | undefined>
  /**
   * What says that the ledger once said more than now: a vault that was set back to an older copy, or a snapshot that
   * was taken away together with its line. Empty when nothing contradicts it.
   */
  contradictions(host: string): Promise<readonly VaultProblem[]>
  /** A person knows of what {@link contradictions} tells, and goes on with the vault as it is. */
  acceptLoss(lock: HostLock, why: string, at: Date): Promise<void>
  /** A person knows that these snapshots are damaged, and goes on without them ({@link Snapshot.lossAccepted}). */
  acceptDamage(lock: HostLock, snapshots: readonly string[], why: string, at: Date): Promise<void>
  /** An absolute path for reading a committed file. */
  filePath(snapshot: Snapshot, file: string): string
  /** What tells whether a committed file was touched: size, times, inode. Undefined when it is not there. */
  look(snapshot: Snapshot, file: string): Promise<string | undefined>
  /**
   * Ledger chain, presence, sizes and, with `hashes`, the content of one host's snapshots (all, or those named). What
   * is damaged is remembered in the vault ({@link Snapshot.damage}), whoever asked; what a hash proves is forgotten.
   */
  check(host: string, options: CheckOptions): Promise<VaultProblem[]>
}

/** What {@link Vault.check} looks at. */
export interface CheckOptions {
  /** Ids; all when absent. */
  readonly snapshots?: readonly string[]
  /** Names of files within a snapshot; all when absent. */
  readonly files?: ReadonlySet<string>
  /** Read every file and compare its SHA-256. */
  readonly hashes: boolean
  /** `ID/FILE` to its {@link Vault.look} when its content was proven: while it looks like that it is not read again. */
  readonly known?: ReadonlyMap<string, string>
  /** Called for each file whose content is proven, with its look before it was read. */
  readonly onProven?: (name: string, look: string) => void
  readonly signal: AbortSignal
  /** Called with the size of each piece that was read and hashed. */
  readonly onBytes?: (bytes: number) => void
}

/**
 * What `latest`, freshness and comparisons mean: complete `pull` snapshots that are neither retired nor given up, the
 * last made last.
 */
export function completePulls(snapshots: readonly Snapshot[]): Snapshot[] {
  return snapshots.filter(
    ({ manifest, retired, lossAccepted }) =>
      manifest.complete && manifest.purpose === 'pull' && !retired && lossAccepted !== true,
  )
}
