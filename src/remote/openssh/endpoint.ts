import { join } from 'node:path'
import type { SshConfig } from '../../model/config.ts'
import type { SecretReference } from '../../model/secret.ts'
import { fileList, isOn, valueOf } from './settings.ts'
import type { Settings } from './settings.ts'
import { expandPath, expandTokens, inHome, tokensOf } from './tokens.ts'
import type { LocalSide, Tokens } from './tokens.ts'

export type LoginMethod = 'publickey' | 'password' | 'keyboard-interactive'

/** One server on the way and how it is logged in to. Paths are absolute, times in ms. */
export interface Endpoint {
  /** The name as it was asked for. */
  readonly asked: string
  readonly host: string
  readonly port: number
  readonly user: string
  /** The name that known_hosts has it by. */
  readonly known: { readonly host: string; readonly port: number }
  readonly knownHosts: {
    /** The first one is written to. Empty: there is none. */
    readonly user: readonly string[]
    readonly system: readonly string[]
    /** Of OpenSSH's `RevokedHostKeys`. */
    readonly revoked: string | undefined
    /** New names are written as hashes. */
    readonly hashed: boolean
  }
  readonly identities: {
    readonly files: readonly string[]
    /** The config names them; otherwise these are the usual ones, and absent ones are nothing to speak of. */
    readonly named: boolean
    readonly certificates: readonly string[]
    /** Of an agent, only the keys that are named. */
    readonly only: boolean
    readonly passphrase: SecretReference | undefined
  }
  /** The socket of the agent. */
  readonly agent: string | undefined
  readonly password: SecretReference | undefined
  /** What may be tried, best first. */
  readonly methods: readonly LoginMethod[]
  /** Nobody may be asked for anything. */
  readonly batch: boolean
  readonly family: 4 | 6 | undefined
  readonly bindAddress: string | undefined
  readonly keepAlive: number
  /** A peer that is silent for this long is dead. */
  readonly deadAfter: number
  readonly connectTimeout: number
}

/** How the first server of the way is reached. */
export interface Proxy {
  /** `user@host:port`, the nearest to this machine first. */
  readonly jump: readonly string[]
  /** What OpenSSH would hand to the user's shell. */
  readonly command: string | undefined
}

const KEEP_ALIVE = 10_000
const CONNECT_TIMEOUT = 20_000
const SYSTEM_KNOWN_HOSTS = '/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2'
/** A peer that is silent for this long is dead, whatever OpenSSH's config says. */
const DEAD_AFTER = 30_000
const METHODS: readonly LoginMethod[] = ['publickey', 'password', 'keyboard-interactive']

/**
 * A destination's own keys of our config, with those of OpenSSH's where there are none.
 *
 * @param defaults what OpenSSH does without a config
 * @throws Error when a token or a variable of the config has no value.
 */
export function endpointOf(
  own: SshConfig,
  settings: Settings,
  defaults: Settings,
  local: LocalSide,
): { readonly endpoint: Endpoint; readonly proxy: Proxy } {
  const host = settings.get('hostname')?.[0] ?? own.host
  const port = own.port ?? Number(settings.get('port')?.[0] ?? 22)
  const user = own.user ?? settings.get('user')?.[0] ?? local.user
  const alias = valueOf(settings, 'hostkeyalias')
  const jump = valueOf(settings, 'proxyjump') ?? ''
  const tokens = tokensOf(local, { asked: own.host, host, port, user, jump, alias })
  const command = valueOf(settings, 'proxycommand')
  return {
    endpoint: {
      asked: own.host,
      host,
      port,
      user,
      known: alias === undefined ? { host, port } : { host: alias, port: 22 },
      knownHosts: knownHosts(own, settings, defaults, tokens, local),
      identities: identities(own, settings, defaults, tokens, local),
      agent: agentSocket(own.agent, settings, tokens, local),
      password: own.password,
      methods: methods(settings),
      batch: isOn(settings, 'batchmode'),
      family: { inet: 4 as const, inet6: 6 as const }[valueOf(settings, 'addressfamily') ?? ''],
      bindAddress: valueOf(settings, 'bindaddress'),
      ...times(own, settings),
    },
    proxy: {
      jump: jump === '' ? [] : expandTokens(jump, tokens).split(','),
      command: command === undefined ? undefined : expandTokens(command, tokens),
    },
  }
}

