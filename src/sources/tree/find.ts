import { SourceError } from '../../errors.ts'
import type { PathFilter } from '../../model/path-filter.ts'
import type { Patience, RemoteProcess } from '../../remote/contract.ts'
import type { CaptureContext } from '../contract.ts'
import { parseStreamStatus, streamNonce } from '../stream-status.ts'
import type { StreamStatus } from '../stream-status.ts'
import { refuseRoots, unreadable } from './failures.ts'
import type { LeftOut } from './left-out.ts'
import { commandFailed } from './resolve.ts'
import type { Root } from './roots.ts'
import { unescapeName } from './tar-messages.ts'

/** A find on the server that is under way. Read `stdout`, then await {@link judge}. */
export interface RunningFind {
  readonly stdout: RemoteProcess['stdout']
  /** Ends it early. */
  stop(): void
  /**
   * Waits for its end and gives the names (latin1) of what vanished while it walked: that is no failure. Directories that
   * may not be looked into are in the `leftOut` that it was started with. Throws SourceError for a root among them and
   * for everything else that it says, and RemoteError when it was cut off; `failure`, if any, is what reading its list ran
   * into, and is thrown where nothing says more.
   */
  judge(failure?: unknown): Promise<readonly string[]>
}

/** Roots with the same base. One find lists them. */
export function rootsByBase(roots: readonly Root[]): readonly (readonly Root[])[] {
  return (['deployment', 'root'] as const)
    .map((base) => roots.filter((root) => root.base === base))
    .filter((some) => some.length > 0)
}

/** The directory on the server that the names of roots of this base are relative to. */
export function directoryOf({ probe }: Pick<CaptureContext, 'probe'>, base: Root['base']): string {
  return base === 'root' ? '/' : (probe.deployment ?? '/')
}

/**
 * Starts `list.sh` or `scan.sh` for roots of one base; `how` is the script's first argument. Directories that the
 * filter leaves out for certain are not looked into.
 */
export async function startFind(
  context: CaptureContext,
  roots: readonly Root[],
  filter: PathFilter,
  what: {
    readonly script: string
    readonly how: string
    readonly leftOut: LeftOut
    readonly patience: Patience
  },
): Promise<RunningFind> {
  const { host, privilege, signal } = context
  const nonce = streamNonce()
  const process = await host.spawn(
    {
      script: what.script,
      patience: what.patience,
      args: [
        nonce,
        what.how,
        directoryOf(context, roots[0]?.base ?? 'deployment'),
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
  process.stdin.end()
  return {
    stdout: process.stdout,
    stop: () => process.kill(),
    judge: async (failure) => {
      const exit = await process.exit
      const status = parseStreamStatus(exit.stderr, nonce)
      if (status === undefined) throw failure instanceof Error ? failure : commandFailed(exit)
      const vanished = await judgeFind(status, context, { roots, filter, leftOut: what.leftOut })
      if (failure !== undefined) throw failure as Error
      return vanished
    },
  }
}

async function judgeFind(
  status: StreamStatus,
  context: CaptureContext,
  { roots, filter, leftOut }: { roots: readonly Root[]; filter: PathFilter; leftOut: LeftOut },
): Promise<readonly string[]> {
  const compressor = status.statuses.get('compress') ?? 0
  if (compressor !== 0) throw listingFailed('The compressor', compressor, status)
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
  throw listingFailed('find', code, status)
}

function listingFailed(what: string, code: number, status: StreamStatus): SourceError {
  return new SourceError('listing-failed', `${what} on the server failed with status ${code}`, {
    command: 'find on the server',
    exitStatus: code,
    stderr: status.messages.trim(),
    next: 'Look into the message above on the server, then pull again.',
  })
}
