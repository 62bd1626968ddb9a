import type { Readable } from 'node:stream'
import { SourceError } from '../../../errors.ts'
import type { Finding } from '../../../model/finding.ts'
import { printable } from '../../../model/path-bytes.ts'
import type { MergedTable } from '../../../model/restore-report.ts'
import type { ManifestArchive } from '../../../model/snapshot.ts'
import { loadScript } from '../../../remote/scripts.ts'
import type { LoadTarget, RestoreContext, RestorePreflight } from '../../contract.ts'
import { restoreOf } from '../../database/aside.ts'
import type { MatchKey } from '../../kind.ts'
import type { ServerLook } from '../catalogue.ts'
import type { PostgresSourceConfig } from '../config.ts'
import type { PostgresFacts } from '../facts.ts'
import { loadDatabase } from '../load-database.ts'
import { asideName } from '../names.ts'
import { databaseNamed, identifier, literal, loaderPlace, type Server } from '../server.ts'
import { maintenanceOf, Session } from '../session.ts'
import { schemaFindings } from '../schema-findings.ts'
import { copySchemas, dropDatabase } from '../tables/copy.ts'
import { lookAtForeignKeys, lookAtTables, stageRows, type TableOfMerge } from './look.ts'
import {
  addingSteps,
  inOrderOfKeys,
  removingSteps,
  rowsName,
  type ForeignKey,
  type MergeTable,
} from './statements.ts'

/** What the schemas of a merge are called. */
function schemasOf(id: string): { readonly new: string; readonly old: string; readonly failed: string } {
  return {
    new: asideName('merge', 'new', id),
    old: asideName('merge', 'old', id),
    failed: asideName('merge', 'failed', id),
  }
}

/** Whether rows can be added, and that each key that was named is one of one table. Changes nothing. */
export async function judgeMerge(
  context: RestoreContext,
  config: PostgresSourceConfig,
  server: Server,
  { databases }: ServerLook,
  facts: PostgresFacts,
): Promise<RestorePreflight> {
  const findings: Finding[] = []
  const fail = (check: string, message: string, next: string): void => {
    findings.push({ check, outcome: 'failed', message, next })
  }
  const matched = new Set<MatchKey>()
  const names = namesOf(config, facts)
  for (const database of names) {
    if (!databases.some(({ name }) => name === database)) {
      fail(
        'postgres-database-missing',
        `${server.title} has no database ${printable(database)} to add rows to`,
        'Restore it with --strategy replace.',
      )
      continue
    }
    await using session = await Session.open(server, database, context.signal)
    findings.push(...(await schemaFindings(session, server, database)))
    const tables = await lookAtTables(session)
    for (const match of config.merge ?? []) {
      const known = tables.filter((table) => isNamed(match, database, table))
      if (known.length === 0) continue
      const key = `${match.table}:${match.columns.join(',')}`
      if (matched.has(match) || known.length > 1) {
        fail(
          'merge-match',
          `--match ${printable(key)} may be several tables`,
          'Name it as DATABASE.SCHEMA.TABLE.',
        )
      } else if (!known[0]!.uniques.some(({ columns }) => isSameKey(columns, match.columns))) {
        fail(
          'merge-match',
          `--match ${printable(key)} is no unique key of ${printable(`${database}.${known[0]!.schema}.${known[0]!.table}`)}`,
          'Name all columns of a unique key, parted by commas.',
        )
      }
      matched.add(match)
    }
  }
  for (const match of (config.merge ?? []).filter((each) => !matched.has(each))) {
    fail(
      'merge-match',
      `--match ${printable(match.table)}: there is no such table in what rows are added to`,
      'Name it as TABLE, SCHEMA.TABLE or DATABASE.SCHEMA.TABLE.',
    )
  }
  return {
    findings,
    notes: names.map(
      (name) =>
        `${printable(name)}: rows whose keys are free are added in one transaction; no other row changes`,
    ),
  }
}

function namesOf({ tables }: PostgresSourceConfig, { databases }: PostgresFacts): readonly string[] {
  const names = Object.keys(databases)
  return tables === undefined
    ? names
    : names.filter((name) => tables.some(({ database }) => database === name))
}

