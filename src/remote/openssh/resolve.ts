import { hostname, userInfo } from 'node:os'
import { ConnectionError } from '../../errors.ts'
import type { SshConfig } from '../../model/config.ts'
import { homeDirectory } from '../../model/home.ts'
import { parseTarget } from '../../model/target.ts'
import { askOpenSsh, configFileArguments, configFiles, openSshDefaults } from './ask-openssh.ts'
import { endpointOf } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { notHonoured } from './not-honoured.ts'
import { readSshConfig } from './read-config.ts'
import type { Settings } from './settings.ts'
import type { LocalSide } from './tokens.ts'

/** The way to a server. */
export interface SshRoute {
  /** The servers on the way, the nearest first; the last one is meant. */
  readonly hops: readonly [...Endpoint[], Endpoint]
  /** Reaches the first of them, where that is not done by TCP. */
  readonly proxyCommand: string | undefined
  /** What OpenSSH's config says and this program does not do, as OpenSSH spells it. */
  readonly notHonoured: readonly string[]
}

export interface ResolveOptions {
  readonly signal: AbortSignal
  /** Where `SSH_AUTH_SOCK` is looked up; default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv
}

/** OpenSSH has such a limit as well (SSH_MAX_JUMPS). */
const MAX_HOPS = 8
const NO_SETTINGS: Settings = new Map()

/**
 * The way to a server as the OpenSSH of this machine would go it, by the user's and the system's ssh_config. Keys of our
 * own config win; they are about the server itself, not about those on the way to it.
 *
 * @throws ConnectionError `ssh-config` when that config is wrong.
 */
export async function resolveRoute(ssh: SshConfig, options: ResolveOptions): Promise<SshRoute> {
  const { signal } = options
  const local = localSide(options.env)
  const files = await configFileArguments(process.env)
  const defaults = await openSshDefaults(signal)
  const ask = async (destination: SshConfig, jump: readonly string[]): Promise<Settings> =>
    (defaults && (await askOpenSsh([...files, ...destinationArguments(destination, jump)], signal))) ??
    (await withoutOpenSsh(destination, jump, local, ssh))

  const route = async (
    destination: SshConfig,
    through: readonly string[],
    depth: number,
  ): Promise<SshRoute> => {
    if (depth === 0) throw wrongConfig(`more than ${MAX_HOPS} servers on the way to ${ssh.host}`, ssh)
    const settings = await ask(destination, through)
    const { endpoint, proxy } = expanded(
      () => endpointOf(destination, settings, defaults ?? NO_SETTINGS, local),
      ssh,
    )
    const ignored = notHonoured(settings, defaults ?? NO_SETTINGS)
    const last = proxy.jump.at(-1)
    if (last === undefined) return { hops: [endpoint], proxyCommand: proxy.command, notHonoured: ignored }
    const before = await route(jumpHost(last, ssh), proxy.jump.slice(0, -1), depth - 1)
    return {
      hops: [...before.hops, endpoint],
      proxyCommand: before.proxyCommand,
      notHonoured: [...new Set([...before.notHonoured, ...ignored])],
    }
  }
  return route(ssh, [], MAX_HOPS)
}

/**
 * What OpenSSH's config says of a destination.
 *
 * @throws ConnectionError `ssh-config` when that config is wrong.
 */
export async function settingsOf(destination: SshConfig, signal: AbortSignal): Promise<Settings> {
  const files = await configFileArguments(process.env)
  return (
    (await askOpenSsh([...files, ...destinationArguments(destination, [])], signal)) ??
    (await withoutOpenSsh(destination, [], localSide(undefined), destination))
  )
}

function localSide(env: NodeJS.ProcessEnv | undefined): LocalSide {
  const { username, uid } = userInfo()
  return {
    user: username,
    uid,
    home: homeDirectory(process.env),
    hostname: hostname(),
    env: { ...process.env, ...(env === undefined ? {} : { SSH_AUTH_SOCK: env['SSH_AUTH_SOCK'] }) },
  }
}

/** Where no OpenSSH can be asked, its files are read. */
async function withoutOpenSsh(
  { host, user, port }: SshConfig,
  jump: readonly string[],
  local: LocalSide,
  ssh: SshConfig,
): Promise<Settings> {
  const query = { host, user, port, jump: jump.length === 0 ? undefined : jump.join(',') }
  try {
    return await readSshConfig(query, configFiles(process.env), local)
  } catch (error) {
    throw wrongConfig((error as Error).message, ssh)
  }
}

/** The arguments that name a destination: `ssh -J` leads through the jump hosts before it. */
function destinationArguments({ host, port, user }: SshConfig, jump: readonly string[]): string[] {
  return [
    ...(jump.length === 0 ? [] : ['-J', jump.join(',')]),
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(user === undefined ? [] : ['-l', user]),
    '--',
    host,
  ]
}

function jumpHost(text: string, ssh: SshConfig): SshConfig {
  const target = parseTarget(text)
  if (target === undefined) throw wrongConfig(`ProxyJump names no server by "${text}"`, ssh)
  return target
}

function expanded<T>(work: () => T, ssh: SshConfig): T {
  try {
    return work()
  } catch (error) {
    throw wrongConfig((error as Error).message, ssh)
  }
}

function wrongConfig(why: string, { host }: SshConfig): ConnectionError {
  return new ConnectionError('ssh-config', `The config of OpenSSH can't be followed: ${why}`, {
    next: `Correct it, and compare with: ssh -G ${host}`,
  })
}
