import type { Readable } from 'node:stream'
import { SourceError } from '../../errors.ts'
import type { Finding } from '../../model/finding.ts'
import { printable } from '../../model/path-bytes.ts'
import { isOlder } from '../../model/version-order.ts'
import { loadScript } from '../../remote/scripts.ts'
import { compareChecks } from '../checks.ts'
import { isAside, type Aside } from '../database/aside.ts'
import { goals, singleBeside } from '../database/beside.ts'
import { asCaptured, countDifference, notAsCaptured } from '../database/compare.ts'
import { loadDump } from '../database/load-dump.ts'
import type { LoadableSource, RestoreContext, RestorePreflight } from '../contract.ts'
import { grantsOf, readAccounts } from './accounts.ts'
import { askQuery, openMoment } from './ask-query.ts'
import { countRows, factsOf, lookAtDatabase, lookAtServer, oddNames, type ServerLook } from './catalogue.ts'
import { dumperOf, dumpOptions } from './clients.ts'
import type { MysqlSourceConfig } from './config.ts'
import type { DatabaseFacts, MysqlFacts } from './facts.ts'
import { asideName } from './names.ts'
import { failure, findServer, identifier, literal, titleOf, type Server } from './server.ts'
import { Session } from './session.ts'
import type { Version } from './version.ts'

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

/** As the server writes it: some write all names in lower case. */
function spelled({ lowerCase }: Pick<ServerLook, 'lowerCase'>, name: string): string {
  return lowerCase === 1 ? name.toLowerCase() : name
}

/** What each database is called there. */
function goalsOf(look: ServerLook, { beside }: MysqlSourceConfig, { databases }: MysqlFacts) {
  return goals(databases, beside).map((goal) => ({ ...goal, target: spelled(look, goal.target) }))
}

