import type { RunOutcome } from './run-record.ts'

/** Something about a host's backups that a person should look at. */
export interface Trouble {
  /** Stable: `never`, `overdue`, `failing`, `cut-off`, `damaged`, `verify-failed`, `rotation-paused`, `set-back`, `unreadable`, `anomaly`, `disk`. */
  readonly code: string
  /** What it is about, without times: it is another trouble when this is another. */
  readonly about: string
  readonly message: string
  readonly next: string
}

/** How the backups of one host stand, by its history and its snapshots alone. */
export interface HostStatus {
  readonly host: string
  /** The newest complete backup that is not known to be damaged. */
  readonly lastGood?: LastGood | undefined
  /** Of those that were asked for all of the host, the one that ended last. */
  readonly lastPull?: LastPull | undefined
  /** Pulls since the last good one that came to less. */
  readonly failuresInARow: number
  /** Of the last pulls of all of the host, at most 30; those that a person stopped are not counted. */
  readonly pulls: { readonly good: number; readonly of: number }
  /** Bytes that the sources of the newest complete backup held. */
  readonly size?: number | undefined
  /** The same of the last complete backups, at most 14, oldest first. */
  readonly sizes: readonly number[]
  /** Bytes in the vault. */
  readonly storedBytes: number
  readonly snapshots: number
  /** When a schedule of the config pulls it next; absent where none does. ISO 8601, UTC. */
  readonly nextRun?: string | undefined
  /** When the last verification ended that found all as recorded. ISO 8601, UTC. */
  readonly lastVerified?: string | undefined
  /** How many runs of each operation ended how, since the history began. */
  readonly runs: readonly RunCount[]
  /** The worst first. */
  readonly troubles: readonly Trouble[]
}

export interface LastGood {
  readonly snapshot: string
  /** ISO 8601, UTC. */
  readonly createdAt: string
  /** Negative when it is dated in the future. */
  readonly ageMs: number
}

export interface LastPull {
  /** ISO 8601, UTC. */
  readonly finishedAt: string
  readonly outcome: RunOutcome
  readonly seconds: number
}

export interface RunCount {
  readonly operation: string
  readonly outcome: RunOutcome
  readonly count: number
}

/** How full the file system of the vault is. */
export interface VaultDisk {
  readonly bytes: number
  readonly free: number
  /** Part of what this user may use that is used, from 0 to 1, as df counts it. */
  readonly used: number
}

export interface StatusReport {
  readonly at: string
  readonly vault: string
  /** Absent while there is no vault. */
  readonly disk?: VaultDisk | undefined
  readonly hosts: readonly HostStatus[]
  /** What concerns no host alone. */
  readonly troubles: readonly Trouble[]
}
