import type { Readable } from 'node:stream'
import { SourceError } from '../../../errors.ts'
import type { Finding } from '../../../model/finding.ts'
import { printable } from '../../../model/path-bytes.ts'
import type { ManifestArchive } from '../../../model/snapshot.ts'
import { formatCount, formatNumber } from '../../../model/units.ts'
import { loadScript } from '../../../remote/scripts.ts'
import type { LoadTarget, RestoreContext } from '../../contract.ts'
import { restoreOf } from '../../database/aside.ts'
import type { PostgresSourceConfig, WantedTable } from '../config.ts'
import type { PostgresFacts } from '../facts.ts'
import { CHECK, different, loadDatabase } from '../load-database.ts'
import { databaseNamed, identifier, literal, loaderPlace, type Server } from '../server.ts'
import { maintenanceOf, Session } from '../session.ts'
import { copySchemas, dropDatabase } from './copy.ts'
import { placeTables, stagingDatabase, tablesTarget, type PlacedTable } from './names.ts'

/** What each archive becomes of which tables are wanted: those of one database are changed at once. */
export async function targetsOfTables(
  context: RestoreContext,
  server: Server,
  tables: readonly WantedTable[],
  id: string,
  archives: readonly ManifestArchive[],
): Promise<readonly LoadTarget[]> {
  const targets: LoadTarget[] = []
  for (const { file, part } of archives) {
    const placed = placeTables(inDatabase(tables, part), id)
    if (placed.length === 0) continue
    await using session = await Session.open(server, part, context.signal)
    const there = await countThere(session, placed)
    targets.push(tablesTarget(file, part, placed, there > 0))
  }
  return targets
}

function inDatabase(tables: readonly WantedTable[], database: string): readonly WantedTable[] {
  return tables.filter((table) => table.database === database)
}

async function countThere(session: Session, placed: readonly PlacedTable[]): Promise<number> {
  const names = placed.map(({ live, table }) => `(${literal(live)}, ${literal(table)})`).join(', ')
  const [found] = await session.rows<{ count: number }>(
    `select count(*) as count from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where (n.nspname, c.relname) in (${names})`,
  )
  return found?.count ?? 0
}

/** What moves the tables of one target. */
export async function tablesLoader(
  config: PostgresSourceConfig,
  server: Server,
  tables: readonly WantedTable[],
  target: LoadTarget,
): Promise<{ readonly script: string; readonly args: readonly string[]; readonly swaps: true }> {
  const { database, placed } = tablesOf(tables, target)
  return {
    script: await loadScript('sources/postgres/tables'),
    args: [
      ...loaderPlace(server, config),
      databaseNamed(maintenanceOf(config)),
      databaseNamed(database),
      target.target,
      restoreOf(target.staged),
      database,
      stagingDatabase(database, target),
      JSON.stringify(placed),
    ],
    swaps: true,
  }
}

function tablesOf(
  tables: readonly WantedTable[],
  target: LoadTarget,
): { readonly database: string; readonly placed: readonly PlacedTable[] } {
  const id = restoreOf(target.staged)
  for (const database of new Set(tables.map((table) => table.database))) {
    const placed = placeTables(inDatabase(tables, database), id)
    if (tablesTarget(target.archive, database, placed, true).target === target.target)
      return { database, placed }
  }
  throw new Error(`${target.target} is none of the tables that are wanted`)
}

/**
 * Loads the whole dump into a new database, compares it, and copies the tables from there into schemas of the restore in the
 * live one. Throws SourceError for what can't lie there: a type that is missing, a row that a foreign key wants.
 */
export async function loadTables(
  context: RestoreContext,
  config: PostgresSourceConfig,
  server: Server,
  {
    facts,
    target,
    dump,
  }: { readonly facts: PostgresFacts; readonly target: LoadTarget; readonly dump: Readable },
): Promise<void> {
  const { database, placed } = tablesOf(config.tables ?? [], target)
  const staged = stagingDatabase(database, target)
  await loadDatabase(context, config, server, { facts, dump, live: database, staged, target: database })
  context.step(`copying ${target.target} beside what is there`)
  const expected = await moveAside(context, server, staged, placed)
  const schemas = [...new Set(placed.map((one) => one.new))]
  await copySchemas(context, server, { from: staged, to: database, schemas })
  await using session = await Session.open(server, database, context.signal)
  for (const table of placed) {
    const name = `${table.live}.${table.table}`
    const found = await lookAtRows(session, table.new, table.table)
    const wanted = expected.get(table)!
    if (found.hash !== wanted.hash || found.rows !== wanted.rows) {
      throw new SourceError(
        CHECK,
        `${printable(name)} has other rows than were captured when it was copied`,
        {
          next: 'Nothing was replaced. Restore again; if it stays so, restore the whole database.',
        },
      )
    }
    await session.run(`analyze ${identifier(table.new)}.${identifier(table.table)};`)
  }
  await insistOnKeys(session, database, placed)
  await dropDatabase(context, config, server, staged)
}

