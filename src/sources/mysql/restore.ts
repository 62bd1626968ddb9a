import type { Readable } from 'node:stream'
import { SourceError } from '../../errors.ts'
import type { Finding } from '../../model/finding.ts'
import { printable } from '../../model/path-bytes.ts'
import { loadScript } from '../../remote/scripts.ts'
import { compareChecks } from '../checks.ts'
import { isAside, type Aside } from '../database/aside.ts'
import { goals } from '../database/beside.ts'
import { asCaptured, countDifference, notAsCaptured } from '../database/compare.ts'
import { loadDump } from '../database/load-dump.ts'
import type { LoadableSource, RestoreContext } from '../contract.ts'
import { askQuery, openMoment } from './ask-query.ts'
import {
  countRows,
  factsOf,
  isThere,
  lookAtDatabase,
  lookAtServer,
  spelled,
  type ServerLook,
} from './catalogue.ts'
import { dumperOf, dumpOptions } from './clients.ts'
import type { MysqlSourceConfig } from './config.ts'
import type { DatabaseFacts, MysqlFacts } from './facts.ts'
import { asideName } from './names.ts'
import { judge } from './preflight.ts'
import { failure, findServer, identifier, titleOf, type Server } from './server.ts'
import { Session } from './session.ts'
import { isSame } from './version.ts'

/** What a database's dump is called, and the archive of accounts, which has a part that is no database of the facts. */
const DUMP = /\.sql(?:\.zst|\.gz)?\.gpg$/
/** The finding, and the error, of a database that is not what was captured. */
const CHECK = 'mysql-facts'
/** What the loader says itself, each time otherwise. */
const OF_THE_WHOLE = ['--routines', '--triggers', '--events', '--quick', '--hex-blob', '--single-transaction']

/**
 * Each dump is loaded into a new database, and switched with the old one: the tables of each go over in one RENAME TABLE.
 * The old one stays until the restore is discarded.
 */
export const loadableMysql: LoadableSource<MysqlSourceConfig, MysqlFacts> = {
  downCode: 'mysql-down',
  look: async (context, config) => {
    const server = await findServer(context, config)
    await using session = await Session.open(server, context.signal)
    const { family, version, databases } = await lookAtServer(session)
    await insistOnMade(session, config)
    const names = databases.map(({ name }) => name)
    const isOurs = (name: string): boolean =>
      config.databases === 'all' ? !isAside(name) : config.databases.includes(name)
    return { version: { name: `${family} ${version}`, version }, names: names.filter(isOurs) }
  },
  preflight: async (context, config, facts) => {
    const server = await findServer(context, config)
    await using session = await Session.open(server, context.signal)
    return await judge(context, server, session, { look: await lookAtServer(session), facts, config })
  },
  targets: async (context, config, facts, { id, archives }) => {
    const server = await findServer(context, config)
    await using session = await Session.open(server, context.signal)
    const look = await lookAtServer(session)
    return archives
      .filter(({ file, part }) => DUMP.test(file) && facts.databases[part] !== undefined)
      .map(({ file, part }) => {
        const target = spelled(look, config.beside ?? part)
        const named = (what: Aside): string => spelled(look, asideName(target, what, id))
        return {
          archive: file,
          target,
          ...{ staged: named('new'), aside: named('old'), failed: named('failed') },
          exists: isThere(look, target),
        }
      })
  },
  loader: async (context, config) => {
    const server = await findServer(context, config)
    await using session = await Session.open(server, context.signal)
    const dumper = dumperOf(server.clients, await lookAtServer(session), server.title)
    const options = dumpOptions(dumper, '').slice(0, -2)
    return {
      script: await loadScript('sources/mysql/loader'),
      args: [
        ...server.place,
        ...[config.beside ?? '-', server.client.program, dumper.program],
        ...options.filter((option) => !OF_THE_WHOLE.includes(option)),
      ],
    }
  },
  secret: ({ password }) => password,
  load: async (context, config, facts, target, dump) => {
    const server = await findServer(context, config)
    await using session = await Session.open(server, context.signal)
    const expected = goalsOf(await lookAtServer(session), config, facts).find(
      (goal) => goal.target === target.target,
    )?.facts
    if (expected === undefined) throw new Error(`${target.target} is not in the facts`)
    await session.run(
      `create database ${identifier(target.staged)} character set ${expected.charset} collate ${expected.collation};`,
    )
    await loadInto(context, server, target.staged, dump)
    const look = await lookAtServer(session)
    const found = await factsThere(session, look, target.staged)
    const finding = compare(config, target.target, expected, found, isSame(look, facts))
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
    await using session = await Session.open(server, context.signal)
    const look = await lookAtServer(session)
    const findings: Finding[] = []
    for (const { target: name, facts: expected } of goalsOf(look, config, facts)) {
      if (!look.databases.some((each) => each.name === name)) {
        findings.push(different(config, name, 'it is not there'))
        continue
      }
      context.step(`counting ${printable(name)}`)
      const found = await factsThere(session, look, name)
      findings.push(compare(config, name, expected, found, isSame(look, facts)))
      findings.push(...(await compareQueries(context, config, server, name, expected)))
    }
    return findings
  },
}

