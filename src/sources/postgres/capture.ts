import type { CaptureArchive, CapturableSource, CaptureContext, CaptureOutcome } from '../contract.ts'
import type { StreamObject } from '../../archive/contract.ts'
import { SourceError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import type { SnapshotWarning } from '../../model/snapshot.ts'
import { recordChecks } from '../checks.ts'
import { ArchiveWalk } from './archive.ts'
import { isAside } from '../database/aside.ts'
import { streamDump } from '../database/stream-dump.ts'
import {
  lockTables,
  lookAtDatabase,
  lookAtServer,
  schemasAside,
  type Database,
  type ServerLook,
} from './catalogue.ts'
import type { PostgresSourceConfig } from './config.ts'
import type { DatabaseFacts, PostgresFacts } from './facts.ts'
import { databaseNamed, failure, findServer, identifier, type Server } from './server.ts'
import { askQuery, maintenanceOf, OWN_DATABASE, Session } from './session.ts'

/** What is captured, and of what server. */
interface Prepared {
  readonly server: Server
  readonly look: ServerLook
  readonly databases: readonly Database[]
}

/**
 * Captures each database as its server's own `pg_dump` writes it, and roles and tablespaces as `pg_dumpall` does. What is
 * counted is counted in the moment that the dump shows: the dump reads the snapshot that our session has exported.
 */
export const postgresSource: CapturableSource<PostgresSourceConfig> = {
  look: async (context, config) => {
    await prepare(context, config)
  },
  capture: async (context, config) => {
    const prepared = await prepare(context, config)
    const facts: Record<string, DatabaseFacts> = {}
    const warnings: SnapshotWarning[] = []
    const open = new Set<AsyncDisposable>()
    return {
      archives: async function* () {
        for (const database of prepared.databases) {
          context.step(`dumping ${printable(database.name)}`)
          const session = await openLocked(prepared.server, database.name, context.signal)
          open.add(session)
          yield await dumpDatabase(context, prepared, database, session, {
            config,
            onCounted: (counted, warned) => {
              facts[database.name] = counted
              warnings.push(...warned)
            },
          })
          open.delete(session)
          await session[Symbol.asyncDispose]()
        }
        context.step('dumping roles')
        yield await dumpGlobals(context, prepared)
        if (!prepared.look.superuser) {
          const message =
            'passwords of roles are not in the dump: only a superuser of PostgreSQL may read them'
          warnings.push({ code: 'postgres-role-passwords', count: 1 })
          context.notice({ code: 'postgres-role-passwords', message })
        }
      },
      finish: () =>
        Promise.resolve({
          facts: {
            kind: 'postgres',
            version: prepared.look.version,
            databases: facts,
          } satisfies PostgresFacts,
          warnings,
          amendments: new Map(),
          absolutePrefixes: [],
          roots: [],
        } satisfies CaptureOutcome),
      [Symbol.asyncDispose]: async () => {
        for (const session of open) await session[Symbol.asyncDispose]()
      },
    }
  },
}

async function prepare(context: CaptureContext, config: PostgresSourceConfig): Promise<Prepared> {
  const server = await findServer(context, config)
  // Some have no database `postgres`: those that are named are there.
  const first = config.databases === 'all' ? maintenanceOf(config) : config.databases[0]!
  await using session = await Session.open(server, first, context.signal)
  const look = await lookAtServer(session)
  const databases =
    config.databases === 'all'
      ? look.databases.filter(
          ({ name, connectable }) => name !== OWN_DATABASE && connectable && !isAside(name),
        )
      : config.databases.map((name) => named(name, server, look))
  if (databases.length === 0) {
    throw new SourceError('postgres-database-missing', `${server.title} has no database of yours`, {
      next: `Name those to be captured: databases: [${OWN_DATABASE}]`,
    })
  }
  const odd = databases.find(({ name }) => /[\u0000-\u001f]/.test(name))
  if (odd !== undefined) {
    throw new SourceError('postgres-database-name', `${server.title} has a database ${printable(odd.name)}`, {
      next: 'Names with line breaks and the like can not be backed up: rename it, or name the others in `databases`.',
    })
  }
  const locked = databases.find(({ allowed }) => !allowed)
  if (locked !== undefined) {
    throw new SourceError(
      'postgres-privilege',
      `${server.title} lets us not into ${printable(locked.name)}`,
      {
        next: `Let the user of the backup in: grant connect on database, and pg_read_all_data; or leave it out of \`databases\`.`,
      },
    )
  }
  return { server, look, databases }
}

function named(name: string, { title }: Server, { databases }: ServerLook): Database {
  const found = databases.find((each) => each.name === name)
  if (found !== undefined) return found
  const there = databases.map((each) => printable(each.name)).join(', ')
  throw new SourceError('postgres-database-missing', `${title} has no database ${printable(name)}`, {
    next: `Correct \`databases\` of this source; there are: ${there}`,
  })
}

/** A session whose tables stay. Where one of them goes before it is locked, it begins anew. */
async function openLocked(server: Server, database: string, signal: AbortSignal): Promise<Session> {
  for (let tries = 1; ; tries += 1) {
    const session = await Session.open(server, database, signal)
    try {
      await lockTables(session)
      return session
    } catch (error) {
      await session[Symbol.asyncDispose]()
      const gone = error instanceof SourceError && /does not exist/.test(error.details.stderr ?? '')
      if (!gone || tries === 5) throw error
    }
  }
}

const ONLY = {
  full: ['--create'],
  schema: ['--create', '--schema-only'],
  data: ['--data-only'],
} as const

async function dumpDatabase(
  context: CaptureContext,
  { server }: Prepared,
  { name, owner, locale, bytes }: Database,
  session: Session,
  {
    config: { capture, checks },
    onCounted,
  }: {
    readonly config: PostgresSourceConfig
    readonly onCounted: (facts: DatabaseFacts, warned: readonly SnapshotWarning[]) => void
  },
): Promise<CaptureArchive> {
  const [exported] = await session.rows<{ id: string }>('select pg_export_snapshot() as id')
  const snapshot = exported?.id ?? ''
  const aside = (await schemasAside(session)).flatMap((schema) => ['-N', identifier(schema)])
  const program = ['pg_dump', '-w', '-Fc', '-Z0', ...ONLY[capture], ...aside, `--snapshot=${snapshot}`]
  // Rows that are not there are not asked for.
  const queries = capture === 'schema' ? [] : checks
  let objects: readonly StreamObject[] = []
  const walk = new ArchiveWalk()
  const archive = await dump(context, server, [...program, '-d', databaseNamed(name)], {
    what: `dump ${printable(name)}`,
    proof: walk,
  })
  return {
    ...archive,
    part: name,
    extension: 'dump',
    content: capture === 'full' ? 'all' : capture,
    objects: () => objects,
    ...(bytes === null || capture === 'schema' ? {} : { expectedPlainBytes: bytes }),
    finish: async () => {
      await archive.finish()
      context.step(`counting ${printable(name)}`)
      const looked = await lookAtDatabase(session, { rows: capture !== 'schema' })
      if (capture !== 'schema') insistOnTables(server, name, walk, looked.objects)
      objects = looked.objects
      const checked = await recordChecks(context, queries, (query) =>
        askQuery(server, name, query, context.signal, snapshot),
      )
      const said = queries.length === 0 ? {} : { checks: checked.facts }
      onCounted({ ...looked.facts, owner, locale, ...said }, checked.warnings)
    },
  }
}

async function dumpGlobals(context: CaptureContext, { server, look }: Prepared): Promise<CaptureArchive> {
  const passwords = look.superuser ? [] : ['--no-role-passwords']
  const archive = await dump(context, server, ['pg_dumpall', '-w', '--globals-only', ...passwords], {
    what: 'dump its roles',
    proof: new GlobalsProof(),
  })
  return { ...archive, part: 'globals', extension: 'sql', objects: () => [] }
}

/** A dump without a table that is there holds less than was counted. */
function insistOnTables(
  { title }: Server,
  database: string,
  { entries }: ArchiveWalk,
  objects: readonly StreamObject[],
): void {
  // Of a format that is not known.
  if (entries === undefined) return
  const dumped = new Set(
    entries.filter(({ type }) => type === 'TABLE DATA').map(({ schema, name }) => `${schema}.${name}`),
  )
  const lacking = objects.find(({ type, name }) => type === 'table' && !dumped.has(name))
  if (lacking === undefined) return
  throw new SourceError(
    'postgres-dump-broken',
    `the dump of ${printable(database)} has no data of ${printable(lacking.name)}`,
    { next: `Pull again. If it stays so, try pg_dump on ${title} by hand.` },
  )
}

/** What proves that a dump is whole, whatever the exit status says. */
interface DumpProof {
  write(chunk: Buffer): void
  /** What is wrong with it; undefined when nothing is. */
  end(): string | undefined
}

/** The text of pg_dumpall has a line at its beginning and one at its end. */
class GlobalsProof implements DumpProof {
  #head = ''
  #tail = ''

  write(chunk: Buffer): void {
    const text = chunk.toString('latin1')
    if (this.#head.length < 100) this.#head += text.slice(0, 100)
    this.#tail = (this.#tail + text).slice(-1000)
  }

  end(): string | undefined {
    if (!this.#head.startsWith('--\n-- PostgreSQL database cluster dump'))
      return 'it does not begin as pg_dumpall does'
    return this.#tail.includes('\n-- PostgreSQL database cluster dump complete\n')
      ? undefined
      : 'it ends before its end'
  }
}

/** Streams what a program of PostgreSQL writes. What is not proven is no dump, whatever the exit status says. */
async function dump(
  context: CaptureContext,
  server: Server,
  [program = '', ...args]: readonly string[],
  { what, proof }: { readonly what: string; readonly proof: DumpProof },
): Promise<Omit<CaptureArchive, 'part' | 'extension' | 'objects'>> {
  const streamed = await streamDump(context, {
    script: 'sources/postgres/dump',
    server,
    program,
    args,
    observer: { content: { write: (chunk) => proof.write(chunk), end: () => undefined } },
    failure: (exit) => failure(server, what, exit),
  })
  return {
    ...streamed,
    finish: async () => {
      const end = await streamed.finish()
      if (end === undefined) return
      const problem = end.compressed ? proof.end() : 'it was not compressed to its end'
      if (problem !== undefined) {
        throw new SourceError('postgres-dump-broken', `${server.title} sent no whole dump: ${problem}`, {
          ...end.details,
          next: `Try ${program} on the server by hand: what it wrote is not what ${program} writes.`,
        })
      }
    },
  }
}
