import { once } from 'node:events'
import { userInfo } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import ssh2 from 'ssh2'
import type { Client, ServerHostKeyAlgorithm } from 'ssh2'
import { ConnectionError, RelayError } from '../errors.ts'
import type { SshConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { createAuthentication } from './authentication.ts'
import type { Authentication, SecretLookup } from './authentication.ts'
import { deferred } from './deferred.ts'
import { hostKeyError } from './host-key-error.ts'
import { checkHostKey, knownKeyTypes } from './known-hosts.ts'
import type { KnownHostsEntry } from './known-hosts.ts'
import { readKnownHosts } from './known-hosts-file.ts'
import { at, openSocket, timeoutError } from './socket.ts'

/** A peer that is silent for this long is dead. ms */
const DEAD_AFTER = 30_000
const END_PATIENCE = 2000

export interface ConnectOptions {
  readonly resolveSecret: SecretLookup
  readonly signal: AbortSignal
  /** Where SSH_AUTH_SOCK is looked up; default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv
  /** ms before each further attempt at a server that hangs up before the login; absent: {@link PAUSES}. */
  readonly pauses?: readonly number[]
}

/** In ms. sshd drops connections at random while many log in (MaxStartups). */
const PAUSES: readonly number[] = [500, 1000, 2000, 4000]

/**
 * Connects and logs in; a server that hangs up before the login is asked again, with pauses. Throws ConnectionError
 * with the problem, and never KeyError: a key that can't be used is part of the `auth` error, since another way to log
 * in may have worked.
 */
export async function connectClient(
  host: { readonly name: string; readonly ssh: SshConfig },
  options: ConnectOptions,
): Promise<Client> {
  for (const pause of options.pauses ?? PAUSES) {
    try {
      return await connectOnce(host, options)
    } catch (error) {
      if (!(error instanceof ConnectionError) || !hungUp(error)) throw error
    }
    // The pause is random, because hosts are pulled side by side and must not all come at the same moment again.
    await sleep(pause * (0.5 + Math.random()), undefined, { signal: options.signal }).catch(() => {})
    options.signal.throwIfAborted()
  }
  return connectOnce(host, options)
}

/** The server cut the connection before it asked anybody to log in. */
function hungUp({ problem, details }: ConnectionError): boolean {
  const { cause } = details
  if (problem !== 'protocol' && problem !== 'unreachable') return false
  if (!(cause instanceof Error)) return false
  return /closed the connection|lost before handshake|ECONNRESET|EPIPE/i.test(
    `${(cause as NodeJS.ErrnoException).code ?? ''} ${cause.message}`,
  )
}

async function connectOnce(
  host: { readonly name: string; readonly ssh: SshConfig },
  options: ConnectOptions,
): Promise<Client> {
  const { name, ssh } = host
  const user = ssh.user ?? userInfo().username
  const known = await readKnownHosts(ssh)
  const authentication = createAuthentication(ssh, user, { ...options, env: options.env ?? process.env })
  let refusal: ConnectionError | undefined
  const verify = (key: Buffer) => {
    const check = checkHostKey(known, ssh.host, ssh.port, key)
    if (check.status !== 'ok') refusal = hostKeyError(host, key, check)
    return check.status === 'ok'
  }
  try {
    return await handshake(ssh, user, known, verify, authentication, options.signal)
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason
    if (refusal !== undefined) throw refusal
    if (error instanceof RelayError) throw error.withDetails({ host: name })
    throw handshakeError(host, user, error as Error, authentication).withDetails({ host: name })
  }
}

/** The key that a server shows, nothing more: no check, no login. */
export async function fetchHostKey(ssh: SshConfig, signal: AbortSignal): Promise<Buffer> {
  const known = await readKnownHosts(ssh)
  let shown: Buffer | undefined
  const verify = (key: Buffer) => {
    shown = key
    return false
  }
  try {
    const client = await handshake(ssh, '', known, verify, undefined, signal)
    client.destroy()
  } catch (error) {
    if (shown !== undefined) return shown
    if (signal.aborted) throw signal.reason
    if (error instanceof RelayError) throw error
    throw protocolError(ssh, error as Error)
  }
  throw protocolError(ssh, new Error('the server showed no key'))
}

/** Ends a connection in order; after 2 s it is cut. */
export async function endClient(client: Client): Promise<void> {
  const closed = once(client, 'close', { signal: AbortSignal.timeout(END_PATIENCE) })
  client.end()
  await closed.catch(() => client.destroy())
}

async function handshake(
  ssh: SshConfig,
  user: string,
  known: readonly KnownHostsEntry[],
  verify: (key: Buffer) => boolean,
  authentication: Authentication | undefined,
  signal: AbortSignal,
): Promise<Client> {
  const socket = await openSocket(ssh, signal)
  const client = new ssh2.Client()
  const { promise, resolve, reject } = deferred<void>()
  // This is for a server that accepts the connection and then says nothing. The time in which a person unlocks secrets
  // does not count.
  const silence = () => setTimeout(() => reject(timeoutError(ssh)), ssh.connectTimeout)
  let timer = silence()
  const abort = () => reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  client.once('ready', resolve)
  client.on('error', (error: Error & { level?: string }) => {
    // A key of an agent that does not sign is no reason to stop: ssh2 goes on with the next key.
    if (error.level !== 'agent') reject(error)
  })
  client.once('close', () => reject(new Error('the server closed the connection')))
  const interval = Math.min(Math.max(ssh.keepAlive, 1000), DEAD_AFTER / 2)
  try {
    signal.throwIfAborted()
    client.connect({
      sock: socket,
      username: user,
      readyTimeout: 0,
      keepaliveInterval: interval,
      keepaliveCountMax: Math.floor(DEAD_AFTER / interval) - 1,
      hostVerifier: (key: Buffer) => verify(key),
      algorithms: {
        cipher: { prepend: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'], append: [], remove: [] },
        compress: ['none'],
        serverHostKey: hostKeyAlgorithms(knownKeyTypes(known, ssh.host, ssh.port)),
      },
      authHandler: (methods, partial, next) => {
        clearTimeout(timer)
        if (authentication === undefined) return reject(new Error('not asked to log in'))
        void authentication.next(methods, partial).then((attempt) => {
          timer = silence()
          // ssh2 documents false for "no more"; its types do not know it.
          next(attempt as Exclude<typeof attempt, false>)
        }, reject)
      },
    })
    await promise
    return client
  } catch (error) {
    client.destroy()
    socket.destroy()
    throw error
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}

// What ssh2 can verify, strongest first.
const ALGORITHMS: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
  'ssh-rsa',
]

/**
 * The server picks the first of these that it has, so the types we know it by come first: a host known by one
 * key is not "changed" because it has others too.
 */
function hostKeyAlgorithms(knownTypes: readonly string[]): ServerHostKeyAlgorithm[] {
  const isKnown = (algorithm: ServerHostKeyAlgorithm) =>
    knownTypes.includes(algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm)
  return [...ALGORITHMS.filter(isKnown), ...ALGORITHMS.filter((algorithm) => !isKnown(algorithm))]
}

function handshakeError(
  host: { readonly name: string; readonly ssh: SshConfig },
  user: string,
  error: Error & { level?: string; code?: unknown },
  authentication: Authentication,
): ConnectionError {
  const refused = error.level === 'client-authentication' || /authentication failures/i.test(error.message)
  // Some servers just hang up on a login they do not like.
  if (!refused && authentication.tried.length === 0) return protocolError(host.ssh, error)
  if (!refused && error.level !== undefined && error.level !== 'client-socket')
    return protocolError(host.ssh, error)
  const { tried, skipped, accepted } = authentication
  const parts = [
    tried.length === 0 ? 'nothing could be tried' : `tried: ${tried.join(', ')}`,
    ...skipped.map(({ message }) => message),
    ...(accepted.length === 0 ? [] : [`the server takes: ${accepted.map(printable).join(', ')}`]),
    ...(refused ? [] : [`then: ${printable(error.message)}`]),
  ]
  return new ConnectionError(
    'auth',
    `${at(host.ssh)} does not let ${printable(user)} in (${parts.join('; ')})`,
    {
      next:
        passwordRefused(host.ssh, user, authentication) ??
        skipped[0]?.next ??
        `Check the user name, and that your public key is in ~/.ssh/authorized_keys of ${printable(user)} on the server`,
      cause: error,
    },
  )
}

/** The next step when the failure is about a configured password. */
function passwordRefused(
  ssh: SshConfig,
  user: string,
  { tried, accepted, skipped }: Authentication,
): string | undefined {
  if (ssh.password === undefined) return undefined
  if (tried.some((name) => name === 'password' || name === 'keyboard-interactive'))
    return `Check the password that ssh.password leads to, and that the user is ${printable(user)}`
  if (tried.length + skipped.length > 0 || accepted.length === 0) return undefined
  return 'The server takes no password: set ssh.identityFile to a key that it lets in'
}

function protocolError(ssh: SshConfig, error: Error): ConnectionError {
  return new ConnectionError(
    'protocol',
    `No SSH connection could be agreed on with ${at(ssh)}: ${printable(error.message)}`,
    {
      next: `Check that an SSH server listens there; compare with: ssh -v -p ${ssh.port} ${ssh.host}`,
      cause: error,
    },
  )
}
