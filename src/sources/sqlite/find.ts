import { SourceError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import type { CaptureContext } from '../contract.ts'
import { commandFailed, pathOf, readAccess, resolveRoots } from '../tree/resolve.ts'
import type { Root } from '../tree/roots.ts'
import type { SqliteSourceConfig } from './config.ts'
import { searchFor } from './patterns.ts'

/** A database as it was found on the server. */
export interface FoundDatabase extends Root {
  /** Bytes of its file. */
  readonly bytes: number
}

/** What a source is on its server. */
export interface FoundDatabases {
  /** What can copy them: sqlite3 or python3 with its version; undefined for nothing. */
  readonly tool: string | undefined
  readonly databases: readonly FoundDatabase[]
  /** Configured paths that are not there, beside others that are. */
  readonly missing: readonly string[]
}

/**
 * Finds the databases of a source. Throws SourceError for a path that can't be read, or that is no database, and when
 * there is none at all.
 */
export async function findDatabases(
  context: CaptureContext,
  config: SqliteSourceConfig,
): Promise<FoundDatabases> {
  const searched = await search(context, config)
  const paths = [...new Set([...config.paths, ...searched])]
  if (paths.length === 0) {
    throw new SourceError('no-database', `no SQLite database matches ${config.patterns.join(' ')}`, {
      next: `Correct paths of ${config.name} in the config, or remove the source.`,
    })
  }
  const { roots, missing, unreadable } = await resolveRoots(context, paths)
  const [locked] = unreadable
  if (locked !== undefined) throw denied(context, pathOf(locked))
  const { tool, records } = await ask(
    context,
    roots.flatMap((root) => ['file', root.link === undefined ? pathOf(root) : realOf(root), '-']),
  )
  const databases = roots.map((root, at): FoundDatabase => {
    const [word, kind, bytes] = records[at]?.split(' ') ?? []
    if (word === 'denied') throw denied(context, pathOf(root))
    if (kind !== 'database') throw noDatabase(config, root, kind === 'empty')
    return { ...root, bytes: Number(bytes) }
  })
  return { tool, databases, missing }
}

/** The file that a symlink leads to. */
function realOf({ link }: Root): string {
  return link!.real.toString('utf8')
}

/** Those of some files that are databases, and what can copy them. */
export async function databasesAmong(
  context: CaptureContext,
  files: readonly Root[],
): Promise<Pick<FoundDatabases, 'tool'> & { readonly databases: readonly Root[] }> {
  const { tool, records } = await ask(
    context,
    files.flatMap((file) => ['file', pathOf(file), '-']),
  )
  return { tool, databases: files.filter((_file, at) => records[at]?.startsWith('file database ')) }
}

/** Where a database really lies, absolute. */
export function realPath(root: Root, deployment: string | undefined): string {
  if (root.link !== undefined) return realOf(root)
  return root.base === 'root' ? `/${root.name}` : `${deployment ?? ''}/${root.name}`
}

async function search(context: CaptureContext, { patterns }: SqliteSourceConfig): Promise<string[]> {
  if (patterns.length === 0) return []
  const searches = patterns.map(searchFor)
  const { records } = await ask(
    context,
    searches.flatMap(({ directory, name }) => ['below', directory, name]),
  )
  const found: string[] = []
  for (const record of records) {
    const at = record.indexOf(' ')
    const [word, path] = [record.slice(0, at), record.slice(at + 1)]
    if (word === 'unread') {
      throw new SourceError('unreadable', `not all of it can be searched: ${printable(path)}`, {
        next: readAccess(context),
      })
    }
    if (!searches.some(({ matches }) => matches.test(path))) continue
    if (word === 'denied') throw denied(context, path)
    if (word === 'found') found.push(path.replace(/^\.\//, ''))
  }
  return found.toSorted()
}

async function ask(
  { host, probe, privilege, signal }: CaptureContext,
  args: readonly string[],
): Promise<{ readonly tool: string | undefined; readonly records: readonly string[] }> {
  const result = await host.run(
    {
      script: 'sources/sqlite/find',
      patience: 'list',
      args: [probe.deployment ?? '/', ...args],
      privilege,
      title: 'looking for SQLite databases',
    },
    { signal },
  )
  const [first = '', ...records] = result.stdout.toString('utf8').split('\0')
  if (result.status !== 0 || records.at(-2) !== 'end') throw commandFailed(result)
  const tool = first.replace(/^tool /, '').trim()
  return { tool: tool === '-' ? undefined : tool, records: records.slice(0, -2) }
}

function denied(context: CaptureContext, path: string): SourceError {
  return new SourceError('unreadable', `${printable(path)} can't be read`, { next: readAccess(context) })
}

function noDatabase({ name }: SqliteSourceConfig, root: Root, isEmpty: boolean): SourceError {
  const path = printable(pathOf(root))
  return isEmpty
    ? new SourceError('database-empty', `${path} is empty: there is no database in it`, {
        next: 'See whether the app has lost its data, or has not begun to keep any.',
      })
    : new SourceError('no-database', `${path} is no SQLite database: its header is another one`, {
        next: `Correct the path of ${name} in the config. An encrypted database is captured as \`kind: files\`, with a \`quiesce\`.`,
      })
}
