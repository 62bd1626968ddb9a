import { RemoteError } from '../errors.ts'
import type { VaultDisk } from '../model/status-report.ts'
import { decodeText, wholeRecords } from '../model/talk.ts'
import type { Visit } from '../runs/visit.ts'

/** How much lies at a path of the server. */
export interface PathSize {
  readonly bytes: number
  /** Some of it can't be read. */
  readonly atLeast: boolean
  /** Below it, the largest first; paths relative to it. */
  readonly directories: readonly { readonly path: string; readonly bytes: number }[]
}

/** What a server says of its disk and of paths, in one question. A path that is not there is undefined. */
export interface ServerSizes {
  readonly disk: VaultDisk | undefined
  readonly paths: readonly (PathSize | undefined)[]
}

/** Asks usage/sizes. Throws RemoteError when the answer is not whole. */
export async function readSizes(
  { host, remote, deployment, privilege, signal }: Visit,
  paths: readonly string[],
): Promise<ServerSizes> {
  const title = 'measuring what lies on the server'
  const result = await remote.run(
    { script: 'usage/sizes', args: [deployment, ...paths], privilege, patience: 'work', title },
    { signal },
  )
  const records = wholeRecords(result.stdout)
  if (records !== undefined) return parseSizes(records, paths.length)
  throw new RemoteError('script', "The server's answer about its sizes is incomplete", {
    host: host.name,
    command: title,
    exitStatus: result.status,
    stderr: result.stderr,
    next: 'Try again.',
  })
}

/** Reads the records of usage/sizes. */
export function parseSizes(records: readonly (readonly string[])[], count: number): ServerSizes {
  const of = (word: string) =>
    records.filter(([first]) => first === word).map(([, ...fields]) => fields.map(decodeText))
  const kib = (text = '') => Number(text) * 1024
  const parts = new Set(of('part').map(([index]) => index))
  const sizes = new Map(of('size').map(([index, size]) => [index, kib(size)]))
  return {
    disk: parseDf(of('disk')[0]?.[0]),
    paths: Array.from({ length: count }, (_, at) => {
      const index = String(at)
      const bytes = sizes.get(index)
      if (bytes === undefined) return undefined
      const directories = of('directory')
        .filter(([own]) => own === index)
        .map(([, size, path = '']) => ({ path, bytes: kib(size) }))
      return { bytes, atLeast: parts.has(index), directories: largest(directories) }
    }),
  }
}

/** How many directories are shown of a path. */
const SHOWN = 5

/** Those that say most: none of whose content nearly all lies in one directory below it. */
function largest(directories: PathSize['directories']): PathSize['directories'] {
  return directories
    .filter(
      (one) =>
        !directories.some(({ path, bytes }) => path.startsWith(`${one.path}/`) && bytes >= one.bytes * 0.9),
    )
    .filter(({ bytes }) => bytes > 0)
    .slice(0, SHOWN)
}

/** The last line of `df -Pk`: blocks of 1 KiB in all, used, and free for us. */
function parseDf(line = ''): VaultDisk | undefined {
  const [, blocks, used, free] = /\s(\d+)\s+(\d+)\s+(\d+)\s+\d+%/.exec(line)?.map(Number) ?? []
  if (blocks === undefined || used === undefined || free === undefined || used + free === 0) return undefined
  return { bytes: blocks * 1024, free: free * 1024, used: used / (used + free) }
}
