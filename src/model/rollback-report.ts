import type { Finding } from './finding.ts'

/** What a rollback came to, for people (rendered by report/) and for `--json`. */
export type RollbackReport = { readonly host: string } & (
  | { readonly did: 'nothing-there'; readonly deployment: string }
  /** There is no restore to undo; what a pull had left stopped may run again. */
  | { readonly did: 'no-restore'; readonly journals: readonly object[]; readonly held: readonly Finding[] }
  | {
      readonly did: 'undo'
      readonly restore: string
      /** `abandoned`: it had replaced nothing yet. */
      readonly outcome: 'rolled-back' | 'abandoned'
      readonly notes: readonly string[]
      readonly held: readonly Finding[]
      /** What a person has accepted. */
      readonly accepted: readonly Finding[]
      readonly unmerged: readonly {
        readonly source: string
        readonly removed: number
        readonly changed: number
      }[]
    }
  | {
      readonly did: 'settle'
      readonly migration: string
      readonly from: string
      readonly to: string
      readonly outcome: 'nothing' | 'finished' | 'undone'
      readonly notes: readonly string[]
      /** The migration that decides, where this one is undone. */
      readonly before?: string | undefined
    }
  | {
      readonly did: 'discard'
      /** Of what was chosen to go. */
      readonly bytes: number
      readonly restores: readonly string[]
      readonly removed: readonly string[]
      /** Why something is still there. */
      readonly left: readonly string[]
      /** What was written there since; `kept` was spared. */
      readonly late: readonly LateFiles[]
    }
)

/** Files that were written to what a restore has set aside. */
export interface LateFiles {
  /** Of the restore. */
  readonly id: string
  readonly files: number
  readonly path: string
  readonly names: string
  readonly kept: boolean
}
