import type { RelayError } from '../errors.ts'
import type { Facts } from './facts.ts'
import type { Finding } from './finding.ts'
import type { NamedProject } from './server-services.ts'

/** What a migration would do (`--dry-run`), and what it was asked to confirm. */
export interface MigrationPlan {
  /** The same in the journals of both servers. */
  readonly id: string
  readonly from: string
  readonly to: string
  /** FROM stops and TO serves; without it TO is only tried out. */
  readonly cutover: boolean
  /** How much is started on TO. */
  readonly start: 'none' | 'data' | 'all'
  /** Absolute paths. */
  readonly deployment: { readonly from: string; readonly to: string }
  readonly sources: readonly {
    readonly source: string
    readonly kind: string
    /** On FROM's disk. */
    readonly bytes: number
    /** On TO, absolute. */
    readonly targets: readonly string[]
  }[]
  /** Of FROM, in the order of stopping: the writers, then the last pull, then the data services. */
  readonly services: {
    readonly manager: string
    readonly writers: readonly string[]
    readonly data: readonly string[]
  }
  /** The Compose project that the services belong to, on either server, with the manager compose. */
  readonly compose?: { readonly from: NamedProject; readonly to: NamedProject } | undefined
  /** The command that takes TO back. */
  readonly rollback: string
  /** What lies on TO and makes room. It is kept on TO, and in a safety snapshot. */
  readonly replaced: readonly string[]
  /** Estimate in ms of how long nobody will serve. */
  readonly downtime: number
  /** What the estimate is drawn from. */
  readonly downtimeBy: DowntimeBasis
  readonly findings: readonly Finding[]
}

/**
 * The run of the history that says how long nobody will serve: a cutover; else a pull of FROM, which is a guess as to the
 * services; else none, which is a guess as to all of it. `at` is ISO 8601, UTC.
 */
export type DowntimeBasis =
  | {
      readonly run: 'cutover'
      readonly from: string
      readonly to: string
      readonly at: string
      readonly seconds: number
    }
  | { readonly run: 'pull'; readonly at: string; readonly seconds: number }
  | { readonly run: 'none' }

/** What was captured of a source, and what of it is on TO. */
export interface MigratedSource {
  readonly source: string
  /** Counted in what was captured on FROM. */
  readonly captured: Facts
  /** On TO, every file proven by its hash. */
  readonly restored: { readonly entries: number; readonly bytes: number }
}

/** What a migration did, in order. */
export interface MigrationReport {
  readonly plan: MigrationPlan
  /** `undecided`: TO serves, and whether FROM was given up is not known. */
  readonly outcome: 'planned' | 'done' | 'failed' | 'undecided'
  /** Who runs the app now; `unknown` when a server did not answer any more. */
  readonly serving: 'from' | 'to' | 'both' | 'unknown'
  readonly snapshots: {
    /** Of FROM while it ran. */
    readonly pull?: string | undefined
    /** Of FROM with its writers stopped. */
    readonly cutover?: string | undefined
    /** Of what was replaced on TO. */
    readonly safety?: string | undefined
  }
  readonly steps: readonly { readonly at: string; readonly host: string; readonly text: string }[]
  readonly sources: readonly MigratedSource[]
  /** Comparisons on TO, and what is worth knowing. */
  readonly findings: readonly Finding[]
  /** Why the migration failed, or why a `planned` one would be refused. */
  readonly error?: RelayError | undefined
  /** ms */
  readonly duration: number
  /** ms in which FROM's writers were stopped and nobody served; only of a cutover. */
  readonly downtime?: number | undefined
  /** Where that time went, in order, in ms. When the migration failed, the time ends when FROM serves again. */
  readonly laps?: readonly { readonly what: string; readonly milliseconds: number }[] | undefined
}