function isThere({ databases, lowerCase }: ServerLook, name: string): boolean {
  return databases.some(
    (each) => each.name === name || (lowerCase !== 0 && each.name.toLowerCase() === name.toLowerCase()),
  )
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

async function judge(
  context: RestoreContext,
  server: Server,
  session: Session,
  {
    look,
    facts,
    config,
  }: { readonly look: ServerLook; readonly facts: MysqlFacts; readonly config: MysqlSourceConfig },
): Promise<RestorePreflight> {
  const { title } = server
  const { beside } = config
  const findings: Finding[] = singleBeside(Object.keys(facts.databases), beside)
  const fail = (check: string, message: string, next: string): void => {
    findings.push({ check, outcome: 'failed', message, next })
  }
  const warn = (check: string, message: string, next: string): void => {
    findings.push({ check, outcome: 'warning', message, next })
  }
  if (look.family !== facts.family) {
    warn(
      'mysql-family',
      `${title} is ${look.family} ${look.version}, and the dump is of ${facts.family} ${facts.version}: rows are compared, definitions are not`,
      'Try it with a copy of the app first.',
    )
  } else if (isOlder(look.version, facts.version)) {
    fail(
      'mysql-version',
      `${title} is ${look.version}, and the dump is of ${facts.version}`,
      `Restore to ${facts.family} ${facts.version} or newer.`,
    )
  }
  if (look.lowerCase !== facts.lowerCase) {
    warn(
      'mysql-lower-case',
      `${title} has lower_case_table_names = ${look.lowerCase}, and the dump is of one with ${facts.lowerCase}: names that differ in case alone, or are written in another case, are not found`,
      'It can be set only when a server is made. A dump that loses names so is not put in place.',
    )
  }
  const [self] = await session.rows<{ readonly: string }>('select @@global.read_only as readonly')
  if (self?.readonly !== '0')
    fail('mysql-readonly', `${title} takes no writes (read_only)`, 'Restore to its primary.')
  await judgeNames(session, title, facts, fail)
  const accounts = await judgeAccounts(context, server, { look, facts, name: config.name })
  findings.push(...accounts.findings)
  for (const name of Object.keys(facts.databases)) {
    const odd = beside === undefined ? await oddNames(session, name) : []
    if (odd.length > 0) {
      fail(
        'mysql-name',
        `${printable(name)} of ${title} has ${odd.map(printable).join(', ')}, and names with line breaks and the like can not be set aside`,
        'Rename what is called so, or drop it, then restore again.',
      )
    }
    const bound = await session.rows<{ of: string }>(
      `select distinct concat(constraint_schema, '.', table_name) as \`of\`
       from information_schema.referential_constraints
       where constraint_schema <> unique_constraint_schema and ${literal(name)} in (constraint_schema, unique_constraint_schema)`,
    )
    // What goes beside moves no table that is there.
    if (bound.length === 0 || beside !== undefined) continue
    fail(
      'mysql-foreign-key',
      `foreign keys of ${bound.map(({ of }) => printable(of)).join(', ')} go from or to ${printable(name)} across databases, and would follow its old tables`,
      'Drop these foreign keys, restore, and add them again.',
    )
  }
  const notes = Object.keys(facts.databases).map((name) =>
    beside !== undefined
      ? `${printable(name)} is loaded as ${printable(beside)}; the one that is live stays as it is, and events of the new one do not run`
      : isThere(look, name)
        ? `${printable(name)} is loaded beside the one that is there and then switched with it by renames of their tables`
        : `${printable(name)} is made new`,
  )
  return { findings, notes: [...notes, accounts.note] }
}

/** No restore changes accounts: what is not as in the snapshot is told, with how it is done by hand. */
async function judgeAccounts(
  { signal }: RestoreContext,
  server: Server,
  { look, facts, name }: { readonly look: ServerLook; readonly facts: MysqlFacts; readonly name: string },
): Promise<{ readonly findings: readonly Finding[]; readonly note: string }> {
  const { accounts: captured, users } = facts
  if (users === undefined) return { findings: [], note: 'accounts are not changed' }
  const file = `relay-backup cat SNAPSHOT ${name}:${name}.users.sql`
  const note = `accounts are not changed; what makes those of the snapshot is shown by: ${file}`
  if (captured === undefined) return { findings: [], note }
  let there: Readonly<Record<string, string>>
  try {
    there = grantsOf((await readAccounts(() => Session.open(server, signal), look)).accounts)
  } catch (error) {
    // Who may not read them can restore all the same.
    if (!(error instanceof SourceError) || signal.aborted) throw error
    return { findings: [], note }
  }
  const names = Object.keys(captured)
  const missing = names.filter((account) => there[account] === undefined)
  const others = isSame(look, facts)
    ? names.filter((account) => there[account] !== undefined && there[account] !== captured[account])
    : []
  const finding = (check: string, message: string, next: string): Finding => ({
    check,
    outcome: 'warning',
    message,
    next,
  })
  return {
    note,
    findings: [
      ...(missing.length === 0
        ? []
        : [
            finding(
              'mysql-account-missing',
              `${server.title} has no account ${missing.map(printable).join(', ')}, as the snapshot has, and the restore makes none`,
              `Make those that the app needs, by their statements (create user, grant) in: ${file}`,
            ),
          ]),
      ...(others.length === 0
        ? []
        : [
            finding(
              'mysql-account-differs',
              `${others.map(printable).join(', ')} may do other things on ${server.title} than in the snapshot, and stays as it is`,
              `Compare what show grants says there with: ${file}`,
            ),
          ]),
    ],
  }
}

/** What the databases name and the server must have. */
async function judgeNames(
  session: Session,
  title: string,
  { databases }: MysqlFacts,
  fail: (check: string, message: string, next: string) => void,
): Promise<void> {
  const collations = new Set(
    (
      await session.rows<{ name: string }>(
        `select collation_name as name from information_schema.collations where collation_name is not null`,
      )
    ).map(({ name }) => name),
  )
  const accounts = new Set(
    (
      await session.rows<{ account: string }>("select concat(user, '@', host) as account from mysql.user")
    ).map(({ account }) => account),
  )
  for (const [name, { collation, definers }] of Object.entries(databases)) {
    // MariaDB tells those that fit several character sets without their names: uca1400_ai_ci.
    if (!collations.has(collation) && !collations.has(collation.replace(/^[^_]+_(?=uca1400)/, ''))) {
      fail(
        'mysql-collation',
        `${printable(name)} has the collation ${printable(collation)}, which ${title} does not know`,
        'Restore to a server of the family and version that the dump is of.',
      )
    }
    const missing = definers.filter(
      (definer) => !accounts.has(definer) && !accounts.has(`${definer.replace(/@$/, '')}@`),
    )
    if (missing.length > 0) {
      fail(
        'mysql-definer-missing',
        `views, triggers, routines or events of ${printable(name)} run with the rights of ${missing.map(printable).join(', ')}, and ${title} has no such account`,
        'Make the account there: create user … – the users archive has it where it was captured. Then restore again.',
      )
    }
  }
}

/** How a definition is told changes between families and versions. */
function isSame(one: Version, other: Version): boolean {
  const named = ({ version }: Version): string => version.split('.').slice(0, 2).join('.')
  return one.family === other.family && named(one) === named(other)
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
