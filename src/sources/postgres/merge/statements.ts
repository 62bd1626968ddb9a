import { parentsFirst } from '../../database/key-order.ts'
import { identifier, literal } from '../server.ts'

/** A table of the live database that rows are added to. */
export interface MergeTable {
  readonly schema: string
  readonly table: string
  /** Those that are in the snapshot, too, and that a row is made of. */
  readonly columns: readonly string[]
  /** Unique keys of plain columns. */
  readonly uniques: readonly { readonly columns: readonly string[]; readonly primary: boolean }[]
  /** The unique keys by which a row is known: the primary one, or those that were named. */
  readonly known: readonly (readonly string[])[]
  /** Of its own. */
  readonly foreign: readonly ForeignKey[]
  /** Of this and other tables, to it. */
  readonly referring: readonly ForeignKey[]
  /** Columns that a sequence counts, with the sequence's name in SQL. */
  readonly counters: readonly { readonly column: string; readonly sequence: string }[]
}

/** A foreign key, from the table that has it to the one it leads to. */
export interface ForeignKey {
  readonly name: string
  readonly from: Place
  readonly columns: readonly string[]
  readonly to: Place
  readonly referenced: readonly string[]
}

interface Place {
  readonly schema: string
  readonly table: string
}

/** Schemas of the restore: of what may be added, and of what was. */
export interface MergeSchemas {
  readonly staged: string
  readonly added: string
}

const named = ({ schema, table }: Place): string => `${identifier(schema)}.${identifier(table)}`
const isSame = (one: Place, other: Place): boolean => one.schema === other.schema && one.table === other.table

/** Parents before children, as far as that goes: of a circle some come before what they refer to. */
export function inOrderOfKeys<T extends Pick<MergeTable, 'schema' | 'table' | 'foreign'>>(
  tables: readonly T[],
): readonly T[] {
  return parentsFirst(tables, ({ foreign }) =>
    foreign.flatMap(({ to }) => tables.find((one) => isSame(one, to)) ?? []),
  )
}

/** The name of a table's rows in the schemas of the restore; `at`: its place in the order. */
export const rowsName = (at: number): string => `t${at}`

/** The statements that add the rows whose keys are free, for tables in order of their keys. */
export function addingSteps(tables: readonly MergeTable[], schemas: MergeSchemas): readonly string[] {
  const { added, staged } = schemas
  return [
    `create schema ${identifier(added)}`,
    `create table ${identifier(added)}.counts (at int, what text, key text, rows bigint)`,
    `create table ${identifier(added)}.steps as select at, sql from ${identifier(staged)}.back`,
    `create table ${identifier(added)}.tables as select * from ${identifier(staged)}.tables`,
    ...tables.flatMap((table, at) => addRows(table, at, schemas)),
    `drop schema ${identifier(staged)} cascade`,
  ]
}

