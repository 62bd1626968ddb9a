import type { FilesSourceConfig } from '../files/config.ts'
import { captureFiles } from '../files/capture.ts'
import { missingNotice } from '../files/tell-found.ts'
import { TORN, type SnapshotWarning } from '../../model/snapshot.ts'
import { printable } from '../../model/path-bytes.ts'
import { recordChecks } from '../checks.ts'
import type { Capture, CaptureArchive, CaptureContext, CaptureOutcome, PullContext } from '../contract.ts'
import { inspectPaths, pathOf } from '../tree/resolve.ts'
import type { SqliteSourceConfig } from './config.ts'
import { copyDatabases, type Copies } from './copies.ts'
import type { SqliteDatabaseFacts, SqliteFacts } from './facts.ts'
import { findDatabases, type FoundDatabase, type FoundDatabases } from './find.ts'
import { askQuery, readFacts, type ReadFacts } from './read-facts.ts'
import { formatCount } from '../../model/units.ts'

/** What SQLite needs together with a database. */
const PARTS = ['-wal', '-journal'] as const

/** Finds the databases, and tells what can copy them; throws as {@link captureSqlite}. */
export async function lookAtSqlite(context: CaptureContext, config: SqliteSourceConfig): Promise<void> {
  const { tool, databases, missing } = await findDatabases(context, config)
  if (missing.length > 0) context.notice(missingNotice(missing, config))
  const names = databases.map((one) => printable(pathOf(one))).join(', ')
  context.note?.({
    code: 'databases-found',
    message: `${formatCount(databases.length, 'database')}: ${names}`,
  })
  if (tool === undefined) context.notice(asFilesNotice(noTool, config))
}

const noTool = 'the server has neither sqlite3 nor a python3 with its module sqlite3'

/**
 * Captures SQLite databases: a copy of each, made by SQLite itself as of one moment, checked and counted there. Where none
 * can be made, the database and its log are captured as files, and are `torn` when they do not hold still. Throws
 * SourceError.
 */
export async function captureSqlite(context: PullContext, config: SqliteSourceConfig): Promise<Capture> {
  const found = await findDatabases(context, config)
  const warnings: SnapshotWarning[] = []
  const warn = (
    notice: { readonly code: string; readonly message: string; readonly next?: string },
    count = 1,
  ) => {
    warnings.push({ code: notice.code, count })
    context.notice(notice)
  }
  if (found.missing.length > 0) warn(missingNotice(found.missing, config), found.missing.length)
  const copies = await copyDatabases(context, found.databases)
  if ('reason' in copies) {
    warn(asFilesNotice(copies.reason, config))
    return await captureAsFiles(context, config, found, warnings)
  }
  await using started = new AsyncDisposableStack()
  started.use(copies)
  context.step('checking the copies')
  const read = await readFacts(
    context,
    found.databases.map(({ name }) => `${copies.tree}/${name}`),
  )
  const damaged = found.databases.flatMap((database, at) => damageOf(database, read[at]))
  for (const message of damaged) {
    warn({
      code: TORN,
      message,
      next: 'Restore an older snapshot of it, or repair it on the server (sqlite3: .recover).',
    })
  }
  const [first] = found.databases
  const checked =
    first === undefined
      ? undefined
      : await recordChecks(context, config.checks, (query) =>
          askQuery(context, `${copies.tree}/${first.name}`, query),
        )
  warnings.push(...(checked?.warnings ?? []))
  const said = config.checks.length === 0 ? {} : { checks: checked?.facts ?? [] }
  const based: PullContext = { ...context, probe: { ...context.probe, deployment: copies.tree } }
  const names = found.databases.map(({ name }) => name)
  const inner = await captureFiles(based, asFiles(config, names), { isPrivate: true })
  const facts: SqliteFacts = {
    kind: 'sqlite',
    form: 'copy',
    databases: found.databases.map((database, at) => ({
      ...databaseFacts(database, copies.bytes[at] ?? 0, read[at]),
      ...said,
    })),
  }
  started.move()
  return new SqliteCapture(inner, copies, (outcome) => ({
    ...outcome,
    facts,
    warnings: [...warnings, ...outcome.warnings],
    paths: found.databases.map(pathOf),
    absolutePrefixes: found.databases
      .filter(({ base }) => base === 'root')
      .map(({ name }) => Buffer.from(name).toString('latin1')),
    roots: found.databases.flatMap(({ name, link }) =>
      link === undefined ? [] : [{ path: Buffer.from(name), link: link.target }],
    ),
  }))
}

