import type { CaptureType, SourceConfig } from '../../model/config.ts'
import type { SecretReference } from '../../model/secret.ts'
import type { EnginePlace } from '../kind.ts'

/** A server of MySQL or MariaDB, and which of its databases are meant. */
export interface MysqlSourceConfig extends SourceConfig {
  readonly kind: 'mysql'
  /** How the server is found. A socket is the file, absolute. */
  readonly at: EnginePlace
  /** `all`: each but the server's own. */
  readonly databases: readonly string[] | 'all'
  readonly capture: CaptureType
  /** Accounts and their grants are captured, too. */
  readonly users: boolean
  /** User and password are what the container's environment says. */
  readonly byContainer: boolean
  /** Absent: the name of the login on the server. */
  readonly user?: string | undefined
  readonly password?: SecretReference | undefined
  /** Queries that are recorded at the capture, and compared before a restore puts the database in place. */
  readonly checks: readonly string[]
  /** Of a restore beside what is live: what its one database is called there. */
  readonly beside?: string | undefined
}
