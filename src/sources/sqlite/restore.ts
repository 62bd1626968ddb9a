import type { Finding } from '../../model/finding.ts'
import { printable } from '../../model/path-bytes.ts'
import { formatCount, formatNumber } from '../../model/units.ts'
import { compareChecks } from '../checks.ts'
import type { RestorableSource, RestoreContext } from '../contract.ts'
import type { SqliteSourceConfig } from './config.ts'
import { rowCount, type SqliteDatabaseFacts, type SqliteFacts } from './facts.ts'
import { askQuery, readFacts, type ReadFacts } from './read-facts.ts'

/** How databases are put back: as files, with what lay beside the old ones aside, and compared before anything starts. */
export const restorableSqlite: RestorableSource<SqliteSourceConfig, SqliteFacts> = {
  preflight: (_context, _config, { form, databases }) => {
    const damaged = databases.filter(({ integrity = 'ok' }) => integrity !== 'ok')
    return Promise.resolve({
      findings: damaged.map(({ path }) => ({
        check: 'database-damaged',
        outcome: 'warning' as const,
        message: `${printable(path)} was damaged already when it was captured`,
        next: 'Look for an older snapshot of it.',
      })),
      notes: [
        'what lies beside the old database (-wal, -shm, -journal) is set aside with it',
        ...(form === 'copy'
          ? []
          : ['it was captured as files: what is in it was not counted, so nothing is compared']),
      ],
    })
  },
  check: checkSqlite,
}

/** Compares the databases that were put in place with the facts; nobody else has opened them yet. */
async function checkSqlite(
  context: RestoreContext,
  config: SqliteSourceConfig,
  facts: SqliteFacts,
): Promise<readonly Finding[]> {
  if (facts.form !== 'copy') return []
  const places = facts.databases.map(({ path }) =>
    placeOf(path, facts, config, context.probe.deployment ?? ''),
  )
  const read = await readFacts(context, places)
  const findings = facts.databases.map((expected, at) => compareDatabase(expected, read[at]))
  const [place = ''] = places
  const asked = await compareChecks(config.name, config.checks, facts.databases[0]?.checks, (query) =>
    askQuery(context, place, query),
  )
  return [...findings, ...asked]
}

/** Where a database of the snapshot goes: a single one where the target has its single one. */
function placeOf(
  path: string,
  { databases }: SqliteFacts,
  { paths, patterns }: SqliteSourceConfig,
  deployment: string,
): string {
  const isOne = databases.length === 1 && paths.length === 1 && patterns.length === 0
  const place = isOne ? (paths[0] ?? path) : path
  return place.startsWith('/') ? place : `${deployment}/${place}`
}

/** What a database holds, beside what it is to hold. */
export function compareDatabase(expected: SqliteDatabaseFacts, read: ReadFacts): Finding {
  const check = 'database-facts'
  const path = printable(expected.path)
  if (read === undefined || expected.tables === undefined) {
    return {
      check,
      outcome: 'warning',
      message: `${path} was not compared with its facts: ${
        read === undefined ? 'the server has neither sqlite3 nor python3' : 'they are not known'
      }`,
      next: 'Open it with the app, and look at what it holds.',
    }
  }
  const differences = 'failed' in read ? [read.failed] : differencesOf(expected, read)
  if (differences.length === 0) {
    const [tables, rows] = [Object.keys(expected.tables).length, rowCount(expected.tables)]
    const message = `${path}: ${formatCount(tables, 'table')}, ${formatCount(rows, 'row')}, as in the snapshot`
    return { check, outcome: 'ok', message }
  }
  const more = differences.length > 5 ? ` and ${differences.length - 5} more` : ''
  return {
    check,
    outcome: 'failed',
    message: `${path} is not as it was captured: ${differences.slice(0, 5).map(printable).join('; ')}${more}`,
    next: 'See whether something writes to it that the restore does not stop, then restore again.',
  }
}

function differencesOf(
  expected: SqliteDatabaseFacts,
  read: Omit<SqliteDatabaseFacts, 'path' | 'bytes'>,
): readonly string[] {
  const [was, is] = [expected.tables ?? {}, read.tables ?? {}]
  const rows = [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .filter((table) => was[table] !== is[table])
    .map(
      (table) =>
        `${table} has ${is[table] === undefined ? 'no rows' : formatCount(is[table], 'row')}, and not ${was[table] === undefined ? 'any' : formatNumber(was[table])}`,
    )
  const settings = Object.entries(expected.settings ?? {})
    .filter(([name, value]) => read.settings?.[name] !== value)
    .map(([name, value]) => `${name} is ${read.settings?.[name]}, and not ${value}`)
  return [
    ...(read.integrity === expected.integrity ? [] : [`integrity_check says ${read.integrity}`]),
    ...(read.definitions === expected.definitions ? [] : ['its tables are defined otherwise']),
    ...rows,
    ...settings,
  ]
}