/** The databases with what lies beside them, as they are. */
async function captureAsFiles(
  context: PullContext,
  config: SqliteSourceConfig,
  { databases }: FoundDatabases,
  warnings: readonly SnapshotWarning[],
): Promise<Capture> {
  const beside = databases.flatMap((one) => PARTS.map((ending) => pathOf(one) + ending))
  const { reports } = await inspectPaths(context, beside)
  const paths = [...databases.map(pathOf), ...beside.filter((_path, at) => reports[at]?.type === 'file')]
  const inner = await captureFiles(context, asFiles(config, paths))
  return new SqliteCapture(inner, undefined, (outcome) => ({
    ...outcome,
    facts: {
      kind: 'sqlite',
      form: 'files',
      databases: databases.map((database) => databaseFacts(database, database.bytes, undefined)),
    } satisfies SqliteFacts,
    warnings: [...warnings, ...outcome.warnings],
    paths,
  }))
}

function asFiles({ name }: SqliteSourceConfig, paths: readonly string[]): FilesSourceConfig {
  return { kind: 'files', name, paths, exclude: [] }
}

function asFilesNotice(
  reason: string,
  { name }: SqliteSourceConfig,
): { readonly code: string; readonly message: string; readonly next: string } {
  return {
    code: 'database-as-files',
    message: `captured as files, unopened and unchecked: ${reason}`,
    next: /space/.test(reason)
      ? 'Free space there for a copy of the database.'
      : `Install sqlite3 there (Debian, Ubuntu: apt-get install sqlite3; Alpine: apk add sqlite), or have what writes hold still: quiesce: { pause: [SERVICE] } for the source ${name}.`,
  }
}

/** What is wrong with a copy; a copy is the database page by page, so the database is damaged. */
function damageOf(database: FoundDatabase, read: ReadFacts): readonly string[] {
  const what = read === undefined ? undefined : 'failed' in read ? read.failed : read.integrity
  if (what === undefined || what === 'ok') return []
  const [first = ''] = what.split('\n').filter((line) => line !== '*** in database main ***')
  return [`${printable(pathOf(database))} is damaged on the server: ${printable(first)}`]
}

function databaseFacts(database: FoundDatabase, bytes: number, read: ReadFacts): SqliteDatabaseFacts {
  const path = pathOf(database)
  if (read === undefined) return { path, bytes }
  return 'failed' in read ? { path, bytes, integrity: read.failed } : { path, bytes, ...read }
}

/** Files that are captured for a database. Owns the copies. */
class SqliteCapture implements Capture {
  readonly #inner: Capture
  readonly #copies: Copies | undefined
  readonly #complete: (outcome: CaptureOutcome) => CaptureOutcome

  constructor(
    inner: Capture,
    copies: Copies | undefined,
    complete: (outcome: CaptureOutcome) => CaptureOutcome,
  ) {
    this.#inner = inner
    this.#copies = copies
    this.#complete = complete
  }

  async *archives(): AsyncIterable<CaptureArchive> {
    for await (const archive of this.#inner.archives()) {
      const { finish } = archive
      yield {
        ...archive,
        // When the server has lost us, that the copies are gone is only what follows of it.
        finish: async () => {
          try {
            await finish()
          } catch (error) {
            await this.#copies?.release()
            throw error
          }
        },
      }
    }
    await this.#copies?.release()
  }

  async finish(): Promise<CaptureOutcome> {
    return this.#complete(await this.#inner.finish())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]()
    await this.#copies?.[Symbol.asyncDispose]()
  }
}