/**
 * A new container makes its data with a server that has no network, and stops that again (docker-entrypoint.sh of the images
 * mysql and mariadb). Throws SourceError while that one answers.
 */
async function insistOnMade(session: Session, config: MysqlSourceConfig): Promise<void> {
  if (!('service' in config.at) && !('container' in config.at)) return
  const [self] = await session.rows<{ skips: string }>('select @@global.skip_networking as skips')
  if (self?.skips !== '1') return
  throw new SourceError('mysql-down', `${titleOf(config)} has no network`, {
    next: 'If it has just been made, wait until it is ready. Else start it without skip_networking.',
  })
}

async function compareQueries(
  { signal }: RestoreContext,
  { name, checks }: MysqlSourceConfig,
  server: Server,
  database: string,
  { checks: recorded }: DatabaseFacts,
): Promise<readonly Finding[]> {
  return await compareChecks(name, checks, recorded, async (query) => {
    // A query that fails ends its session.
    await using session = await openMoment(server, database, signal)
    return await askQuery(session, query)
  })
}

/** What each database is called there. */
function goalsOf(look: ServerLook, { beside }: MysqlSourceConfig, { databases }: MysqlFacts) {
  return goals(databases, beside).map((goal) => ({ ...goal, target: spelled(look, goal.target) }))
}

async function factsThere(session: Session, look: ServerLook, name: string): Promise<DatabaseFacts> {
  const database = look.databases.find((each) => each.name === name)
  if (database === undefined) throw new Error(`${name} is not there`)
  const there = await lookAtDatabase(session, name)
  return factsOf(there, await countRows(session, name, there.tables), database)
}

async function loadInto(
  context: RestoreContext,
  server: Server,
  database: string,
  dump: Readable,
): Promise<void> {
  const { program } = server.client
  await loadDump(context, {
    command: {
      script: 'sources/mysql/load',
      patience: 'work',
      args: [...server.place, program, database],
      privilege: server.privilege,
      title: `${program} on the server`,
    },
    line: server.line,
    dump,
    failure: (exit) => failure(server, `load ${printable(database)}`, { ...exit, command: program }),
  })
}

function compare(
  config: MysqlSourceConfig,
  name: string,
  expected: DatabaseFacts,
  found: DatabaseFacts,
  sameVersion: boolean,
): Finding {
  const difference = countDifference(expected, found)
  if (difference !== undefined) return different(config, name, difference)
  const kinds = ['views', 'triggers', 'routines', 'events'] as const
  const fewer = kinds.find((kind) => found[kind] !== expected[kind])
  if (fewer !== undefined)
    return different(config, name, `it has ${found[fewer]} ${fewer}, and not ${expected[fewer]}`)
  if (sameVersion && found.definitions !== expected.definitions)
    return different(config, name, 'its tables, views, triggers, routines or events are others')
  return asCaptured(CHECK, name, found)
}

function different(config: MysqlSourceConfig, name: string, what: string): Finding {
  return notAsCaptured(CHECK, name, titleOf(config), what)
}
