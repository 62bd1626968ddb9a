import type { Facts } from '../../model/facts.ts'
import { printable } from '../../model/path-bytes.ts'
import { formatCount } from '../../model/units.ts'
import type { CheckFact } from '../checks.ts'
import type { KindFacts } from '../kind.ts'

/** By what a database compares and sorts text. */
export interface DatabaseLocale {
  readonly encoding: string
  readonly collate: string
  readonly ctype: string
  readonly provider: 'libc' | 'icu' | 'builtin'
  /** The provider's own, where it is not libc. */
  readonly name?: string | undefined
  readonly icuRules?: string | undefined
}

/** What was counted in a database, all at the moment that its dump shows. */
export interface DatabaseFacts {
  /** Tables and partitions. */
  readonly tables: number
  readonly rows: number
  /** Hex SHA-256 of the name and number of rows of each of them. */
  readonly counts: string
  /** Hex SHA-256 of what there is: columns and their types, indexes, constraints, views, functions, triggers… */
  readonly definitions: string
  readonly owner: string
  readonly locale: DatabaseLocale
  /** Names and versions. */
  readonly extensions: Readonly<Record<string, string>>
  /** Those of its tables and indexes; absent: only its default one. */
  readonly tablespaces?: readonly string[] | undefined
  /** Of the user's own checks; absent: there were none. */
  readonly checks?: readonly CheckFact[] | undefined
}

export interface PostgresFacts extends Facts {
  readonly kind: 'postgres'
  /** `15.8`. */
  readonly version: string
  readonly databases: Readonly<Record<string, DatabaseFacts>>
}

/** What others are told of the facts. */
export const postgresFacts: KindFacts<PostgresFacts> = {
  describe: ({ version, databases }) =>
    `PostgreSQL ${printable(version)}, ${formatCount(Object.keys(databases).length, 'database')}, ${formatCount(rowsOf(databases), 'row')}`,
  counts: ({ databases }) =>
    Object.entries(databases)
      .map(([name, { rows }]) => `${printable(name)} ${formatCount(rows, 'row')}`)
      .join(', '),
  amount: ({ databases }) => ({ amount: rowsOf(databases), unit: 'rows' }),
}

function rowsOf(databases: PostgresFacts['databases']): number {
  return Object.values(databases).reduce((sum, { rows }) => sum + rows, 0)
}
