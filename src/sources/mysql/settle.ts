import type { StreamObject } from '../../archive/contract.ts'
import type { CaptureType } from '../../model/config.ts'
import { hasRows, lasts, type DatabaseLook, type Table } from './catalogue.ts'
import type { DumpedTable } from './dump-reader.ts'

/** What a database was while it was dumped. */
export interface Settled {
  /** What the dump has. */
  readonly definitions: readonly StreamObject[]
  /** The same, with rows and bytes: for the index. */
  readonly objects: readonly StreamObject[]
  /** Of each table that has rows of its own. */
  readonly rows: ReadonlyMap<string, number>
}

/**
 * Compares what there was before a dump and behind it with the tables that the dump has. Nothing may have changed; only a
 * table that came meanwhile may be there or not, and a dump of rows alone need not have what has none. `changed` names what did, `missing` a table that the dump has not.
 */
export function settle({
  before,
  after,
  dumped,
  capture = 'full',
}: {
  readonly before: DatabaseLook
  readonly after: DatabaseLook
  readonly dumped: ReadonlyMap<string, DumpedTable>
  readonly capture?: CaptureType | undefined
}): Settled | { readonly changed: string } | { readonly missing: string } {
  const keyOf = ({ type, name }: StreamObject): string => JSON.stringify([type, name])
  const now = new Map(after.objects.map((object) => [keyOf(object), object]))
  const gone = before.objects
    .filter(lasts)
    .find(
      (object) => now.get(keyOf(object))?.definition !== object.definition || isRemade(object, before, after),
    )
  if (gone !== undefined) return { changed: gone.name }
  const known = new Set(before.objects.map(keyOf))
  const came = after.objects.filter((object) => !known.has(keyOf(object)) && lasts(object))
  const odd = came.find(({ type }) => type !== 'table')
  if (odd !== undefined) return { changed: odd.name }
  const definitions = [...before.objects, ...came.filter(({ name }) => dumped.has(name))]
  const named = new Set(definitions.filter(({ type }) => type === 'table').map(({ name }) => name))
  const filled = new Set(after.tables.filter(hasRows).map(({ name }) => name))
  const missing = [...named].find((name) => !dumped.has(name) && (capture !== 'data' || filled.has(name)))
  if (missing !== undefined) return { missing }
  const strange = [...dumped.keys()].find((name) => !named.has(name))
  if (strange !== undefined) return { changed: strange }
  const counted = new Map(
    [...filled].filter((name) => named.has(name)).map((name) => [name, dumped.get(name)!] as const),
  )
  return {
    definitions,
    rows: new Map([...counted].map(([name, { rows }]) => [name, rows])),
    objects: definitions.map((object) => {
      const has = object.type === 'table' ? counted.get(object.name) : undefined
      return has === undefined ? object : { ...object, rows: has.rows, bytes: has.bytes }
    }),
  }
}

/** A table is made anew by TRUNCATE, or by an ALTER that ends where it began. One in memory says nothing of it. */
function isRemade({ type, name }: StreamObject, before: DatabaseLook, after: DatabaseLook): boolean {
  if (type !== 'table') return false
  const changed = ({ tables }: DatabaseLook): Table | undefined => tables.find((table) => table.name === name)
  const was = changed(before)
  return was?.engine !== 'MEMORY' && was?.changed !== changed(after)?.changed
}
