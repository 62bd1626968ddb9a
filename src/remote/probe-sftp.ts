import { RemoteError, RemoteFileError } from '../errors.ts'
import type { HostProbe, RemoteFiles, RemoteHost } from './contract.ts'

/**
 * What a server without a shell says when it is asked to run something: OpenSSH's internal-sftp, nologin, rssh and
 * scponly.
 */
const NO_SHELL = /\bsftp\b|account is (?:currently )?not available|account is restricted/i

/**
 * Tells whether an answer that is not our script's means that there is no shell. Either the answer says so, or there is
 * no answer at all and the status is success (an sftp-server takes the shell's place). Any other answer may come from a
 * shell that has a problem, and must not pass for a server without a shell, because SFTP captures less.
 */
export function hasNoShell(answer: {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}): boolean {
  const said = (answer.stdout + answer.stderr).trim()
  return said === '' ? answer.status === 0 : said.length < 500 && NO_SHELL.test(said)
}

/** The server opened a session and refused to run a command in it. A server that opens no session may only be busy. */
export function isRefusedExec(error: unknown): error is RemoteError {
  if (!(error instanceof RemoteError) || error.code !== 'session-refused') return false
  const { cause } = error.details
  return cause instanceof Error && /unable to exec/i.test(cause.message)
}

/** The probe of a server without a shell. Throws RemoteError `sftp-refused` when it has no SFTP either. */
export async function probeOverSftp(
  host: RemoteHost,
  question: { readonly deployment: string; readonly names: readonly string[] },
  signal: AbortSignal,
): Promise<HostProbe> {
  await using files = await host.openFiles(signal)
  const home = await files.realpath('.')
  const deployment = await directory(files, atHome(question.deployment, home))
  const existing = new Set<string>()
  for (const name of deployment === undefined ? [] : question.names) {
    if (await exists(files, name.startsWith('/') ? name : `${deployment}/${name}`)) existing.add(name)
  }
  return {
    access: 'sftp',
    os: 'unknown (SFTP only)',
    kernel: 'unknown',
    arch: 'unknown',
    uid: -1,
    user: '',
    home,
    cpus: 1,
    deployment,
    deploymentWritable: false,
    freeBytes: undefined,
    existing,
    tar: undefined,
    versions: {},
    findPrintf: false,
    openJournals: [],
    quiesced: [],
    groups: [],
  }
}

function atHome(path: string, home: string): string {
  if (path === '~') return home
  return path.startsWith('~/') ? `${home === '/' ? '' : home}/${path.slice(2)}` : path
}

/** The resolved path of a directory; undefined when there is none. */
async function directory(files: RemoteFiles, path: string): Promise<string | undefined> {
  try {
    const real = await files.realpath(path)
    return (await files.stat(real)).type === 'directory' ? real : undefined
  } catch (error) {
    if (error instanceof RemoteFileError) return undefined
    throw error
  }
}

async function exists(files: RemoteFiles, path: string): Promise<boolean> {
  try {
    await files.lstat(path)
    return true
  } catch (error) {
    if (error instanceof RemoteFileError) return false
    throw error
  }
}
