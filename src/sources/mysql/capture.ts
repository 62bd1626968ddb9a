import { Readable } from 'node:stream'
import type { StreamObject } from '../../archive/contract.ts'
import { SourceError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import type { SnapshotWarning } from '../../model/snapshot.ts'
import { formatCount } from '../../model/units.ts'
import { chooseCompression } from '../compression-choice.ts'
import type { CaptureArchive, CapturableSource, CaptureContext, CaptureOutcome } from '../contract.ts'
import { isAside } from '../database/aside.ts'
import { streamDump, type StreamedDump } from '../database/stream-dump.ts'
import { grantsOf, readAccounts, writeAccounts, type Account, type Accounts } from './accounts.ts'
import {
  factsOf,
  hasOddName,
  isUnsteady,
  lookAtDatabase,
  lookAtServer,
  type Database,
  type DatabaseLook,
  type ServerLook,
} from './catalogue.ts'
import { dumperOf, dumpOptions, type Client } from './clients.ts'
import type { MysqlSourceConfig } from './config.ts'
import { DumpReader } from './dump-reader.ts'
import { DumpChecks } from './dump-checks.ts'
import type { DatabaseFacts, MysqlFacts } from './facts.ts'
import { mayHoldStill, missingPrivileges, readGrants, seesRoutines, type Grants } from './grants.ts'
import { failure, findServer, identifier, type Server } from './server.ts'
import { Session } from './session.ts'
import { settle } from './settle.ts'

/** The part with the accounts. */
const USERS = 'users'

/** What is captured, and of what server. */
interface Prepared {
  readonly server: Server
  readonly look: ServerLook
  readonly dumper: Client
  readonly databases: readonly Database[]
  readonly grants: Grants
  /** Absent where accounts are not captured. */
  readonly accounts: Accounts | undefined
}

/**
 * Captures each database as its server's own dump program writes it. Rows are counted in the dump itself while it streams by,
 * so what is counted is what was dumped. Definitions are looked at before and behind it.
 */
export const mysqlSource: CapturableSource<MysqlSourceConfig> = {
  look: async (context, config) => {
    await prepare(context, config)
  },
  capture: async (context, config) => {
    const prepared = await prepare(context, config)
    const { look, databases, accounts } = prepared
    const facts: Record<string, DatabaseFacts> = {}
    const warnings: SnapshotWarning[] = []
    const warn = (code: string, message: string): void => {
      warnings.push({ code, count: 1 })
      context.notice({ code, message })
    }
    const open = new Set<AsyncDisposable>()
    return {
      archives: async function* () {
        for (const database of databases) {
          context.step(`dumping ${printable(database.name)}`)
          const stack = new AsyncDisposableStack()
          open.add(stack)
          yield await dumpDatabase(context, prepared, database, stack, {
            config,
            warn,
            onCounted: (counted, warned) => {
              facts[database.name] = counted
              warnings.push(...warned)
            },
          })
          open.delete(stack)
          await stack.disposeAsync()
        }
        if (accounts === undefined) return
        yield usersArchive(context, accounts.accounts)
        if (accounts.ignored.length > 0) {
          const names = accounts.ignored.map(printable).join(', ')
          warn(
            'mysql-accounts-ignored',
            `the server itself does not know these accounts, and they are not captured: ${names}`,
          )
        }
      },
      finish: () =>
        Promise.resolve({
          facts: {
            kind: 'mysql',
            family: look.family,
            version: look.version,
            lowerCase: look.lowerCase,
            databases: facts,
            ...(accounts === undefined
              ? {}
              : { users: accounts.accounts.length, accounts: grantsOf(accounts.accounts) }),
          } satisfies MysqlFacts,
          warnings,
          amendments: new Map(),
          absolutePrefixes: [],
          roots: [],
        } satisfies CaptureOutcome),
      [Symbol.asyncDispose]: async () => {
        for (const stack of open) await stack[Symbol.asyncDispose]()
      },
    }
  },
}

async function prepare(context: CaptureContext, config: MysqlSourceConfig): Promise<Prepared> {
  const server = await findServer(context, config)
  await using session = await Session.open(server, context.signal)
  const look = await lookAtServer(session)
  const dumper = dumperOf(server.clients, look, server.title)
  const databases =
    config.databases === 'all'
      ? look.databases.filter(({ name }) => !isAside(name))
      : config.databases.map((name) => named(name, server, look))
  if (databases.length === 0) {
    throw new SourceError(
      'mysql-database-missing',
      `${server.title} has no database that this account sees`,
      {
        next: 'Name those to be captured: databases: [app]; or grant the account what it takes to read them.',
      },
    )
  }
  const odd = databases.find(({ name }) => /[\u0000-\u001f]/.test(name))
  if (odd !== undefined) {
    throw new SourceError('mysql-database-name', `${server.title} has a database ${printable(odd.name)}`, {
      next: 'Names with line breaks and the like can not be backed up: rename it, or name the others in `databases`.',
    })
  }
  if (config.users && databases.some(({ name }) => name === USERS)) {
    throw new SourceError(
      'mysql-database-name',
      `A database is called ${USERS}, as the archive of accounts is`,
      {
        next: 'Capture the accounts with a source of their own: `users: true` and another of the `databases`.',
      },
    )
  }
  // What an account may not see, a dump leaves out without a word: triggers, for one.
  const grants = await readGrants(session, look)
  const lacking = databases
    .map(({ name }) => ({ name, missing: missingPrivileges(grants, name) }))
    .find(({ missing }) => missing.length > 0)
  if (lacking !== undefined) {
    const { name, missing } = lacking
    throw new SourceError(
      'mysql-privilege',
      `${server.title} does not let ${printable(grants.account)} dump all of ${printable(name)}: ${missing.map(({ privilege, on }) => `${privilege} on ${printable(on)}`).join(', ')} is missing`,
      {
        next: `Grant the account what is missing: ${missing.map(({ privilege, on }) => `grant ${privilege} on ${printable(on)} to …`).join('; ')}`,
      },
    )
  }
  const accounts = config.users
    ? await readAccounts(() => Session.open(server, context.signal), look)
    : undefined
  return { server, look, dumper, databases, grants, accounts }
}

function named(name: string, { title }: Server, { databases, lowerCase }: ServerLook): Database {
  const found =
    databases.find((each) => each.name === name) ??
    databases.find((each) => lowerCase !== 0 && each.name.toLowerCase() === name.toLowerCase())
  if (found !== undefined) return found
  const there = databases.map((each) => printable(each.name)).join(', ')
  throw new SourceError('mysql-database-missing', `${title} has no database ${printable(name)}`, {
    next: `Correct \`databases\` of this source${there === '' ? '' : `; there are: ${there}`}`,
  })
}

/** What its watchers need to know of a database that is dumped. */
interface Dumping {
  readonly config: MysqlSourceConfig
  readonly warn: (code: string, message: string) => void
  readonly onCounted: (facts: DatabaseFacts, warned: readonly SnapshotWarning[]) => void
}

async function dumpDatabase(
  context: CaptureContext,
  prepared: Prepared,
  database: Database,
  stack: AsyncDisposableStack,
  { config: { capture, checks }, warn, onCounted }: Dumping,
): Promise<CaptureArchive> {
  const { server, look, dumper, grants } = prepared
  const { name } = database
  const session = stack.use(await Session.open(server, context.signal))
  const before = await lookAtDatabase(session, name)
  // It asks for events by a name that it has escaped for a text (fetch_db_collation in mysqldump.cc), and finds none.
  if (/['"\\]/.test(name) && before.objects.some(({ type }) => type.endsWith('event'))) {
    throw new SourceError(
      'mysql-database-name',
      `${dumper.program} can not dump the events of ${printable(name)}, because its name has a quote or a backslash`,
      { next: 'Rename the database, or move its events into another one.' },
    )
  }
  const odd = before.objects.find(hasOddName)
  if (odd !== undefined) {
    throw new SourceError(
      'mysql-name',
      `${printable(name)} of ${server.title} has a ${odd.type} ${printable(odd.name)}`,
      { next: 'Names with line breaks and the like can not be backed up: rename it, or drop it.' },
    )
  }
  if (capture !== 'schema') await holdStill(prepared, name, before, session, warn)
  if (!seesRoutines(grants, name)) {
    warn(
      'mysql-routines-unseen',
      `procedures and functions of ${printable(name)} are in the dump only as far as ${printable(grants.account)} sees them. Grant it SELECT on mysql.proc, or SHOW_ROUTINE in MySQL 8.0.20 and newer`,
    )
  }
  const historic = before.tables.filter(({ type }) => type === 'SYSTEM VERSIONED')
  if (historic.length > 0 && capture !== 'schema') {
    warn(
      'mysql-history',
      `the history of ${namesOf(historic)} of ${printable(name)} is not in the dump: it has the rows of this moment`,
    )
  }
  if (dumper.family !== look.family) {
    warn(
      'mysql-client-other',
      `${server.title} is ${look.family}, and ${dumper.program} there is ${dumper.family}'s: it may leave out what it does not know`,
    )
  }
  // Rows that are not there are not asked for.
  const queries = capture === 'schema' ? [] : checks
  const asked = stack.use(await DumpChecks.begin(context, server, name, queries))
  const reader = new DumpReader()
  let objects: readonly StreamObject[] = []
  const archive = await dump(context, prepared, dumpOptions(dumper, name, capture), {
    database: name,
    reader,
    // Its moment is that of its transaction, which is before its first table.
    onTable: () => asked.taken(),
  })
  return {
    ...archive,
    part: name,
    extension: 'sql',
    content: capture === 'full' ? 'all' : capture,
    objects: () => objects,
    ...(capture === 'schema'
      ? {}
      : { expectedPlainBytes: before.tables.reduce((sum, { bytes }) => sum + bytes, 0) }),
    finish: async () => {
      const isWhole = await archive.finish()
      if (!isWhole) return
      const after = await lookAtDatabase(session, name)
      const settled = settle({ before, after, dumped: reader.tables, capture })
      if ('changed' in settled) {
        throw new SourceError(
          'mysql-changed',
          `${printable(settled.changed)} of ${printable(name)} was changed while it was dumped`,
          { next: 'Pull again when no migration runs: what was dumped is not of one moment.' },
        )
      }
      if ('missing' in settled) {
        throw new SourceError(
          'mysql-dump-broken',
          `${printable(settled.missing)} of ${printable(name)} is not in its dump`,
          { next: `Try ${dumper.program} on the server by hand: it leaves out a table that is there.` },
        )
      }
      objects = settled.objects
      const counted = factsOf({ ...before, objects: settled.definitions }, settled.rows, database)
      const checked = await asked.record()
      const said = queries.length === 0 ? {} : { checks: checked.facts }
      onCounted({ ...counted, ...said }, checked.warnings)
    },
  }
}

/** Tables without transactions are locked against writes until the session ends; where we may not, a warning names them. */
async function holdStill(
  { grants }: Prepared,
  database: string,
  { tables }: DatabaseLook,
  session: Session,
  warn: Dumping['warn'],
): Promise<void> {
  const unsteady = tables.filter(isUnsteady)
  if (unsteady.length === 0) return
  if (!mayHoldStill(grants, database)) {
    warn(
      'mysql-not-locked',
      `${namesOf(unsteady)} of ${printable(database)} know no transactions, and the account may not lock them: what is written to them meanwhile may be in the dump in part. Grant it LOCK TABLES on the database, and RELOAD`,
    )
    return
  }
  // LOCK TABLES would hold up the dump itself: behind a write that waits for that lock no table of this kind is read.
  const names = unsteady.map((table) => `${identifier(database)}.${identifier(table.name)}`)
  await session.run(`flush tables ${names.join(', ')} with read lock;`)
}

function namesOf(tables: readonly { readonly name: string }[]): string {
  const some = tables.slice(0, 5).map(({ name }) => printable(name))
  return tables.length > some.length
    ? `${formatCount(tables.length, 'table')} (${some.join(', ')}, …)`
    : some.join(', ')
}

/** Streams what the dump program writes. Its `finish` tells whether the dump went to its end, as it was not aborted. */
async function dump(
  context: CaptureContext,
  { server, dumper }: Prepared,
  args: readonly string[],
  {
    database,
    reader,
    onTable,
  }: { readonly database: string; readonly reader: DumpReader; readonly onTable: () => void },
): Promise<Omit<StreamedDump, 'finish'> & { finish(): Promise<boolean> }> {
  const { program } = dumper
  const streamed = await streamDump(context, {
    script: 'sources/mysql/dump',
    server,
    program,
    args,
    observer: {
      content: {
        write: (chunk) => {
          reader.write(chunk)
          if (reader.tables.size > 0) onTable()
        },
        end: () => reader.end(),
      },
    },
    failure: (exit) => failure(server, `dump ${printable(database)}`, exit),
  })
  return {
    ...streamed,
    finish: async () => {
      const end = await streamed.finish()
      if (end === undefined) return false
      if (reader.unseen) {
        throw new SourceError(
          'mysql-privilege',
          `${server.title} did not show all of ${printable(database)}: its dump says "insufficient privileges"`,
          {
            ...end.details,
            next: 'Let the account see the bodies of routines: as root, or by SHOW_ROUTINE (MySQL 8.0.20 and newer) or select on mysql.proc.',
          },
        )
      }
      if (!end.compressed || !reader.begun || !reader.ended) {
        throw new SourceError(
          'mysql-dump-broken',
          `${server.title} sent no whole dump of ${printable(database)}: ${reader.begun ? 'its last line is missing' : 'it does not begin as one'}`,
          {
            ...end.details,
            next: `Try ${program} on the server by hand: what it wrote is not what ${program} writes.`,
          },
        )
      }
      return true
    },
  }
}

function usersArchive(context: CaptureContext, accounts: readonly Account[]): CaptureArchive {
  const { store, level } = chooseCompression(context.compression, context.probe)
  const stream = Readable.from([Buffer.from(writeAccounts(accounts))])
  return {
    part: USERS,
    format: 'stream',
    extension: 'sql',
    input: { stream, format: 'stream', wire: 'none', store, ...(level === undefined ? {} : { level }) },
    observer: { content: { write: () => undefined, end: () => undefined } },
    objects: () => accounts.map(({ name, type }) => ({ name, type })),
    finish: () => Promise.resolve(),
    abort: () => void stream.destroy(),
  }
}