function isNamed(
  { table: asked }: MatchKey,
  database: string,
  { schema, table }: Pick<TableOfMerge, 'schema' | 'table'>,
): boolean {
  return [table, `${schema}.${table}`, `${database}.${schema}.${table}`].includes(asked)
}

function isSameKey(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name) => other.includes(name))
}

/** A target for each database: what is added to it is added at once. */
export function targetsOfMerge(
  config: PostgresSourceConfig,
  facts: PostgresFacts,
  id: string,
  archives: readonly ManifestArchive[],
): readonly LoadTarget[] {
  const names = new Set(namesOf(config, facts))
  const schemas = schemasOf(id)
  return archives
    .filter(({ part }) => names.has(part))
    .map(({ file, part }) => ({
      archive: file,
      target: part,
      staged: `${part}.${schemas.new}`,
      aside: `${part}.${schemas.old}`,
      failed: `${part}.${schemas.failed}`,
      exists: true,
    }))
}

/** What adds the rows of one target. */
export async function mergeLoader(
  config: PostgresSourceConfig,
  server: Server,
  { target, staged }: LoadTarget,
): Promise<{ readonly script: string; readonly args: readonly string[]; readonly swaps: true }> {
  const id = restoreOf(staged)
  const schemas = schemasOf(id)
  return {
    script: await loadScript('sources/postgres/merge'),
    args: [
      ...loaderPlace(server, config),
      databaseNamed(maintenanceOf(config)),
      databaseNamed(target),
      target,
      target,
      asideName(target, 'new', id),
      ...[schemas.new, schemas.old, schemas.failed],
    ],
    swaps: true,
  }
}

/**
 * Loads the whole dump into a new database, compares it, and copies its rows from there into a schema of the restore in the
 * live one, with the statements that add them. Throws SourceError for a table that has columns which the live one lacks.
 */
export async function loadMerge(
  context: RestoreContext,
  config: PostgresSourceConfig,
  server: Server,
  {
    facts,
    target,
    dump,
  }: { readonly facts: PostgresFacts; readonly target: LoadTarget; readonly dump: Readable },
): Promise<void> {
  const database = target.target
  const id = restoreOf(target.staged)
  const schemas = schemasOf(id)
  const staging = asideName(database, 'new', id)
  await loadDatabase(context, config, server, {
    facts,
    dump,
    live: database,
    staged: staging,
    target: database,
  })
  context.step(`copying rows of ${printable(database)} beside what is there`)
  await using session = await Session.open(server, database, context.signal)
  const live = await lookAtTables(session)
  const keys = await lookAtForeignKeys(session)
  const ordered: MergeTable[] = []
  const leftOut: MergedTable[] = []
  {
    await using inside = await Session.open(server, staging, context.signal)
    const wanted = (await lookAtTables(inside)).filter((table) => isWanted(config, database, table))
    const found = wanted.flatMap((table) => {
      const judged = judgeTable(database, table, live, keys, config.merge ?? [])
      if (typeof judged !== 'string') return [judged]
      leftOut.push({
        table: `${database}.${table.schema}.${table.table}`,
        inserted: 0,
        skipped: [],
        leftOut: judged,
      })
      return []
    })
    ordered.push(...inOrderOfKeys(found))
    await stageRows(
      inside,
      schemas.new,
      ordered.map(({ schema, table }, at) => ({ schema, table, name: rowsName(at) })),
    )
  }
  await copySchemas(context, server, { from: staging, to: database, schemas: [schemas.new] })
  const places = { staged: schemas.new, added: schemas.old }
  const told = ordered.map(({ schema, table }) => ({ table: `${database}.${schema}.${table}` }))
  const own = identifier(schemas.new)
  await session.run(
    `create table ${own}.steps (at serial, sql text); create table ${own}.back (at serial, sql text);
     create table ${own}.tables (at serial, name text, left_out text);`,
  )
  for (const sql of addingSteps(ordered, places))
    await session.run(`insert into ${own}.steps (sql) values (${literal(sql)});`)
  for (const sql of removingSteps(ordered, places))
    await session.run(`insert into ${own}.back (sql) values (${literal(sql)});`)
  for (const { table, leftOut: why } of [...told, ...leftOut] as MergedTable[])
    await session.run(
      `insert into ${own}.tables (name, left_out) values (${literal(table)}, ${why === undefined ? 'null' : literal(why)});`,
    )
  for (const at of ordered.keys()) await session.run(`analyze ${own}.${rowsName(at)};`)
  await dropDatabase(context, config, server, staging)
}

