import { restoreOf } from '../../database/aside.ts'
import type { LoadTarget } from '../../contract.ts'
import type { WantedTable } from '../config.ts'
import { asideName } from '../names.ts'

/** A table, and the schemas that it lies in on its way, as scripts/tables.sh takes it. */
export interface PlacedTable {
  readonly table: string
  readonly live: string
  readonly new: string
  readonly old: string
  readonly failed: string
}

/** Where tables lie in the course of a restore. */
export function placeTables(tables: readonly WantedTable[], restore: string): readonly PlacedTable[] {
  return tables.map(({ schema, table }) => ({
    table,
    live: schema,
    new: asideName(schema, 'new', restore),
    old: asideName(schema, 'old', restore),
    failed: asideName(schema, 'failed', restore),
  }))
}

/** The tables of one database are changed at once: they are one target. */
export function tablesTarget(
  archive: string,
  database: string,
  tables: readonly PlacedTable[],
  exists: boolean,
): LoadTarget {
  const named = (at: 'live' | 'new' | 'old' | 'failed'): string => {
    const names = tables.map((one) => `${database}.${one[at]}.${one.table}`)
    const more = names.length - LISTED
    return more > 0 ? `${names.slice(0, LISTED).join(', ')} and ${more} more` : names.join(', ')
  }
  return {
    ...{ archive, exists, target: named('live'), staged: named('new') },
    ...{ aside: named('old'), failed: named('failed') },
  }
}

const LISTED = 3

/** The database that the dump is loaded into first. */
export function stagingDatabase(database: string, { staged }: Pick<LoadTarget, 'staged'>): string {
  return asideName(database, 'new', restoreOf(staged))
}
