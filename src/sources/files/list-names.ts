import { SourceError } from '../../errors.ts'
import type { PathFilter } from '../../model/path-filter.ts'
import type { CaptureContext } from '../contract.ts'
import { parseStreamStatus, streamNonce } from '../stream-status.ts'
import type { StreamStatus } from '../stream-status.ts'
import { refuseRoots, unreadable } from './failures.ts'
import type { LeftOut } from './left-out.ts'
import { commandFailed } from './resolve.ts'
import { RootCheck } from './root-check.ts'
import type { Root } from './roots.ts'
import { unescapeName } from './tar-messages.ts'

/** See `files-list.sh`. */
export type Which = 'linked' | 'single' | 'all' | 'special'

/**
 * Everything of a source that a tar is to hold, by its member name, from a server whose find has no `-printf`; what is
 * no part of a backup is in `leftOut` when it ended. Throws as `scanFiles`.
 */
export async function* listNames(
  context: CaptureContext,
  roots: readonly Root[],
  filter: PathFilter,
  leftOut: LeftOut,
): AsyncGenerator<Buffer> {
  const check = new RootCheck(roots)
  await listLeftOut(context, roots, filter, leftOut)
  for (const base of ['deployment', 'root'] as const) {
    const here = roots.filter((root) => root.base === base)
    if (here.length === 0) continue
    for await (const name of namesBelow(context, here, filter, 'all', { leftOut })) {
      check.see(name)
      yield Buffer.from(name, 'latin1')
    }
  }
  check.end()
}

/** What of a source is no part of a backup. */
export async function listLeftOut(
  context: CaptureContext,
  roots: readonly Root[],
  filter: PathFilter,
  leftOut: LeftOut,
): Promise<void> {
  leftOut.clear()
  for (const base of ['deployment', 'root'] as const) {
    const here = roots.filter((root) => root.base === base)
    if (here.length === 0) continue
    for await (const line of namesBelow(context, here, filter, 'special', { leftOut })) {
      const space = line.indexOf(' ')
      const what = line.slice(0, space)
      const name = line.slice(space + 1).replace(/^\.\/(?=.)/s, '')
      if (filter.excludes(name, false)) continue
      leftOut.add(name, what === 'socket' ? 'socket' : what === 'device' ? 'character-device' : 'other')
    }
  }
}

/** Takes what a walk finds beside the names. */
interface Found {
  readonly leftOut: LeftOut
  /** What went away meanwhile. */
  readonly vanished?: string[]
}

/** Names (latin1) below roots of one base, as they are found. Throws as `scanFiles`. */
export async function* namesBelow(
  context: CaptureContext,
  roots: readonly Root[],
  filter: PathFilter,
  which: Which,
  { leftOut, vanished = [] }: Found,
): AsyncGenerator<string> {
  const { host, probe, privilege, signal } = context
  const isWanted = (name: string, isDirectory: boolean): boolean =>
    which === 'special' || !filter.excludes(name, isDirectory)
  const nonce = streamNonce()
  const process = await host.spawn(
    {
      script: 'sources/files/list',
      // Sockets, devices and hard links are searched for in silence.
      patience: 'work',
      args: [
        nonce,
        roots[0]?.base === 'root' ? '/' : (probe.deployment ?? '/'),
        which,
        String(roots.length),
        ...roots.map((root) => (root.name === '' ? '.' : `./${root.name}`)),
        ...filter.findPrune,
      ],
      privilege,
      title: 'listing the files',
    },
    { signal },
  )
  process.exit.catch(() => {})
  process.stdin.on('error', () => {})
  process.stdin.end()
  try {
    // One behind: a directory is told twice.
    let last: string | undefined
    for await (const name of fields(process.stdout as AsyncIterable<Buffer>)) {
      const isDirectory = last === name
      if (last !== undefined && isWanted(last, isDirectory)) yield last
      last = isDirectory ? undefined : name
    }
    if (last !== undefined && isWanted(last, false)) yield last
  } finally {
    if (!process.stdout.readableEnded) process.kill()
  }
  const exit = await process.exit
  const status = parseStreamStatus(exit.stderr, nonce)
  if (status === undefined) throw commandFailed(exit)
  vanished.push(...(await judgeListing(status, context, { roots, filter, leftOut })))
}

async function* fields(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let from = 0
    for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, from)) {
      yield bytes.toString('latin1', from, end).replace(/^\.\/(?=.)/s, '')
      from = end + 1
    }
    rest = bytes.subarray(from)
  }
}

/**
 * Judges what find said, and gives the names of what vanished while it walked: that is no failure. Directories that may
 * not be looked into are in `leftOut` then. Throws SourceError for a root among them, and for everything else.
 */
export async function judgeListing(
  status: StreamStatus,
  context: CaptureContext,
  { roots, filter, leftOut }: { roots: readonly Root[]; filter: PathFilter; leftOut: LeftOut },
): Promise<readonly string[]> {
  const lines = status.messages.split('\n').filter((line) => line !== '')
  const named = (what: string): string[] =>
    lines.flatMap((line) => {
      if (!line.startsWith('find: ') || !line.endsWith(`: ${what}`)) return []
      const name = line.slice('find: '.length, -`: ${what}`.length)
      const quoted = /^'(.*)'$/s.exec(name)?.[1]
      return [(quoted === undefined ? name : unescapeName(quoted)).replace(/^\.\//, '')]
    })
  const vanished = named('No such file or directory')
  const code = status.statuses.get('find') ?? 255
  if (code === 0) return vanished
  const denied = named('Permission denied')
  // Of what find said beyond the limit nobody knows what it was.
  const isAllKnown = status.cut === 0 && vanished.length + denied.length === lines.length && lines.length > 0
  if (isAllKnown) {
    await refuseRoots(context, roots, denied)
    for (const name of denied) if (!filter.excludes(name, true)) leftOut.unreadable.add(name)
    return vanished
  }
  if (denied.length > 0) throw await unreadable(context, roots, denied)
  throw new SourceError('listing-failed', `find on the server failed with status ${code}`, {
    command: 'find on the server',
    exitStatus: code,
    stderr: status.messages.trim(),
    next: 'Look into the message above on the server, then pull again.',
  })
}