function isWanted(
  { tables }: PostgresSourceConfig,
  database: string,
  { schema, table }: TableOfMerge,
): boolean {
  return (
    tables === undefined ||
    tables.some((one) => one.database === database && one.schema === schema && one.table === table)
  )
}

/** The live table that rows are added to; why there can be none. Throws SourceError where rows would lose columns. */
function judgeTable(
  database: string,
  { schema, table, columns }: TableOfMerge,
  tables: readonly TableOfMerge[],
  keys: readonly ForeignKey[],
  matches: readonly MatchKey[],
): MergeTable | string {
  const live = tables.find((one) => one.schema === schema && one.table === table)
  if (live === undefined) return 'there is no such table by now'
  const isHere = (place: { readonly schema: string; readonly table: string }): boolean =>
    place.schema === schema && place.table === table
  const here = new Set(live.columns.filter(({ generated }) => !generated).map(({ name }) => name))
  const known = live.columns.map(({ name }) => name)
  const lacking = columns.filter(({ name }) => !known.includes(name))
  if (lacking.length > 0) {
    throw new SourceError(
      'postgres-merge-columns',
      `${printable(`${database}.${schema}.${table}`)} has no ${lacking.map(({ name }) => printable(name)).join(', ')} any more, and rows of the snapshot have`,
      {
        next: 'Nothing was added. Restore other tables (--path), or put the database beside (--target NAME).',
      },
    )
  }
  const own = columns.filter(({ name }) => here.has(name)).map(({ name }) => name)
  const needed = live.columns.filter(
    ({ name, optional }) => !optional && !own.includes(name) && here.has(name),
  )
  if (needed.length > 0)
    return `it wants ${needed.map(({ name }) => name).join(', ')}, which rows of the snapshot do not have`
  const named = matches.filter((match) => isNamed(match, database, live)).map((match) => match.columns)
  const primary = live.uniques.find((unique) => unique.primary)
  if (primary === undefined && named.length === 0)
    return 'it has no primary key; name a unique one with --match'
  return {
    schema,
    table,
    uniques: live.uniques,
    columns: own,
    known: [...(primary === undefined ? [] : [primary.columns]), ...named],
    foreign: keys.filter(({ from }) => isHere(from)),
    referring: keys.filter(({ to }) => isHere(to)),
    counters: live.columns.flatMap(({ name, sequence }) =>
      sequence !== null && own.includes(name) ? [{ column: name, sequence }] : [],
    ),
  }
}

/** What became of the rows of a target, a table each. */
export async function mergedTables(
  context: RestoreContext,
  server: Server,
  { target, staged }: LoadTarget,
): Promise<readonly MergedTable[]> {
  await using session = await Session.open(server, target, context.signal)
  const own = identifier(schemasOf(restoreOf(staged)).old)
  const rows = await session.rows<{
    readonly name: string
    readonly left_out: string | null
    readonly what: string | null
    readonly key: string | null
    readonly rows: number | null
  }>(
    `select t.name, t.left_out, c.what, c.key, c.rows from ${own}.tables t left join ${own}.counts c on c.at = t.at - 1
     order by t.at`,
  )
  return [...new Set(rows.map(({ name }) => name))].map((table) => {
    const of = rows.filter(({ name }) => name === table)
    const why = of[0]?.left_out ?? undefined
    const skipped = of.flatMap(({ what, key, rows: count }) =>
      (what === 'there' || what === 'taken' || what === 'lost') && (count ?? 0) > 0
        ? [{ why: what, key: key ?? '', rows: count ?? 0 } as const]
        : [],
    )
    const inserted = of.find(({ what }) => what === 'inserted')?.rows ?? 0
    return { table, inserted, skipped, ...(why === undefined ? {} : { leftOut: why }) }
  })
}