/** Puts the tables into the schemas that they have in the live database until they are switched. Returns what is in them. */
async function moveAside(
  context: RestoreContext,
  server: Server,
  staged: string,
  placed: readonly PlacedTable[],
): Promise<ReadonlyMap<PlacedTable, Rows>> {
  await using session = await Session.open(server, staged, context.signal)
  const rows = new Map<PlacedTable, Rows>()
  for (const one of placed) {
    const { live, table } = one
    await session.run(`create schema if not exists ${identifier(one.new)};`)
    const statistics = await session.rows<{ schema: string; name: string }>(
      `select n.nspname as schema, s.stxname as name from pg_statistic_ext s
       join pg_namespace n on n.oid = s.stxnamespace join pg_class c on c.oid = s.stxrelid
       join pg_namespace m on m.oid = c.relnamespace
       where m.nspname = ${literal(live)} and c.relname = ${literal(table)} and n.nspname = m.nspname`,
    )
    for (const { schema, name } of statistics)
      await session.run(
        `alter statistics ${identifier(schema)}.${identifier(name)} set schema ${identifier(one.new)};`,
      )
    await session.run(
      `alter table ${identifier(live)}.${identifier(table)} set schema ${identifier(one.new)};`,
    )
    rows.set(one, await lookAtRows(session, one.new, table))
  }
  return rows
}

interface Rows {
  readonly rows: number
  /** A sum over all rows, in which their order does not count. */
  readonly hash: string
}

async function lookAtRows(session: Session, schema: string, table: string): Promise<Rows> {
  const [found] = await session.rows<Rows>(
    `select count(*) as rows,
       coalesce(sum(('x' || substr(md5(whole_row_::text), 1, 16))::bit(64)::bigint::numeric), 0)::text as hash
     from only ${identifier(schema)}.${identifier(table)} whole_row_`,
  )
  return found!
}

interface ForeignKey {
  readonly name: string
  readonly schema: string
  readonly table: string
  readonly target: number
  readonly columns: readonly string[]
  readonly referenced: readonly string[]
}

/** Rows of other tables must find in the new tables what they refer to: else the switch would be refused later. */
async function insistOnKeys(
  session: Session,
  database: string,
  placed: readonly PlacedTable[],
): Promise<void> {
  const names = placed.map(({ live, table }, at) => `(${literal(live)}, ${literal(table)}, ${at})`).join(', ')
  const keys = await session.rows<ForeignKey>(
    `with wanted as (select c.oid, w.at from (values ${names}) as w(schema, name, at)
       join pg_namespace n on n.nspname = w.schema join pg_class c on c.relnamespace = n.oid and c.relname = w.name)
     select k.conname as name, n.nspname as schema, r.relname as "table", w.at as target,
       array(select a.attname from unnest(k.conkey) with ordinality u(num, pos)
         join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num order by u.pos) as columns,
       array(select a.attname from unnest(k.confkey) with ordinality u(num, pos)
         join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num order by u.pos) as referenced
     from pg_constraint k join wanted w on w.oid = k.confrelid join pg_class r on r.oid = k.conrelid
     join pg_namespace n on n.oid = r.relnamespace
     where k.contype = 'f' and k.convalidated and k.conrelid not in (select oid from wanted)
       and n.nspname !~ '_(old|new|failed)_[0-9]{8}T[0-9]{6}Z$'`,
  )
  for (const { name, schema, table, target, columns, referenced } of keys) {
    const to = placed[target]!
    const set = columns.map((column) => `o.${identifier(column)} is not null`).join(' and ')
    const same = referenced
      .map((column, at) => `n.${identifier(column)} = o.${identifier(columns[at]!)}`)
      .join(' and ')
    const [lost] = await session.rows<{ rows: number }>(
      `select count(*) as rows from ${identifier(schema)}.${identifier(table)} o where ${set}
         and not exists (select from ${identifier(to.new)}.${identifier(to.table)} n where ${same})`,
    )
    if ((lost?.rows ?? 0) === 0) continue
    const [referring, own] = [`${schema}.${table}`, `${to.live}.${to.table}`].map(printable)
    throw new SourceError(
      'postgres-foreign-key',
      `${formatCount(lost!.rows, 'row')} of ${referring} in ${printable(database)} would refer to rows that ${own} of the snapshot does not have (${printable(name)})`,
      {
        next: `Nothing was replaced. Restore ${referring} with it (--path once more), or remove or correct these rows first.`,
      },
    )
  }
}

/** Compares what is in place with what was counted at the capture. */
export async function checkTables(
  context: RestoreContext,
  config: PostgresSourceConfig,
  server: Server,
  tables: readonly WantedTable[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const database of new Set(tables.map((table) => table.database))) {
    await using session = await Session.open(server, database, context.signal)
    for (const { schema, table, rows } of inDatabase(tables, database)) {
      const name = `${database}.${schema}.${table}`
      const found = await lookAtRows(session, schema, table)
      findings.push(
        found.rows === rows
          ? {
              check: CHECK,
              outcome: 'ok',
              message: `${printable(name)} has ${formatCount(rows, 'row')}, as when it was captured`,
            }
          : different(
              config,
              name,
              `it has ${formatCount(found.rows, 'row')}, and not ${formatNumber(rows)}`,
            ),
      )
    }
  }
  return findings
}
