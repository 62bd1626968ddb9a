import type { Readable } from 'node:stream'
import { SourceError } from '../../errors.ts'
import type { Finding } from '../../model/finding.ts'
import { printable } from '../../model/path-bytes.ts'
import { compareChecks } from '../checks.ts'
import { asCaptured, countDifference, notAsCaptured } from '../database/compare.ts'
import { loadDump } from '../database/load-dump.ts'
import type { RestoreContext } from '../contract.ts'
import { ArchiveWalk, type ArchiveEntry } from './archive.ts'
import { applySettings, copySettings, lookAtDatabase, lookAtServer } from './catalogue.ts'
import type { PostgresSourceConfig } from './config.ts'
import type { DatabaseFacts, PostgresFacts } from './facts.ts'
import { databaseNamed, failure, identifier, literal, titleOf, type Server } from './server.ts'
import { askQuery, maintenanceOf, Session } from './session.ts'

/** The finding, and the error, of a database that is not what was captured. */
export const CHECK = 'postgres-facts'

/** A dump, and what it is loaded into. */
export interface DatabaseLoad {
  readonly facts: PostgresFacts
  readonly dump: Readable
  /** Its name when it was captured. */
  readonly live: string
  /** The new database that it is loaded into. */
  readonly staged: string
  /** What people are told of it. */
  readonly target: string
}

/**
 * Loads a dump into a new database with what is set for the live one, and compares it with what was counted at the capture.
 * Throws SourceError when it differs.
 */
export async function loadDatabase(
  context: RestoreContext,
  config: PostgresSourceConfig,
  server: Server,
  { facts, dump, live, staged, target }: DatabaseLoad,
): Promise<void> {
  await using session = await Session.open(server, maintenanceOf(config), context.signal)
  const { version, databases } = await lookAtServer(session)
  const expected = facts.databases[live]
  if (expected === undefined) throw new Error(`${live} is not in the facts`)
  const model = databases.find(({ name }) => name === live)
  const owner = model?.owner ?? expected.owner
  await session.run(createDatabase(staged, expected, owner, majorOf(version)))
  const spaces = await missingTablespaces(session, expected)
  const options = spaces.length === 0 ? [] : ['--no-tablespaces']
  const entries = await restoreInto(context, server, staged, { dump, options })
  if (model !== undefined) await copySettings(session, live, staged)
  else if (entries !== undefined) await applySettings(session, entries, live, staged)
  await using inside = await Session.open(server, staged, context.signal)
  // Without statistics its first hours would be slow.
  await inside.run('analyze;')
  const { facts: found } = await lookAtDatabase(inside)
  const finding = compare(config, target, expected, found, majorOf(version) === majorOf(facts.version))
  if (finding.outcome === 'failed')
    throw new SourceError(CHECK, finding.message, { next: finding.next ?? '' })
  const differs = (await compareQueries(context, config, server, staged, expected)).find(
    ({ outcome }) => outcome === 'failed',
  )
  if (differs !== undefined)
    throw new SourceError('check-differs', differs.message, { next: differs.next ?? '' })
}

export async function compareQueries(
  { signal }: RestoreContext,
  { name, checks }: PostgresSourceConfig,
  server: Server,
  database: string,
  { checks: recorded }: DatabaseFacts,
): Promise<readonly Finding[]> {
  return await compareChecks(name, checks, recorded, (query) => askQuery(server, database, query, signal))
}

function createDatabase(name: string, { locale }: DatabaseFacts, owner: string, major: number): string {
  const { encoding, collate, ctype, provider } = locale
  const said = [
    `template template0 encoding ${literal(encoding)} lc_collate ${literal(collate)} lc_ctype ${literal(ctype)}`,
    // Unsaid, it is the template's, which may compare otherwise.
    ...(major < 15 ? [] : [`locale_provider ${provider}`]),
    ...(provider === 'libc' || locale.name === undefined
      ? []
      : [`${provider}_locale ${literal(locale.name)}`]),
    ...(locale.icuRules === undefined ? [] : [`icu_rules ${literal(locale.icuRules)}`]),
    `owner ${identifier(owner)}`,
  ]
  return `create database ${identifier(name)} ${said.join(' ')};`
}

/** Those that its tables lie in and that the server has not. */
export async function missingTablespaces(
  session: Session,
  { tablespaces = [] }: DatabaseFacts,
): Promise<string[]> {
  const there = await session.rows<{ name: string }>('select spcname as name from pg_tablespace')
  return tablespaces.filter((space) => !there.some(({ name }) => name === space))
}

/** Returns the dump's table of contents, where its format is known. */
async function restoreInto(
  context: RestoreContext,
  server: Server,
  database: string,
  { dump, options }: { readonly dump: Readable; readonly options: readonly string[] },
): Promise<readonly ArchiveEntry[] | undefined> {
  const walk = new ArchiveWalk()
  await loadDump(context, {
    command: {
      script: 'sources/postgres/load',
      patience: 'work',
      args: [...server.place, databaseNamed(database), ...options],
      privilege: server.privilege,
      title: 'pg_restore on the server',
    },
    line: server.line,
    dump,
    onBytes: (chunk) => walk.write(chunk),
    failure: (exit) => failure(server, `load ${printable(database)}`, { ...exit, command: 'pg_restore' }),
  })
  return walk.entries
}

export function compare(
  config: PostgresSourceConfig,
  name: string,
  expected: DatabaseFacts,
  found: Pick<DatabaseFacts, 'tables' | 'rows' | 'counts' | 'definitions'>,
  sameMajor: boolean,
): Finding {
  const difference = countDifference(expected, found)
  if (difference !== undefined) return different(config, name, difference)
  // How a definition is told may change from one major version to the next.
  if (sameMajor && found.definitions !== expected.definitions)
    return different(config, name, 'its tables, functions or constraints are others')
  return asCaptured(CHECK, name, found)
}

export function different(config: PostgresSourceConfig, name: string, what: string): Finding {
  return notAsCaptured(CHECK, name, titleOf(config), what)
}

export function majorOf(version: string): number {
  return Number.parseInt(version, 10)
}
