import type { Readable } from 'node:stream'
import { SourceError } from '../../errors.ts'
import type { Finding } from '../../model/finding.ts'
import { printable } from '../../model/path-bytes.ts'
import { formatCount } from '../../model/units.ts'
import { isOlder } from '../../model/version-order.ts'
import { loadScript } from '../../remote/scripts.ts'
import { compareChecks } from '../checks.ts'
import { isAside } from '../database/aside.ts'
import { asCaptured, countDifference, notAsCaptured } from '../database/compare.ts'
import { loadDump } from '../database/load-dump.ts'
import type { LoadableSource, RestoreContext, RestorePreflight } from '../contract.ts'
import { ArchiveWalk, type ArchiveEntry } from './archive.ts'
import { applySettings, copySettings, lookAtDatabase, lookAtServer, type ServerLook } from './catalogue.ts'
import type { PostgresSourceConfig } from './config.ts'
import type { DatabaseFacts, PostgresFacts } from './facts.ts'
import { databaseNamed, failure, findServer, identifier, literal, titleOf, type Server } from './server.ts'
import { asideName } from './names.ts'
import { askQuery, maintenanceOf, Session } from './session.ts'

/** What the name of a database's archive ends with, before its compression. */
const DUMP = /\.dump(?:\.zst|\.gz)?\.gpg$/
/** The finding, and the error, of a database that is not what was captured. */
const CHECK = 'postgres-facts'

/**
 * Each dump is loaded into a new database, and switched with the old one by two renames. The old one stays until the restore
 * is discarded.
 */
export const loadablePostgres: LoadableSource<PostgresSourceConfig, PostgresFacts> = {
  downCode: 'postgres-down',
  look: async (context, config) => {
    const server = await findServer(context, config)
    await using session = await Session.open(server, maintenanceOf(config), context.signal)
    const { version, databases } = await lookAtServer(session)
    const names = databases.map(({ name }) => name)
    const isOurs = (name: string): boolean =>
      config.databases === 'all' ? !isAside(name) : config.databases.includes(name)
    return { version: { name: version, version }, names: names.filter(isOurs) }
  },
  preflight: async (context, config, facts) => {
    const server = await findServer(context, config)
    await using session = await Session.open(server, maintenanceOf(config), context.signal)
    const look = await lookAtServer(session)
    return await judge(session, server, look, facts, config.beside)
  },
  targets: async (context, config, facts, { id, archives }) => {
    const server = await findServer(context, config)
    await using session = await Session.open(server, maintenanceOf(config), context.signal)
    const there = new Set((await lookAtServer(session)).databases.map(({ name }) => name))
    return archives
      .filter(({ file, part }) => DUMP.test(file) && facts.databases[part] !== undefined)
      .map(({ file, part }) => {
        const target = config.beside ?? part
        return {
          archive: file,
          target,
          staged: asideName(target, 'new', id),
          aside: asideName(target, 'old', id),
          failed: asideName(target, 'failed', id),
          exists: there.has(target),
        }
      })
  },
  loader: async (context, config) => {
    const server = await findServer(context, config)
    return {
      script: await loadScript('sources/postgres/loader'),
      args: [...server.place, databaseNamed(maintenanceOf(config))],
    }
  },
  secret: ({ password }) => password,
  load: async (context, config, facts, target, dump) => {
    const server = await findServer(context, config)
    await using session = await Session.open(server, maintenanceOf(config), context.signal)
    const { version, databases } = await lookAtServer(session)
    const [live, expected] = Object.entries(facts.databases).find(
      ([name]) => (config.beside ?? name) === target.target,
    ) ?? ['', undefined]
    if (expected === undefined) throw new Error(`${target.target} is not in the facts`)
    const model = databases.find(({ name }) => name === live)
    const owner = model?.owner ?? expected.owner
    await session.run(createDatabase(target.staged, expected, owner, majorOf(version)))
    const spaces = await missingTablespaces(session, expected)
    const options = spaces.length === 0 ? [] : ['--no-tablespaces']
    const entries = await restoreInto(context, server, target.staged, { dump, options })
    if (model !== undefined) await copySettings(session, live, target.staged)
    else if (entries !== undefined) await applySettings(session, entries, live, target.staged)
    await using inside = await Session.open(server, target.staged, context.signal)
    // Without statistics its first hours would be slow.
    await inside.run('analyze;')
    const { facts: found } = await lookAtDatabase(inside)
    const finding = compare(
      config,
      target.target,
      expected,
      found,
      majorOf(version) === majorOf(facts.version),
    )
    if (finding.outcome === 'failed')
      throw new SourceError(CHECK, finding.message, { next: finding.next ?? '' })
    const differs = (await compareQueries(context, config, server, target.staged, expected)).find(
      ({ outcome }) => outcome === 'failed',
    )
    if (differs !== undefined)
      throw new SourceError('check-differs', differs.message, { next: differs.next ?? '' })
  },
  check: async (context, config, facts) => {
    const server = await findServer(context, config)
    await using session = await Session.open(server, maintenanceOf(config), context.signal)
    const { version, databases } = await lookAtServer(session)
    const sameMajor = majorOf(version) === majorOf(facts.version)
    const findings: Finding[] = []
    for (const [live, expected] of Object.entries(facts.databases)) {
      const name = config.beside ?? live
      if (!databases.some((each) => each.name === name)) {
        findings.push(different(config, name, 'it is not there'))
        continue
      }
      context.step(`counting ${printable(name)}`)
      await using inside = await Session.open(server, name, context.signal)
      const { facts: found } = await lookAtDatabase(inside)
      findings.push(compare(config, name, expected, found, sameMajor))
      findings.push(...(await compareQueries(context, config, server, name, expected)))
    }
    return findings
  },
}

