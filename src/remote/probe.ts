import { RemoteError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import { decodeText, fieldLines } from '../model/talk.ts'
import type { CommandResult, HostProbe, Privilege, RemoteHost, TarFlavour } from './contract.ts'
import { hasNoShell, isRefusedExec, probeOverSftp } from './probe-sftp.ts'

/** What a probe asks. */
export interface ProbeQuestion {
  /** As configured: `~/…` is the remote home. */
  readonly deployment: string
  /** Looked for directly under it, or where they are absolute. */
  readonly names: readonly string[]
  /** Look at the deployment as root: the user may not see what is in it. */
  readonly sudo: boolean
}

/**
 * Asks the server in one round trip what it has and what the deployment looks like; with `sudo` in a second one, as
 * root, what the deployment looks like.
 *
 * A server without a shell is looked at over SFTP. Throws RemoteError when the answer is not one (no sh, something else
 * in its place) and there is no SFTP either, or sudo refuses.
 */
export async function probeHost(
  host: RemoteHost,
  question: ProbeQuestion,
  signal: AbortSignal,
): Promise<HostProbe> {
  const probe = await ask(host, question, undefined, signal)
  if (!question.sudo || probe.uid === 0 || probe.access === 'sftp') return probe
  const deployment = question.deployment.replace(/^~(?=\/|$)/, () => probe.home)
  const asRoot = await ask(host, { ...question, deployment }, 'sudo', signal)
  const { deploymentWritable, existing, freeBytes, openJournals } = asRoot
  return { ...probe, deployment: asRoot.deployment, deploymentWritable, existing, freeBytes, openJournals }
}

async function ask(
  host: RemoteHost,
  question: Omit<ProbeQuestion, 'sudo'>,
  privilege: Privilege | undefined,
  signal: AbortSignal,
): Promise<HostProbe> {
  let answer: CommandResult
  try {
    answer = await host.run(
      {
        script: 'remote/probe',
        args: [question.deployment, ...question.names],
        privilege,
        title: 'looking at the server',
      },
      { signal },
    )
  } catch (error) {
    if (privilege !== undefined || !isRefusedExec(error)) throw error
    return overSftp(host, question, signal, error)
  }
  const { status, stdout, stderr } = answer
  const probe = parseProbe(stdout)
  if (probe !== undefined) return probe
  if (privilege === 'sudo') throw sudoError(host.name, status, stderr)
  const failed = new RemoteError('probe-failed', 'The server did not answer as a POSIX shell does', {
    host: host.name,
    command: 'looking at the server',
    exitStatus: status,
    stderr: stderr === '' ? stdout.toString('utf8', 0, 500) : stderr,
    next: "Log in by hand and run: sh -c 'uname -a'. A login shell or ForceCommand that runs something else is in the way",
  })
  if (privilege !== undefined || !hasNoShell({ status, stderr, stdout: stdout.toString('utf8') }))
    throw failed
  return overSftp(host, question, signal, failed)
}

/** The error with sudo's own words; only a missing password is explained in ours. */
function sudoError(host: string, status: number, stderr: string): RemoteError {
  const said = stderr
    .split('\n')
    .map((line) => line.trim())
    .find((line) => line !== '')
  const details = { host, command: 'sudo -n', exitStatus: status, stderr }
  if (said === undefined || /password is required/.test(stderr)) {
    return new RemoteError('sudo', 'sudo on the server refused to run without a password', {
      ...details,
      next: 'Allow this user passwordless sudo on the server, or set `sudo: false` for the host.',
    })
  }
  return new RemoteError('sudo', `sudo on the server refused: ${printable(said)}`, {
    ...details,
    next: /\btty\b/.test(stderr)
      ? 'Add to sudoers on the server: Defaults:USER !requiretty (with visudo; USER is the SSH user), or set `sudo: false` for the host.'
      : 'Correct the rules of sudo for this user on the server (sudo -l shows them), or set `sudo: false` for the host.',
  })
}

/** Where there is no SFTP either, the answer to the command says more. */
async function overSftp(
  host: RemoteHost,
  question: Omit<ProbeQuestion, 'sudo'>,
  signal: AbortSignal,
  otherwise: RemoteError,
): Promise<HostProbe> {
  try {
    return await probeOverSftp(host, question, signal)
  } catch (error) {
    throw error instanceof RemoteError && error.code === 'sftp-refused' ? otherwise : error
  }
}

/** The answer of `probe.sh`; undefined when it is incomplete. */
export function parseProbe(stdout: Buffer): HostProbe | undefined {
  const values = new Map<string, string[]>()
  for (const [key = '', value] of fieldLines(stdout)) {
    values.set(key, [...(values.get(key) ?? []), decodeText(value)])
  }
  if (!values.has('end')) return undefined
  const one = (key: string) => values.get(key)?.at(-1) ?? ''
  const number = (key: string) => (/^\d+$/.test(one(key)) ? Number(one(key)) : undefined)
  const freeKib = number('free-kib')
  const versions: Record<string, string> = {}
  for (const [key, said] of values) {
    const tool = /^version\.(.+)$/.exec(key)?.[1]
    if (tool !== undefined) versions[tool] = versionIn(said.at(-1) ?? '')
  }
  return {
    access: 'shell',
    os: one('os'),
    kernel: one('kernel'),
    arch: one('arch'),
    // An unknown uid is never root's.
    uid: number('uid') ?? -1,
    user: one('user'),
    home: one('home'),
    cpus: Math.max(1, number('cpus') ?? 1),
    deployment: values.get('deployment')?.at(-1),
    deploymentWritable: one('writable') === 'yes',
    freeBytes: freeKib === undefined ? undefined : freeKib * 1024,
    existing: new Set(values.get('exists')),
    tar: values.has('version.tar') ? tarFlavour(one('version.tar')) : undefined,
    versions,
    findPrintf: one('find-printf') === 'yes',
    openJournals: values.get('journal') ?? [],
    quiesced: values.get('quiesced') ?? [],
    groups: values.get('group') ?? [],
  }
}

/** The first text that looks like a version. A tool that tells none is there all the same. */
function versionIn(said: string): string {
  return /\d+(?:\.\d+)+/.exec(said)?.[0] ?? 'unknown'
}

function tarFlavour(said: string): TarFlavour {
  if (/gnu tar/i.test(said)) return 'gnu'
  if (/busybox/i.test(said)) return 'busybox'
  if (/bsdtar/i.test(said)) return 'bsd'
  return 'unknown'
}
