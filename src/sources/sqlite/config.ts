import type { SourceConfig } from '../../model/config.ts'
import type { MatchKey } from '../kind.ts'

/** SQLite databases, as the config has them. */
export interface SqliteSourceConfig extends SourceConfig {
  readonly kind: 'sqlite'
  /** Database files, relative to the deployment, or absolute. No `..`. */
  readonly paths: readonly string[]
  /** Paths with `*`, `**` or `?`: the databases among the files that match. */
  readonly patterns: readonly string[]
  /** Queries that are recorded at the capture, and compared when a restore has put the database in place. */
  readonly checks: readonly string[]
  /** Of a restore that only adds rows: unique keys, other than primary ones, by which rows are known. */
  readonly merge?: readonly MatchKey[] | undefined
}