function addRows(table: MergeTable, at: number, { staged, added }: MergeSchemas): string[] {
  const rows = `${identifier(staged)}.${rowsName(at)}`
  const kept = `${identifier(added)}.${rowsName(at)}`
  const counts = `${identifier(added)}.counts`
  const live = named(table)
  const columns = table.columns.map(identifier).join(', ')
  const less = (what: string, key: string, condition: string): string =>
    `with gone as (delete from ${rows} s where ${condition} returning 1)
     insert into ${counts} select ${at}, ${literal(what)}, ${literal(key)}, count(*) from gone`
  const isKnown = (unique: readonly string[]): boolean =>
    table.known.some((key) => key.length === unique.length && key.every((name) => unique.includes(name)))
  const usable = table.uniques.filter((unique) =>
    unique.columns.every((name) => table.columns.includes(name)),
  )
  const inOrder = [...usable].sort(
    (one, other) => Number(isKnown(other.columns)) - Number(isKnown(one.columns)),
  )
  return [
    `create table ${kept} as select * from ${live} with no data`,
    ...inOrder.map((unique) =>
      less(
        isKnown(unique.columns) ? 'there' : 'taken',
        unique.columns.join(', '),
        `exists (select from ${live} l where ${matching('l', unique.columns, 's', unique.columns)})`,
      ),
    ),
    ...table.foreign
      .filter((key) => !isSame(key.to, table))
      .map((key) => less('lost', key.name, refersToNothing(key))),
    ...table.foreign
      .filter((key) => isSame(key.to, table))
      .map(
        (key) => `do $relay$
         declare removed bigint; total bigint := 0;
         begin
           loop
             delete from ${rows} s where ${refersToNothing(key)}
               and not exists (select from ${rows} o where ${matching('o', key.referenced, 's', key.columns)});
             get diagnostics removed = row_count;
             total := total + removed;
             exit when removed = 0;
           end loop;
           insert into ${counts} values (${at}, 'lost', ${literal(key.name)}, total);
         end $relay$`,
      ),
    `with added as (insert into ${live} (${columns}) overriding system value
       select ${columns} from ${rows} on conflict do nothing returning *)
     insert into ${kept} select * from added`,
    `insert into ${counts} select ${at}, 'inserted', '', count(*) from ${kept}`,
    `insert into ${counts} select ${at}, 'taken', 'another key', (select count(*) from ${rows}) - (select count(*) from ${kept})`,
    ...table.counters.map(
      ({ column, sequence }) =>
        `select setval(${literal(sequence)}, m) from (select max(${identifier(column)}) as m from ${kept}) x
         where m >= (select last_value from ${sequence})`,
    ),
  ]
}

function matching(one: string, columns: readonly string[], other: string, theirs: readonly string[]): string {
  return columns
    .map((column, at) => `${one}.${identifier(column)} = ${other}.${identifier(theirs[at]!)}`)
    .join(' and ')
}

/** Of a row `s` that is to be added. */
function refersToNothing(key: ForeignKey): string {
  const set = key.columns.map((column) => `s.${identifier(column)} is not null`).join(' and ')
  return `${set} and not exists (select from ${named(key.to)} p where ${matching('p', key.referenced, 's', key.columns)})`
}

/**
 * The statements that take added rows back, for tables in order of their keys: those that are as they were added, and that
 * no row refers to which stays.
 */
export function removingSteps(tables: readonly MergeTable[], { added }: MergeSchemas): readonly string[] {
  return tables.map((table, at) => removeRows(table, at, added)).reverse()
}

function removeRows(table: MergeTable, at: number, added: string): string {
  const kept = `${identifier(added)}.${rowsName(at)}`
  const key = keyOf(table)
  const same = matching('live_', key, 'row_', key)
  const free = table.referring.map((foreign) => {
    const own = isSame(foreign.from, table) ? ' and (o.tableoid, o.ctid) <> (live_.tableoid, live_.ctid)' : ''
    return ` and not exists (select from ${named(foreign.from)} o where ${matching('o', foreign.columns, 'live_', foreign.referenced)}${own})`
  })
  return `do $relay$
    declare removed bigint; total bigint := 0; gone bigint; every bigint;
    begin
      select count(*), count(*) filter (where not exists (select from ${named(table)} live_ where ${same}))
        into every, gone from ${kept} row_;
      loop
        delete from ${named(table)} live_ using ${kept} row_ where ${same} and live_::text = row_::text${free.join('')};
        get diagnostics removed = row_count;
        total := total + removed;
        exit when removed = 0;
      end loop;
      insert into ${identifier(added)}.counts values
        (${at}, 'removed', '', total), (${at}, 'gone', '', gone), (${at}, 'kept', '', every - gone - total);
    end $relay$`
}

/** The columns by which an added row is found again. */
function keyOf({ uniques, known }: MergeTable): readonly string[] {
  return uniques.find(({ primary }) => primary)?.columns ?? known[0]!
}