async function compareQueries(
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
async function missingTablespaces(session: Session, { tablespaces = [] }: DatabaseFacts): Promise<string[]> {
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

async function judge(
  session: Session,
  { title }: Server,
  look: ServerLook,
  facts: PostgresFacts,
  beside: string | undefined,
): Promise<RestorePreflight> {
  const findings: Finding[] = []
  const fail = (check: string, message: string, next: string): void => {
    findings.push({ check, outcome: 'failed', message, next })
  }
  const older = majorOf(look.version) < majorOf(facts.version)
  if (older || isOlder(look.version, facts.version)) {
    const message = `${title} is ${look.version}, and the dump is of ${facts.version}`
    if (older) {
      fail('postgres-version', message, `Restore to PostgreSQL ${majorOf(facts.version)} or newer.`)
    } else {
      const next = 'Look into the release notes between the two.'
      findings.push({ check: 'postgres-version', outcome: 'warning', message, next })
    }
  }
  if (look.replica)
    fail('postgres-replica', `${title} follows another server and takes no writes`, 'Restore to its primary.')
  if (!look.createdb) {
    fail(
      'postgres-privilege',
      `${title} lets us make no database`,
      'Let the user of this source do so: alter role … createdb, or make it a superuser.',
    )
  }
  const available = new Set(
    (await session.rows<{ name: string }>('select name from pg_available_extensions')).map(
      ({ name }) => name,
    ),
  )
  for (const [name, { extensions }] of Object.entries(facts.databases)) {
    const missing = Object.keys(extensions).filter((extension) => !available.has(extension))
    if (missing.length > 0) {
      fail(
        'postgres-extension',
        `${printable(name)} needs ${missing.map(printable).join(', ')}, which ${title} does not have`,
        'Install what brings it on the server (Debian: postgresql-VERSION-NAME, or postgresql-contrib), then restore again.',
      )
    }
  }
  for (const [name, each] of Object.entries(facts.databases)) {
    const missing = await missingTablespaces(session, each)
    if (missing.length === 0) continue
    findings.push({
      check: 'postgres-tablespace',
      outcome: 'warning',
      message: `${title} has no tablespace ${missing.map(printable).join(', ')}: all of ${printable(name)} goes to the default one`,
      next: 'If that is not meant, make it there first: create tablespace … – the globals archive has how.',
    })
  }
  const roles = new Set(
    (await session.rows<{ name: string }>('select rolname as name from pg_roles')).map(({ name }) => name),
  )
  const there = new Map(look.databases.map((database) => [database.name, database]))
  for (const [name, { owner }] of Object.entries(facts.databases)) {
    const old = there.get(name)
    if (old?.ours === false && beside === undefined) {
      fail(
        'postgres-privilege',
        `${printable(name)} of ${title} is ${printable(old.owner)}'s, and only its owner may rename it`,
        'Restore as its owner, as a member of it, or as a superuser.',
      )
    }
    if (old === undefined && !roles.has(owner)) {
      fail(
        'postgres-role-missing',
        `${printable(name)} belongs to ${printable(owner)}, and ${title} has no such role`,
        'Make the role there: create role … – the globals archive of the snapshot has all of them. Then restore again.',
      )
    }
  }
  const names = Object.keys(facts.databases)
  if (beside !== undefined && names.length > 1) {
    fail(
      'target-single',
      `the source has ${formatCount(names.length, 'database')}, and only one can be ${printable(beside)}`,
      'Pull it as a source of its own: databases: [NAME].',
    )
  }
  const notes = names.map((name) =>
    beside !== undefined
      ? `${printable(name)} is loaded as ${printable(beside)}; the one that is live stays as it is`
      : there.has(name)
        ? `${printable(name)} is loaded beside the one that is there and then switched with it by its name; who is connected is parted from it`
        : `${printable(name)} is made new, with what was set and granted for it as a whole`,
  )
  return {
    findings,
    notes: [...notes, 'roles are not changed; those of the snapshot are in its globals archive'],
  }
}

function compare(
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

function different(config: PostgresSourceConfig, name: string, what: string): Finding {
  return notAsCaptured(CHECK, name, titleOf(config), what)
}

function majorOf(version: string): number {
  return Number.parseInt(version, 10)
}
