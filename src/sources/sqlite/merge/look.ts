/** A table of an SQLite database, as far as a merge must know it. */
export interface MergeTable {
  readonly name: string
  /** Those that a row is made of: generated and hidden ones are none. */
  readonly columns: readonly Column[]
  /** Columns of the primary key, in its order. */
  readonly primary: readonly string[]
  /** Unique keys of plain columns, the primary one among them. */
  readonly uniques: readonly (readonly string[])[]
  readonly foreign: readonly ForeignKey[]
}

interface Column {
  readonly name: string
  /** A row may go without it. */
  readonly optional: boolean
}

/** A foreign key; where it names no columns, it leads to the primary key. */
export interface ForeignKey {
  readonly to: string
  readonly columns: readonly string[]
  readonly referenced: readonly string[]
}

const TABLES = `m.type = 'table' AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!' AND m.sql NOT LIKE 'create virtual%'`

/** What {@link parseTables} reads: rows of a word, and names in hex. */
export const TABLES_QUERY = `
SELECT 'column', hex(m.name), hex(p.name), p.hidden, (p."notnull" = 0 OR p.dflt_value IS NOT NULL OR p.pk > 0), p.pk
  FROM sqlite_master m, pragma_table_xinfo(m.name) p WHERE ${TABLES} ORDER BY m.name, p.cid;
SELECT 'unique', hex(m.name), hex(i.name), coalesce(hex(c.name), '-'), 0, 0
  FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c
  WHERE ${TABLES} AND i."unique" AND NOT i.partial ORDER BY m.name, i.seq, c.seqno;
SELECT 'foreign', hex(m.name), f.id, hex(f."table"), hex(f."from"), coalesce(hex(f."to"), '')
  FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE ${TABLES} ORDER BY m.name, f.id, f.seq;
`

/** The tables of a database, by what {@link TABLES_QUERY} says. Its names are compared without regard to case, as SQLite does. */
export function parseTables(rows: readonly string[]): readonly MergeTable[] {
  const text = (hex = ''): string => Buffer.from(hex, 'hex').toString('utf8')
  const parsed = rows.map((row) => row.split('|'))
  const of = (word: string, table: string) =>
    parsed.filter(([first, name]) => first === word && name === table).map((fields) => fields.slice(2))
  const tables = [...new Set(parsed.map(([, table = '']) => table))]
  const primaryOf = (table: string): readonly string[] =>
    of('column', table)
      .filter(([, , , pk]) => pk !== '0')
      .sort((one, other) => Number(one[3]) - Number(other[3]))
      .map(([name]) => text(name))
  return tables.map((table) => {
    const primary = primaryOf(table)
    const indexes = Map.groupBy(of('unique', table), ([index = '']) => index)
    const keys = Map.groupBy(of('foreign', table), ([id = '']) => id)
    const uniques = [...indexes.values()]
      // An index of an expression has no names for it.
      .filter((columns) => columns.every(([, name]) => name !== '-' && name !== ''))
      .map((columns) => columns.map(([, name]) => text(name)))
    return {
      name: text(table),
      columns: of('column', table)
        .filter(([, hidden]) => hidden === '0')
        .map(([name, , optional]) => ({ name: text(name), optional: optional === '1' })),
      primary,
      uniques:
        primary.length === 0 || uniques.some((unique) => isSameKey(unique, primary))
          ? uniques
          : [primary, ...uniques],
      foreign: [...keys.values()].map((columns) => {
        const to = text(columns[0]?.[1])
        const referenced = columns.map(([, , , name]) => text(name))
        const parent = tables.find((each) => text(each).toLowerCase() === to.toLowerCase())
        return {
          to,
          columns: columns.map(([, , name]) => text(name)),
          referenced: referenced.includes('') ? primaryOf(parent ?? '') : referenced,
        }
      }),
    }
  })
}

/** Two keys are of the same columns. */
export function isSameKey(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name) => other.includes(name))
}
