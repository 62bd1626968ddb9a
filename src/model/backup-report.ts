import type { RunCount, Trouble, VaultDisk } from './status-report.ts'

/** Over how long a report looks back. */
export const REPORT_PERIODS = ['day', 'week', 'month'] as const
export type ReportPeriod = (typeof REPORT_PERIODS)[number]

/** What became of the backups in a period. Times are ISO 8601, UTC; names of files are in none of it. */
export interface BackupReport {
  readonly period: ReportPeriod
  readonly from: string
  readonly to: string
  /** The name of this computer. */
  readonly machine: string
  /** Of the vault; absent while there is none. */
  readonly disk?: VaultDisk | undefined
  readonly growth?: number | undefined
  readonly daysLeft?: number | undefined
  /** What needs a person, the worst first; without a host what concerns none alone. */
  readonly attention: readonly (Pick<Trouble, 'code' | 'message' | 'next'> & { readonly host?: string })[]
  readonly hosts: readonly ReportedHost[]
}

/** One host. Bytes, bytes a day, seconds. */
export interface ReportedHost {
  readonly host: string
  readonly lastGood?: { readonly snapshot: string; readonly at: string } | undefined
  /** Runs that ended in the period, by operation and outcome. */
  readonly runs: readonly RunCount[]
  /** Those that came to less than was asked. */
  readonly failures: readonly ReportedFailure[]
  readonly sources: readonly ReportedSource[]
  /** The pull that took longest. */
  readonly slowest?: { readonly at: string; readonly seconds: number } | undefined
  /** The source that brought most into the vault in one pull. */
  readonly biggest?: { readonly at: string; readonly source: string; readonly bytes: number } | undefined
  /** When it was last shown that backups are as they were written, and that they can be restored. */
  readonly proven: readonly { readonly what: 'verify' | 'restore'; readonly at: string }[]
  /** Snapshots that retention removed in the period, by the reason. */
  readonly removed: readonly { readonly why: string; readonly count: number }[]
  readonly vault: { readonly bytes: number; readonly snapshots: number; readonly growth?: number | undefined }
}

export interface ReportedFailure {
  readonly at: string
  readonly operation: string
  readonly outcome: string
  readonly reason: string
}

export interface ReportedSource {
  readonly source: string
  /** What it held at each backup of the last 30 days, oldest first. */
  readonly sizes: readonly { readonly at: string; readonly bytes: number }[]
  readonly growth?: number | undefined
}
