import { SourceError } from '../../errors.ts'
import type { Finding } from '../../model/finding.ts'
import { printable } from '../../model/path-bytes.ts'
import { isOlder } from '../../model/version-order.ts'
import { loadScript } from '../../remote/scripts.ts'
import { isAside } from '../database/aside.ts'
import { singleBeside } from '../database/beside.ts'
import type { LoadableSource, RestorePreflight } from '../contract.ts'
import { lookAtDatabase, lookAtServer, type ServerLook } from './catalogue.ts'
import type { PostgresSourceConfig } from './config.ts'
import type { PostgresFacts } from './facts.ts'
import {
  compare,
  compareQueries,
  different,
  loadDatabase,
  majorOf,
  missingTablespaces,
} from './load-database.ts'
import { databaseNamed, findServer, loaderPlace, titleOf, type Server } from './server.ts'
import { asideName } from './names.ts'
import { maintenanceOf, OWN_DATABASE, Session } from './session.ts'
import { judgeMerge, loadMerge, mergedTables, mergeLoader, targetsOfMerge } from './merge/restore.ts'
import { checkTables, loadTables, tablesLoader, targetsOfTables } from './tables/restore.ts'
import { judgeTables } from './tables/preflight.ts'

/** What the name of a database's archive ends with, before its compression. */
const DUMP = /\.dump(?:\.zst|\.gz)?\.gpg$/

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
    await insistOnMade(session, config)
    const names = databases.map(({ name }) => name)
    const isOurs = (name: string): boolean =>
      config.databases === 'all' ? name !== OWN_DATABASE && !isAside(name) : config.databases.includes(name)
    return { version: { name: version, version }, names: names.filter(isOurs) }
  },
  preflight: async (context, config, facts) => {
    const server = await findServer(context, config)
    await using session = await Session.open(server, maintenanceOf(config), context.signal)
    const look = await lookAtServer(session)
    if (config.merge !== undefined) {
      const whole = await judge(session, server, look, facts, config)
      const merge = await judgeMerge(context, config, server, look, facts)
      return { findings: [...whole.findings, ...merge.findings], notes: merge.notes }
    }
    if (config.tables === undefined) return await judge(session, server, look, facts, config)
    const names = new Set(config.tables.map(({ database }) => database))
    const databases = Object.fromEntries(Object.entries(facts.databases).filter(([name]) => names.has(name)))
    const whole = await judge(session, server, look, { ...facts, databases }, config)
    const tables = await judgeTables(context, server, look, config.tables)
    return { findings: [...whole.findings, ...tables.findings], notes: tables.notes }
  },
  targets: async (context, config, facts, { id, archives }) => {
    const server = await findServer(context, config)
    if (config.merge !== undefined)
      return targetsOfMerge(
        config,
        facts,
        id,
        archives.filter(({ file }) => DUMP.test(file)),
      )
    await using session = await Session.open(server, maintenanceOf(config), context.signal)
    if (config.tables !== undefined)
      return await targetsOfTables(context, server, config.tables, id, archives)
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
  loader: async (context, config, target) => {
    const server = await findServer(context, config)
    if (config.merge !== undefined) return await mergeLoader(config, server, target)
    if (config.tables !== undefined) return await tablesLoader(config, server, config.tables, target)
    return {
      script: await loadScript('sources/postgres/loader'),
      args: [...loaderPlace(server, config), databaseNamed(maintenanceOf(config))],
    }
  },
  secret: ({ password }) => password,
  load: async (context, config, facts, target, dump) => {
    const server = await findServer(context, config)
    if (config.merge !== undefined) return await loadMerge(context, config, server, { facts, target, dump })
    if (config.tables !== undefined) return await loadTables(context, config, server, { facts, target, dump })
    const [live] = Object.keys(facts.databases).filter((name) => (config.beside ?? name) === target.target)
    if (live === undefined) throw new Error(`${target.target} is not in the facts`)
    const named = { live, staged: target.staged, target: target.target }
    await loadDatabase(context, config, server, { facts, dump, ...named })
  },
  merged: async (context, config, target) =>
    await mergedTables(context, await findServer(context, config), target),
  check: async (context, config, facts) => {
    // Others write to it meanwhile, and its rows are not those of the snapshot.
    if (config.merge !== undefined) return []
    const server = await findServer(context, config)
    await using session = await Session.open(server, maintenanceOf(config), context.signal)
    if (config.tables !== undefined) return await checkTables(context, config, server, config.tables)
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

/**
 * A new container makes its data with a server that only listens on a socket, and stops that again (docker-entrypoint.sh of
 * the image postgres). Throws SourceError while that one answers.
 */
async function insistOnMade(session: Session, config: PostgresSourceConfig): Promise<void> {
  if (!('service' in config.at) && !('container' in config.at)) return
  const [self] = await session.rows<{ listens: string }>(
    `select current_setting('listen_addresses') as listens`,
  )
  if (self?.listens !== '') return
  throw new SourceError('postgres-down', `${titleOf(config)} listens on its socket alone`, {
    next: 'If it has just been made, wait until it is ready. Else let it listen to its network.',
  })
}

async function judge(
  session: Session,
  { title }: Server,
  look: ServerLook,
  facts: PostgresFacts,
  { beside, tables, merge }: Pick<PostgresSourceConfig, 'beside' | 'tables' | 'merge'>,
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
    if (old?.ours === false && beside === undefined && tables === undefined && merge === undefined) {
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
  findings.push(...singleBeside(names, beside))
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
