import { RemoteFileError } from '../../errors.ts'
import type { CaptureContext } from '../contract.ts'
import { wholeRecords } from '../../model/talk.ts'
import { commandFailed } from '../tree/resolve.ts'
import type { Root } from '../tree/roots.ts'

/** What tells whether a file was written to. */
export interface FileState {
  /** Bytes. */
  readonly size: number
  /** ns since the epoch; whole seconds where the server tells no fractions. */
  readonly mtimeNs: bigint
}

/** Files as they are, and the server's clock before they were looked at, in s since the epoch, where it has one. */
export interface FileStates {
  readonly clock: number | undefined
  /** By name. Only files are in it. */
  readonly states: ReadonlyMap<string, FileState>
}

type Where = Pick<CaptureContext, 'host' | 'probe' | 'privilege' | 'signal'>

/** Looks at some files of the source (members' names, in latin1). Throws RemoteError when the server does not tell. */
export async function fileStates(
  where: Where,
  roots: readonly Root[],
  names: readonly string[],
): Promise<FileStates> {
  const states = new Map<string, FileState>()
  let clock: number | undefined
  for (const base of ['deployment', 'root'] as const) {
    const below = roots
      .filter((root) => root.base === base)
      .map(({ name }) => Buffer.from(name).toString('latin1'))
    const here = names.filter((name) => below.some((root) => name === root || name.startsWith(`${root}/`)))
    if (here.length === 0) continue
    const directory = base === 'root' ? '/' : (where.probe.deployment ?? '/')
    if (where.probe.access === 'sftp') await askSftp(where, directory, here, states)
    else clock = Math.min(clock ?? Infinity, await askShell(where, directory, here, states))
  }
  return { clock, states }
}

async function askShell(
  { host, privilege, signal }: Where,
  directory: string,
  names: readonly string[],
  states: Map<string, FileState>,
): Promise<number> {
  const result = await host.run(
    {
      script: 'sources/files/stat',
      patience: 'list',
      args: [directory],
      privilege,
      title: 'looking at databases',
    },
    { stdin: Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1'), signal },
  )
  const [[, clock] = [], ...found] = wholeRecords(result.stdout) ?? []
  if (result.status !== 0 || found.length !== names.length || clock === undefined) throw commandFailed(result)
  for (const [at, name] of names.entries()) {
    const [, size, seconds, time = ''] = found[at] ?? []
    if (size === undefined || seconds === undefined) continue
    const [, fraction = ''] = /\.(\d{1,9})/.exec(time) ?? []
    const mtimeNs = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
    states.set(name, { size: Number(size), mtimeNs })
  }
  return Number(clock)
}

async function askSftp(
  { host, signal }: Where,
  directory: string,
  names: readonly string[],
  states: Map<string, FileState>,
): Promise<void> {
  await using files = await host.openFiles(signal)
  for (const name of names) {
    const path = `${directory === '/' ? '' : directory}/${Buffer.from(name, 'latin1').toString('utf8')}`
    try {
      const { type, size, mtime } = await files.stat(path)
      if (type === 'file') states.set(name, { size, mtimeNs: BigInt(mtime) * 1_000_000_000n })
    } catch (error) {
      if (!(error instanceof RemoteFileError) || error.problem !== 'missing') throw error
    }
  }
}
