import type { Facts } from '../../model/facts.ts'
import { formatCount, formatSize } from '../../model/units.ts'
import type { CheckFact } from '../checks.ts'
import type { KindFacts } from '../kind.ts'

/** What was counted in the copy of a database. */
export interface SqliteDatabaseFacts {
  /** As its member is called. */
  readonly path: string
  /** Of the file that is in the archive. */
  readonly bytes: number
  /** What `PRAGMA integrity_check` says; absent where nothing on the server could ask. */
  readonly integrity?: string
  /** Rows that refer to what is not there (`PRAGMA foreign_key_check`). */
  readonly foreignKeys?: number
  /** `page_size`, `journal_mode`, `application_id`, `user_version` and the like. */
  readonly settings?: Readonly<Record<string, string>>
  /** SHA-256 of all tables, indexes, views and triggers as they are defined. */
  readonly definitions?: string
  /** Rows by table. */
  readonly tables?: Readonly<Record<string, number>>
  /** Of the user's own checks; absent: there were none. */
  readonly checks?: readonly CheckFact[]
}

export interface SqliteFacts extends Facts {
  readonly kind: 'sqlite'
  /** `copy`: each database as of one moment. `files`: the database and its log as they lay there, unopened. */
  readonly form: 'copy' | 'files'
  readonly databases: readonly SqliteDatabaseFacts[]
}

/** What others are told of the facts. */
export const sqliteFacts: KindFacts<SqliteFacts> = {
  describe: (facts) =>
    `${formatCount(facts.databases.length, 'database')}, ${rowsText(facts)}${formatSize(bytesOf(facts))}` +
    (facts.form === 'copy' ? '' : ', copied as files'),
  counts: (facts) => `${rowsText(facts)}${formatSize(bytesOf(facts))}`,
  amount: (facts) => {
    const rows = rowsOf(facts)
    return rows === undefined ? { amount: bytesOf(facts), unit: 'bytes' } : { amount: rows, unit: 'rows' }
  },
}

function rowsText(facts: SqliteFacts): string {
  const rows = rowsOf(facts)
  if (rows === undefined) return ''
  const tables = facts.databases.reduce((sum, one) => sum + Object.keys(one.tables ?? {}).length, 0)
  return `${formatCount(tables, 'table')}, ${formatCount(rows, 'row')}, `
}

function rowsOf({ databases }: SqliteFacts): number | undefined {
  if (databases.some(({ tables }) => tables === undefined)) return undefined
  return databases.reduce((sum, { tables }) => sum + rowCount(tables), 0)
}

/** All rows of these tables. */
export function rowCount(tables: SqliteDatabaseFacts['tables']): number {
  return Object.values(tables ?? {}).reduce((sum, rows) => sum + rows, 0)
}

function bytesOf({ databases }: SqliteFacts): number {
  return databases.reduce((sum, { bytes }) => sum + bytes, 0)
}
