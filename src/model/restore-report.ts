import type { RelayError } from '../errors.ts'
import type { Finding } from './finding.ts'
import type { NamedProject } from './server-services.ts'

export type RestoreStrategy = 'replace' | 'merge'

/** One path that a restore puts in place. */
export interface RestoreUnit {
  readonly source: string
  /** Name of the unit's root in the archive. */
  readonly member: string
  /** Absolute path on the target. */
  readonly target: string
  /** How the old makes room: renamed as a whole, or its children one by one (a mount point). */
  readonly kind: 'rename' | 'children'
  /** Something lies at the target now, and will be set aside. */
  readonly exists: boolean
  /** An empty directory lies at the target, so there is nothing to save. */
  readonly empty: boolean
  /** Size of what lies at the target now, in bytes as the disk counts them. */
  readonly existingBytes: number
  /** Under which `.relay-backup/` directory it is staged and the old is kept: on the target's file system. */
  readonly base: string
  /** Nothing comes in its place. It lies beside a file that is replaced, and would be of no use beside another one. */
  readonly onlyAside?: true
  /** Patterns of what the capture excluded. It is carried over from what lies at the target now. */
  readonly carry: readonly string[]
  /** What the patterns count from: the unit as the target's config names it, and all paths of its source there. */
  readonly carryFrom?: {
    readonly member: string
    readonly roots: readonly string[]
    readonly deployment: string
  }
}

/** What a restore would do (`--dry-run`), and what it was asked to confirm. */
export interface RestorePlan {
  readonly id: string
  /** The host that is restored to. */
  readonly host: string
  readonly snapshot: {
    readonly host: string
    readonly id: string
    /** ms */ readonly age: number
    readonly purpose: string
  }
  readonly strategy: RestoreStrategy
  /** The name under which it goes beside what is live; absent: it takes the place of that. */
  readonly beside?: string | undefined
  /** `as root by sudo`; absent: as the SSH user. */
  readonly privilege?: string | undefined
  readonly units: readonly RestoreUnit[]
  /** What is loaded into servers that run, by names there; absent: nothing. */
  readonly loads?: readonly {
    readonly source: string
    readonly target: string
    readonly exists: boolean
    /** Where the old is kept. */
    readonly aside: string
  }[]
  readonly sources: readonly {
    readonly source: string
    readonly kind: string
    readonly entries: number
    /** Plain bytes to be sent. */
    readonly bytes: number
    /** What happens beyond putting files in place, a sentence each. */
    readonly notes: readonly string[]
  }[]
  /** Services that stop, in order; those that run are started again. */
  readonly services: {
    readonly manager: string
    readonly stop: readonly string[]
    readonly data: readonly string[]
    /**
     * The Compose project that the services belong to, with the manager compose. `unknown`: no project of the
     * deployment is known, so none of its services runs.
     */
    readonly compose?: NamedProject | 'unknown' | undefined
  }
  readonly safety: boolean
  /** Rough time the services are down, in ms. */
  readonly downtime: number
  readonly findings: readonly Finding[]
}

/** What became of the rows of a table that were to be added. */
export interface MergedTable {
  readonly table: string
  readonly inserted: number
  readonly skipped: readonly {
    readonly rows: number
    /** `there`: a row of this key is; `taken`: a unique key is another row's; `lost`: what it refers to is not there. */
    readonly why: 'there' | 'taken' | 'lost'
    /** The columns of the key, or the name of the foreign one. */
    readonly key: string
  }[]
  /** Why none of its rows could be added. */
  readonly leftOut?: string | undefined
}

/** What a restore did, in order. */
export interface RestoreReport {
  readonly plan: RestorePlan
  /** `undecided` is a migration's: the target serves, and whether the other side does is not known. */
  readonly outcome: 'planned' | 'done' | 'rolled-back' | 'failed' | 'stuck' | 'undecided'
  /** Steps in the order they happened, for the report. */
  readonly steps: readonly { readonly at: string; readonly text: string }[]
  readonly restored: readonly { readonly source: string; readonly entries: number; readonly bytes: number }[]
  /** Of a merge of databases: what became of the rows, a table each. */
  readonly merged?: readonly (MergedTable & { readonly source: string })[] | undefined
  /** The safety snapshot of what was replaced. */
  readonly safetySnapshot?: string | undefined
  /** None of the services ran before, so none was started; what starts them on the server. */
  readonly nothingStarted?: { readonly message: string; readonly start: string } | undefined
  readonly findings: readonly Finding[]
  /** Why it failed; of a `planned` one, why it would be refused. */
  readonly error?: RelayError | undefined
  /** ms */
  readonly duration: number
}
