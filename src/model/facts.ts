/**
 * What was counted in what was captured; compared after a restore. Counts, versions and the names of what is counted only: facts are public. What they
 * are belongs to the kind that `kind` names (sources/<kind>/facts.ts).
 */
export interface Facts {
  readonly kind: string
  readonly [key: string]: unknown
}

/** What is counted in a tree of files. */
export interface TreeCounts {
  readonly files: number
  readonly directories: number
  /** Symbolic links and hard links. */
  readonly links: number
  /** FIFOs and device nodes. */
  readonly others: number
  /** Content of regular files, in bytes. */
  readonly bytes: number
}
