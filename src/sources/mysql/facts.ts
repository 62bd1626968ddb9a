import type { Facts } from '../../model/facts.ts'
import { printable } from '../../model/path-bytes.ts'
import { formatCount } from '../../model/units.ts'
import type { CheckFact } from '../checks.ts'
import type { KindFacts } from '../kind.ts'

/** Whose server it is. They grew apart: each has things that the other's programs do not know. */
export type Family = 'MySQL' | 'MariaDB'

/** What was counted in a database. */
export interface DatabaseFacts {
  /** Tables with rows of their own; no views, no sequences. */
  readonly tables: number
  /** As many as its dump has. */
  readonly rows: number
  /** Hex SHA-256 of the name and number of rows of each table. */
  readonly counts: string
  /** Hex SHA-256 of what there is: columns and their types, indexes, foreign keys, views, triggers, routines, events. */
  readonly definitions: string
  readonly views: number
  readonly triggers: number
  readonly routines: number
  /** But those that remove themselves when their time has come. */
  readonly events: number
  /** Of views, triggers, routines and events: `app@localhost`, sorted. They run with the rights of these accounts. */
  readonly definers: readonly string[]
  /** The database's own defaults. */
  readonly charset: string
  readonly collation: string
  /** Of the user's own checks; absent: there were none. */
  readonly checks?: readonly CheckFact[] | undefined
}

export interface MysqlFacts extends Facts {
  readonly kind: 'mysql'
  readonly family: Family
  /** `10.11.6`. */
  readonly version: string
  /** How names of tables are stored and compared (`lower_case_table_names`). */
  readonly lowerCase: number
  readonly databases: Readonly<Record<string, DatabaseFacts>>
  /** Accounts in the archive of users; absent where there is none. */
  readonly users?: number | undefined
  /** Their names, each with the hex SHA-256 of what it may do; without passwords. */
  readonly accounts?: Readonly<Record<string, string>> | undefined
}

/** What others are told of the facts. */
export const mysqlFacts: KindFacts<MysqlFacts> = {
  describe: ({ family, version, databases }) =>
    `${family === 'MariaDB' ? 'MariaDB' : 'MySQL'} ${printable(version)}, ${formatCount(Object.keys(databases).length, 'database')}, ${formatCount(rowsOf(databases), 'row')}`,
  counts: ({ databases }) =>
    Object.entries(databases)
      .map(([name, { rows }]) => `${printable(name)} ${formatCount(rows, 'row')}`)
      .join(', '),
  amount: ({ databases }) => ({ amount: rowsOf(databases), unit: 'rows' }),
}

function rowsOf(databases: MysqlFacts['databases']): number {
  return Object.values(databases).reduce((sum, { rows }) => sum + rows, 0)
}
