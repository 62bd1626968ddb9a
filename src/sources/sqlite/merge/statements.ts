import { parentsFirst } from '../../database/key-order.ts'
import type { ForeignKey, MergeTable } from './look.ts'

/** A table of the live database that rows of the snapshot are added to. */
export interface TableToMerge extends MergeTable {
  /** Columns that the snapshot's rows have, too. */
  readonly shared: readonly string[]
  /** The unique keys by which a row is known: the primary one, and those that were named. */
  readonly known: readonly (readonly string[])[]
  /** Of other tables and of its own, to it. */
  readonly referring: readonly (ForeignKey & { readonly from: string })[]
}

/** A name in SQL. */
const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`
/** A string in SQL. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`
const list = (names: readonly string[]): string => names.map(identifier).join(', ')
const isSelf = (table: MergeTable, name: string): boolean => table.name.toLowerCase() === name.toLowerCase()

/** `a.x = b.y AND …`; of rows that are to be the same by `IS`, where nothing is nothing. */
function matching(
  one: string,
  columns: readonly string[],
  other: string,
  theirs: readonly string[],
  operator = '=',
): string {
  return columns
    .map((column, at) => `${one}.${identifier(column)} ${operator} ${other}.${identifier(theirs[at]!)}`)
    .join(' AND ')
}

/** Parents before children, as far as that goes. */
export function inOrderOfKeys<T extends MergeTable>(tables: readonly T[]): readonly T[] {
  return parentsFirst(tables, ({ foreign }) =>
    foreign.flatMap(({ to }) => tables.find((one) => isSelf(one, to)) ?? []),
  )
}

/**
 * Adds the rows whose keys are free, in one transaction. The journal is the main database: it has what was added, and the
 * statements that take it back.
 */
export function addingStatements(
  tables: readonly TableToMerge[],
  { live, staged }: { readonly live: string; readonly staged: string },
): string {
  const back = removingStatements(tables, live)
  return [
    'PRAGMA foreign_keys=0;',
    `ATTACH ${literal(live)} AS live;`,
    `ATTACH ${literal(staged)} AS staged;`,
    'BEGIN IMMEDIATE;',
    'CREATE TABLE main.counts (at, what, key, n);',
    'CREATE TABLE main.back (at INTEGER PRIMARY KEY, sql);',
    ...tables.flatMap(addRows),
    ...back.map((sql) => `INSERT INTO main.back (sql) VALUES (${literal(sql)});`),
    'COMMIT;',
    'SELECT at, what, hex(key), n FROM main.counts WHERE n > 0 ORDER BY rowid;',
    '',
  ].join('\n')
}

function addRows(table: TableToMerge, at: number): string[] {
  const live = `live.${identifier(table.name)}`
  const rows = `main.c${at}`
  const counted = (what: string, key: string): string =>
    `INSERT INTO main.counts VALUES (${at}, ${literal(what)}, ${literal(key)}, changes());`
  const isKnown = (unique: readonly string[]): boolean =>
    table.known.some((key) => key.length === unique.length && key.every((name) => unique.includes(name)))
  const usable = table.uniques.filter((unique) => unique.every((name) => table.shared.includes(name)))
  const inOrder = [...usable].sort((one, other) => Number(isKnown(other)) - Number(isKnown(one)))
  const key = table.known[0]!
  return [
    `CREATE TABLE ${rows} AS SELECT ${list(table.shared)} FROM staged.${identifier(table.name)};`,
    ...inOrder.flatMap((unique) => [
      `DELETE FROM ${rows} WHERE EXISTS (SELECT 1 FROM ${live} l WHERE ${matching('l', unique, `c${at}`, unique)});`,
      counted(isKnown(unique) ? 'there' : 'taken', unique.join(', ')),
    ]),
    ...table.foreign
      .filter(({ to, columns }) => !isSelf(table, to) && columns.every((name) => table.shared.includes(name)))
      .flatMap((foreign) => [
        `DELETE FROM ${rows} WHERE ${isSet(`c${at}`, foreign)} AND NOT EXISTS (SELECT 1 FROM live.${identifier(foreign.to)} p WHERE ${matching('p', foreign.referenced, `c${at}`, foreign.columns)});`,
        counted('lost', foreign.columns.join(', ')),
      ]),
    ...table.foreign
      .filter(({ to, columns }) => isSelf(table, to) && columns.every((name) => table.shared.includes(name)))
      .flatMap((foreign) => [
        `WITH RECURSIVE ok(id) AS (
           SELECT c.rowid FROM ${rows} c WHERE NOT (${isSet('c', foreign)})
             OR ${matching('c', foreign.columns, 'c', foreign.referenced)}
             OR EXISTS (SELECT 1 FROM ${live} p WHERE ${matching('p', foreign.referenced, 'c', foreign.columns)})
           UNION SELECT c.rowid FROM ok JOIN ${rows} p ON p.rowid = ok.id
             JOIN ${rows} c ON ${matching('c', foreign.columns, 'p', foreign.referenced)})
         DELETE FROM ${rows} WHERE rowid NOT IN (SELECT id FROM ok);`,
        counted('lost', foreign.columns.join(', ')),
      ]),
    `INSERT INTO ${live} (${list(table.shared)}) SELECT ${list(table.shared)} FROM ${rows};`,
    // As they came to be, with what their triggers and defaults did.
    `CREATE TABLE main.t${at} AS SELECT ${list(table.columns.map(({ name }) => name))} FROM ${live} l
       WHERE EXISTS (SELECT 1 FROM ${rows} c WHERE ${matching('c', key, 'l', key, 'IS')});`,
    `INSERT INTO main.counts SELECT ${at}, 'inserted', '', count(*) FROM main.t${at};`,
    `DROP TABLE ${rows};`,
  ]
}

