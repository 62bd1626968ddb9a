import { posix } from 'node:path'
import { RemoteError, SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../config.ts'
import type { Privilege, RemoteHost } from '../../../remote/contract.ts'
import type { ContainerLook, ContainerReference } from '../../../services/contract.ts'
import type { SearchContainer } from '../../contract.ts'
import { toSpeak } from '../../engine-place.ts'
import { isWildcard, readConfigFiles } from '../start/config-files.ts'
import { parseContainerCommand } from './container-command.ts'
import { nameOf } from '../failures.ts'
import type { Setting } from './inspection.ts'
import type { Directives, StartArguments } from '../start/directives.ts'
import { parseRecords } from './records.ts'
import type { ScriptRecord } from './records.ts'

/** What a search for a container needs of a context. */
interface SearchContext {
  readonly host: RemoteHost
  readonly privilege: Privilege | undefined
  readonly findContainer: SearchContainer
  readonly signal: AbortSignal
}

/** How the Redis of a container starts. */
export interface ContainerStart {
  /** Undefined when its command line does not tell. */
  readonly arguments: StartArguments | undefined
  readonly file: Directives | 'none' | 'unreadable'
  readonly fileName: string | undefined
  /** Its working directory, in the container. */
  readonly directory: string
}

/** The container that a source's Redis runs in. */
export interface RedisContainer {
  /** Undefined: the Compose project has no containers at all. */
  readonly look: ContainerLook | undefined
  readonly start: ContainerStart | undefined
  /** See `ContainerSearch`. */
  readonly pathOnServer: (path: string) => string | undefined
  /** Containers that run and see a path of the server. */
  readonly usersOf: (path: string) => readonly ContainerLook[]
}

/** Finds it and reads how it starts. Throws as findSourceContainer does, and SourceError for one that is paused. */
export async function findRedisContainer(
  context: SearchContext,
  config: RedisSourceConfig,
  reference: ContainerReference,
): Promise<RedisContainer> {
  const { container: look, ...search } = await context.findContainer(reference)
  if (look === undefined) return { look, start: undefined, ...search }
  if (look.status === 'paused') {
    throw new SourceError('redis-paused', `${nameOf(config)} is paused: ${look.name}`, {
      next: `Let it go on: docker unpause ${look.name}`,
    })
  }
  return { look, start: await readStart(context, look.id), ...search }
}

/** The port that it listens on, inside. */
export function portOf(start: ContainerStart | undefined): number {
  const file = typeof start?.file === 'object' ? start.file : undefined
  return Number(start?.arguments?.directives.get('port') ?? file?.get('port') ?? 6379)
}

/** Where it keeps its data when it starts, in the container; undefined when that is not known. */
export function startDirectory(start: ContainerStart): string | undefined {
  if (start.file === 'unreadable' || start.arguments === undefined) return undefined
  const file = start.file === 'none' ? undefined : start.file
  const told = start.arguments.directives.get('dir') ?? file?.get('dir') ?? '.'
  return posix.resolve(start.directory, told)
}

/** Its settings as it starts; none when they are not known. */
export function startSettings(start: ContainerStart): Partial<Record<Setting, string>> {
  const dir = startDirectory(start)
  if (dir === undefined) return {}
  const file = typeof start.file === 'object' ? start.file : undefined
  const told = (name: Setting): string | undefined => start.arguments?.directives.get(name) ?? file?.get(name)
  return {
    dir,
    appendonly: told('appendonly') ?? 'no',
    dbfilename: told('dbfilename') ?? 'dump.rdb',
    appenddirname: told('appenddirname') ?? 'appendonlydir',
    appendfilename: told('appendfilename') ?? 'appendonly.aof',
  }
}

/** The directives of a config file in a container. */
export async function readContainerConfig(
  context: SearchContext,
  id: string,
  name: string,
): Promise<Directives | 'unreadable'> {
  const read = await readConfigFiles(name, (pattern) =>
    // Nothing in the container can be asked to expand a wildcard.
    isWildcard(pattern) ? Promise.resolve(undefined) : run(context, id, pattern),
  )
  return read === 'unreadable' ? read : read.directives
}

/** What Docker says of how a container starts. */
interface ContainerWords {
  readonly path?: string
  readonly arguments?: readonly string[] | null
  readonly directory?: string
}

async function readStart(context: SearchContext, id: string): Promise<ContainerStart> {
  const records = await run(context, id)
  const told = JSON.parse(records.find(([name]) => name === 'start')?.[1] ?? '{}') as ContainerWords
  const words = [told.path ?? '', ...(told.arguments ?? [])]
  const directory = told.directory || '/'
  const given = parseContainerCommand(words)
  const fileName = given?.file === undefined ? undefined : posix.resolve(directory, given.file)
  return {
    arguments: given,
    file: fileName === undefined ? 'none' : await readContainerConfig(context, id, fileName),
    fileName,
    directory,
  }
}

async function run(context: SearchContext, ...args: readonly string[]): Promise<readonly ScriptRecord[]> {
  const title = 'finding out how the container of Redis starts'
  const result = await context.host.run(
    {
      script: 'sources/redis/container',
      patience: 'list',
      args,
      privilege: toSpeak(context.privilege),
      title,
    },
    { signal: context.signal },
  )
  const records = result.status === 0 ? parseRecords(result.stdout) : undefined
  if (records !== undefined) return records
  throw new RemoteError('redis-container', 'Finding out how the container of Redis starts failed', {
    exitStatus: result.status,
    stderr: result.stderr,
    next: 'Look into the message above on the server, then run it again.',
  })
}
