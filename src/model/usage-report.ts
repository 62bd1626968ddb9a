import type { VaultDisk } from './status-report.ts'

/** Bytes, and bytes a day. */
export interface UsageReport {
  /** ISO 8601, UTC. */
  readonly at: string
  readonly vault: string
  /** Absent while there is no vault. */
  readonly disk?: VaultDisk | undefined
  /** By how much the vault grows a day, all hosts together; absent where that is not known yet. */
  readonly growth?: number | undefined
  /** Until the vault's disk is full at that pace; absent where it is not known, or nothing grows. */
  readonly daysLeft?: number | undefined
  readonly hosts: readonly HostUsage[]
}

export interface HostUsage {
  readonly host: string
  /** Why nothing of the server is known. */
  readonly error?: { readonly code: string; readonly message: string; readonly next?: string | undefined }
  /** Of the disk of the deployment. */
  readonly disk?: VaultDisk | undefined
  /** By how much its sources grow a day, by the backups of the last 30. */
  readonly growth?: number | undefined
  /** Until the server's disk is full at that pace. */
  readonly daysLeft?: number | undefined
  readonly vault: { readonly bytes: number; readonly snapshots: number; readonly growth?: number | undefined }
  readonly sources: readonly SourceUsage[]
}

export interface SourceUsage {
  readonly source: string
  readonly kind: string
  /** On the server now; absent where it has no path there, or was not reached. */
  readonly bytes?: number | undefined
  /** Some of it can't be read, so it is more. */
  readonly atLeast?: boolean | undefined
  readonly directories: readonly { readonly path: string; readonly bytes: number }[]
  /** What it held at its newest backup. */
  readonly held?: number | undefined
  /** What all its backups take in the vault. */
  readonly stored: number
  readonly growth?: number | undefined
}