function knownHosts(
  own: SshConfig,
  settings: Settings,
  defaults: Settings,
  tokens: Tokens,
  local: LocalSide,
): Endpoint['knownHosts'] {
  const system = settings.get('globalknownhostsfile')?.[0]
  const revoked = valueOf(settings, 'revokedhostkeys')
  const common = {
    revoked: revoked === undefined ? undefined : expandPath(revoked, tokens, local),
    hashed: isOn(settings, 'hashknownhosts'),
  }
  if (own.knownHosts !== undefined) return { ...common, user: [own.knownHosts], system: [] }
  return {
    ...common,
    user: isDefault('userknownhostsfile', settings, defaults)
      ? ['known_hosts', 'known_hosts2'].map((name) => join(local.home, '.ssh', name))
      : fileList(settings.get('userknownhostsfile')?.[0]).map((file) => inHome(file, local)),
    system: fileList(system ?? SYSTEM_KNOWN_HOSTS),
  }
}

function identities(
  own: SshConfig,
  settings: Settings,
  defaults: Settings,
  tokens: Tokens,
  local: LocalSide,
): Endpoint['identities'] {
  const paths = (keyword: string) =>
    (settings.get(keyword) ?? [])
      .filter((file) => file.toLowerCase() !== 'none')
      .map((file) => expandPath(file, tokens, local))
  const common = {
    certificates: paths('certificatefile'),
    only: isOn(settings, 'identitiesonly'),
    passphrase: own.identityPassphrase,
  }
  if (own.identityFile !== undefined) return { ...common, files: [own.identityFile], named: true }
  return isDefault('identityfile', settings, defaults)
    ? { ...common, files: usualIdentityFiles(local.home), named: false }
    : { ...common, files: paths('identityfile'), named: true }
}

/** The files that are tried when no config names any, best first. */
function usualIdentityFiles(home: string): string[] {
  return ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => join(home, '.ssh', name))
}

function isDefault(keyword: string, settings: Settings, defaults: Settings): boolean {
  const value = settings.get(keyword)
  return value === undefined || value.join('\n') === defaults.get(keyword)?.join('\n')
}

function agentSocket(
  own: SshConfig['agent'],
  settings: Settings,
  tokens: Tokens,
  local: LocalSide,
): string | undefined {
  if (own === false) return undefined
  if (typeof own === 'string') return own
  const standard = local.env['SSH_AUTH_SOCK'] || undefined
  if (own === true) return standard
  const configured = settings.get('identityagent')?.[0]
  if (configured === undefined || configured === 'SSH_AUTH_SOCK') return standard
  if (configured.toLowerCase() === 'none') return undefined
  const variable = /^\$(\w+)$/.exec(configured)?.[1]
  return variable === undefined ? expandPath(configured, tokens, local) : local.env[variable] || undefined
}

function methods(settings: Settings): LoginMethod[] {
  const preferred = valueOf(settings, 'preferredauthentications')?.split(',')
  const order = preferred === undefined ? METHODS : loginMethods(preferred)
  const off = (keyword: string) =>
    settings.has(keyword) && /^(no|false)$/i.test(settings.get(keyword)?.[0] ?? '')
  return order.filter(
    (method) =>
      !off(
        {
          publickey: 'pubkeyauthentication',
          password: 'passwordauthentication',
          'keyboard-interactive': 'kbdinteractiveauthentication',
        }[method],
      ),
  )
}

function loginMethods(names: readonly string[]): LoginMethod[] {
  return names.filter((name): name is LoginMethod => METHODS.some((method) => method === name))
}

function times(
  own: SshConfig,
  settings: Settings,
): Pick<Endpoint, 'keepAlive' | 'deadAfter' | 'connectTimeout'> {
  const seconds = (keyword: string) => Number(settings.get(keyword)?.[0]) * 1000
  const timeout = seconds('connecttimeout')
  const interval = seconds('serveraliveinterval')
  const asked = own.keepAlive === undefined && interval > 0
  const deadAfter = asked
    ? Math.min(interval * Math.max(1, Number(settings.get('serveralivecountmax')?.[0] ?? 3)), DEAD_AFTER)
    : DEAD_AFTER
  return {
    keepAlive: Math.min(own.keepAlive ?? (asked ? interval : KEEP_ALIVE), DEAD_AFTER / 2),
    deadAfter,
    connectTimeout: own.connectTimeout ?? (timeout > 0 ? timeout : CONNECT_TIMEOUT),
  }
}
