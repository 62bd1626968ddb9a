/** One named check's outcome. A critical check that failed stops what it guards. */
export interface Finding {
  /** Stable name, `recipients-readable`. */
  readonly check: string
  readonly outcome: 'ok' | 'warning' | 'failed'
  readonly message: string
  readonly next?: string | undefined
}
