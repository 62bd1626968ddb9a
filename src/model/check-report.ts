import type { Finding } from './finding.ts'

/** What `check` looks at, in the order in which it is told. */
export const CHECK_NAMES = [
  'config',
  'secrets',
  'keys',
  'vault',
  'schedules',
  'connection',
  'tools',
  'space',
  'source',
  'health',
  'services',
  'leftovers',
  'clock',
  'backup',
] as const
export type CheckName = (typeof CHECK_NAMES)[number]

/** What one check found. */
export interface Checked extends Pick<Finding, 'outcome' | 'message' | 'next'> {
  readonly check: CheckName
  /** Absent for what concerns this machine. */
  readonly host?: string | undefined
  readonly source?: string | undefined
}

/** All that was found, this machine first, then each host. */
export interface CheckReport {
  readonly checks: readonly Checked[]
  /** The hosts that were checked, in the config's order. */
  readonly hosts: readonly string[]
}
