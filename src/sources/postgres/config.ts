import type { CaptureType, SourceConfig } from '../../model/config.ts'
import type { SecretReference } from '../../model/secret.ts'
import type { EnginePlace, MatchKey } from '../kind.ts'

/** A PostgreSQL server, and which of its databases are meant. */
export interface PostgresSourceConfig extends SourceConfig {
  readonly kind: 'postgres'
  /** How the server is found. A socket is the directory that it lies in, absolute. */
  readonly at: EnginePlace
  /** `all`: each but PostgreSQL's own. */
  readonly databases: readonly string[] | 'all'
  readonly capture: CaptureType
  /** User and password are what the container's environment says. */
  readonly byContainer: boolean
  /** User and password are what the environment of the deployment says. */
  readonly byEnvironment?: boolean | undefined
  /** Absent: the user of libpq's own choice. */
  readonly user?: string | undefined
  readonly password?: SecretReference | undefined
  /** Queries that are recorded at the capture, and compared before a restore puts the database in place. */
  readonly checks: readonly string[]
  /** Of a restore beside what is live: what its one database is called there. */
  readonly beside?: string | undefined
  /** Of a restore of tables: only these. */
  readonly tables?: readonly WantedTable[] | undefined
  /** Of a restore that only adds rows: unique keys, other than primary ones, by which rows are known. */
  readonly merge?: readonly MatchKey[] | undefined
}

/** A table of a snapshot. */
export interface WantedTable {
  readonly database: string
  readonly schema: string
  readonly table: string
  /** As they were counted. */
  readonly rows: number
}
