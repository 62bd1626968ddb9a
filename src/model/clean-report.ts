import type { PathJson } from './path-bytes.ts'

/** What became of an old file: `would` go, in a dry run; `unproven`: the snapshot has no hash of it as a whole. */
export type CleanOutcome = 'removed' | 'would' | 'changed' | 'open' | 'failed' | 'unproven'

/** An old file that a rule of `clean` matches, and that is still on the server. */
export interface CleanedFile {
  readonly source: string
  readonly path: PathJson
  readonly bytes: number
  readonly outcome: CleanOutcome
  /** Why it failed. */
  readonly reason?: string | undefined
}

export interface CleanReport {
  readonly host: string
  readonly dryRun: boolean
  /** The snapshots, `HOST/ID`, that hold what is removed. */
  readonly snapshots: readonly string[]
  readonly files: readonly CleanedFile[]
}