function isSet(row: string, { columns }: ForeignKey): string {
  return columns.map((column) => `${row}.${identifier(column)} IS NOT NULL`).join(' AND ')
}

/**
 * Takes back what was added and is as it was, where no row refers to it that stays. Each of them is on one line, for a
 * connection whose main database is the journal.
 */
function removingStatements(tables: readonly TableToMerge[], live: string): readonly string[] {
  return [
    'PRAGMA foreign_keys=0;',
    `ATTACH ${literal(live)} AS live;`,
    'BEGIN IMMEDIATE;',
    'DELETE FROM main.counts;',
    ...tables
      .map((table, at) => removeRows(table, at))
      .reverse()
      .flat(),
    'COMMIT;',
    "SELECT coalesce(sum(CASE what WHEN 'removed' THEN n END), 0), coalesce(sum(CASE what WHEN 'kept' THEN n END), 0), coalesce(sum(CASE what WHEN 'gone' THEN n END), 0) FROM main.counts;",
  ]
}

function removeRows(table: TableToMerge, at: number): readonly string[] {
  const live = `live.${identifier(table.name)}`
  const key = table.known[0]!
  const same = matching('l', key, 't', key, 'IS')
  const alike = table.columns
    .map(
      ({ name }) =>
        `l.${identifier(name)} IS t.${identifier(name)} COLLATE BINARY AND typeof(l.${identifier(name)}) = typeof(t.${identifier(name)})`,
    )
    .join(' AND ')
  const others = table.referring
    .filter(({ from }) => !isSelf(table, from))
    .map(
      ({ from, columns, referenced }) =>
        ` AND NOT EXISTS (SELECT 1 FROM live.${identifier(from)} o WHERE ${matching('o', columns, 'l', referenced)})`,
    )
  const own = table.referring.filter(({ from }) => isSelf(table, from))
  return [
    `CREATE TEMP TABLE u${at} AS SELECT l.* FROM ${live} l JOIN main.t${at} t ON ${same} WHERE ${alike}${others.join('')};`,
    ...own.map(
      ({ columns, referenced }) =>
        `WITH RECURSIVE stays(${list(referenced)}) AS (SELECT ${columns.map((name) => `o.${identifier(name)}`).join(', ')} FROM ${live} o WHERE NOT EXISTS (SELECT 1 FROM temp.u${at} u WHERE ${matching('u', key, 'o', key, 'IS')}) UNION SELECT ${columns.map((name) => `o.${identifier(name)}`).join(', ')} FROM ${live} o JOIN stays ON ${matching('stays', referenced, 'o', referenced)}) DELETE FROM temp.u${at} WHERE EXISTS (SELECT 1 FROM stays WHERE ${matching('stays', referenced, `u${at}`, referenced)});`,
    ),
    `INSERT INTO main.counts SELECT ${at}, 'gone', '', count(*) FROM main.t${at} t WHERE NOT EXISTS (SELECT 1 FROM ${live} l WHERE ${same});`,
    `INSERT INTO main.counts SELECT ${at}, 'removed', '', count(*) FROM temp.u${at};`,
    `INSERT INTO main.counts SELECT ${at}, 'kept', '', (SELECT count(*) FROM main.t${at}) - sum(n) FROM main.counts WHERE at = ${at};`,
    `DELETE FROM ${live} AS l WHERE EXISTS (SELECT 1 FROM temp.u${at} u WHERE ${matching('u', key, 'l', key, 'IS')});`,
    `DROP TABLE temp.u${at};`,
  ]
}
