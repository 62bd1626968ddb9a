import { createHash } from 'node:crypto'
import { SourceError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import { decodeText, wholeRecords } from '../../model/talk.ts'
import type { HostProbe, Privilege, RemoteHost } from '../../remote/contract.ts'
import { commandFailed } from '../tree/resolve.ts'
import type { SqliteDatabaseFacts } from './facts.ts'

/** What the server tells of a database. */
export type ReadFacts =
  | Omit<SqliteDatabaseFacts, 'path' | 'bytes'>
  /** Why nothing is known: it can't be read as a database. */
  | { readonly failed: string }
  /** Nothing on the server can read it. */
  | undefined

interface ReadContext {
  readonly host: RemoteHost
  readonly probe: HostProbe
  readonly privilege: Privilege | undefined
  readonly signal: AbortSignal
}

/**
 * Checks databases that nobody writes to, and counts what is in them. Paths are absolute. Throws RemoteError for a script
 * that did not end well.
 */
export async function readFacts(
  { host, privilege, signal }: ReadContext,
  paths: readonly string[],
): Promise<readonly ReadFacts[]> {
  const result = await host.run(
    {
      script: 'sources/sqlite/facts',
      patience: 'work',
      args: paths,
      privilege,
      title: 'checking SQLite databases',
    },
    { signal },
  )
  const records = result.status === 0 ? wholeRecords(result.stdout) : undefined
  const groups: (readonly string[])[][] = []
  for (const record of records ?? []) {
    if (record[0] === 'database') groups.push([])
    else groups.at(-1)?.push(record)
  }
  if (records === undefined || groups.length !== paths.length) throw commandFailed(result)
  return groups.map(factsOf)
}

/**
 * Puts a query of a user to a database that nobody writes to. Returns its rows, each as one text. Throws SourceError for a
 * query that fails, and RemoteError.
 */
export async function askQuery(
  { host, privilege, signal }: ReadContext,
  path: string,
  query: string,
): Promise<readonly string[]> {
  const result = await host.run(
    {
      script: 'sources/sqlite/query',
      patience: 'work',
      args: [path],
      privilege,
      title: 'asking an SQLite database',
    },
    { stdin: Buffer.from(`select * from (\n${query.replace(/[\s;]+$/, '')}\n);\n`), signal },
  )
  if (result.status !== 0) {
    const said = result.stderr.trim()
    const message = said.split('\n')[0] ?? ''
    throw new SourceError('database-query', printable(message) || 'it said nothing', {
      exitStatus: result.status,
      stderr: said,
    })
  }
  return result.stdout.toString('utf8').split('\n').slice(0, -1)
}

function factsOf(group: readonly (readonly string[])[]): ReadFacts {
  const all = (word: string) => group.filter(([first]) => first === word)
  const one = (word: string) => all(word)[0]?.[1]
  if (one('tool') === '-') return undefined
  const failed = one('failed')
  if (failed !== undefined) return { failed }
  const foreign = one('foreign')
  const definitions = createHash('sha256')
  for (const [, text = ''] of all('definition')) definitions.update(`${text}\n`)
  return {
    integrity: decodeText(one('integrity')),
    ...(foreign === '-' ? {} : { foreignKeys: Number(foreign) }),
    settings: Object.fromEntries(all('setting').map(([, name = '', value]) => [name, decodeText(value)])),
    definitions: definitions.digest('hex'),
    tables: Object.fromEntries(
      all('table').map(([, name = '', rows]) => [Buffer.from(name, 'hex').toString('utf8'), Number(rows)]),
    ),
  }
}
