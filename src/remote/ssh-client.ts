import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import ssh2 from 'ssh2'
import type { Client, ServerHostKeyAlgorithm } from 'ssh2'
import { ConnectionError, RelayError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import { ACCEPTED, createAuthentication } from './authentication.ts'
import type { Authentication, SecretLookup } from './authentication.ts'
import { askForHostCertificate } from './certified-host.ts'
import { deferred } from './deferred.ts'
import { allowForeignKeys } from './foreign-login.ts'
import { hostKeyError } from './host-key-error.ts'
import { parseHostCertificate } from './host-certificate.ts'
import { checkHostKey, hasAuthority, knownKeyTypes } from './known-hosts.ts'
import type { KnownHostsEntry } from './known-hosts.ts'
import { readKnownHosts } from './known-hosts-file.ts'
import type { Endpoint } from './openssh/endpoint.ts'
import { notHonouredText } from './openssh/not-honoured.ts'
import type { SshRoute } from './openssh/resolve.ts'
import type { Person } from './person.ts'
import { at, timeoutError } from './socket.ts'
import { openTransport } from './transport.ts'

const END_PATIENCE = 2000

export interface ConnectOptions {
  readonly resolveSecret: SecretLookup
  readonly signal: AbortSignal
  /** Asked for what no secret of the config answers; absent where nobody is there. */
  readonly person?: Person | undefined
  /** Where SSH_AUTH_SOCK is looked up; default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv
  /** ms before each further attempt at a server that hangs up before the login; absent: {@link PAUSES}. */
  readonly pauses?: readonly number[]
}

/** A server to connect to; `name` is for messages. */
export interface Destination {
  readonly name: string
  readonly route: SshRoute
}

/** A client that is logged in, with the connections to the servers before it. */
export interface Connection {
  readonly client: Client
  /** Ends all of them in order; what takes longer than 2 s is cut. */
  end(): Promise<void>
}

/** In ms. sshd drops connections at random while many log in (MaxStartups). */
const PAUSES: readonly number[] = [500, 1000, 2000, 4000]

/**
 * Connects and logs in, to every server of the way in turn; one that hangs up before the login is asked again, with
 * pauses. Throws ConnectionError with the problem, and never KeyError: a key that can't be used is part of the `auth`
 * error, since another way to log in may have worked.
 */
export async function connectClient(destination: Destination, options: ConnectOptions): Promise<Connection> {
  const last = destination.route.hops.length - 1
  for (const pause of options.pauses ?? PAUSES) {
    try {
      return await connectHop(destination, last, options)
    } catch (error) {
      if (!(error instanceof ConnectionError) || !hungUp(error)) throw error
    }
    // The pause is random, because hosts are pulled side by side and must not all come at the same moment again.
    await sleep(pause * (0.5 + Math.random()), undefined, { signal: options.signal }).catch(() => {})
    options.signal.throwIfAborted()
  }
  return connectHop(destination, last, options)
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

async function connectHop(
  destination: Destination,
  index: number,
  options: ConnectOptions,
): Promise<Connection> {
  const { name, route } = destination
  const ssh = hopAt(route, index)
  const known = await readKnownHosts(ssh)
  const authentication = createAuthentication(ssh, { ...options, person: options.person })
  let refusal: ConnectionError | undefined
  const verify = (key: Buffer, certificate: Buffer | undefined) => {
    const parsed = certificate === undefined ? undefined : parseHostCertificate(certificate)
    const itsOwn = parsed?.key.equals(key) === true ? parsed : undefined
    const check = checkHostKey(known, ssh.known.host, ssh.known.port, key, itsOwn)
    if (check.status !== 'ok') refusal = hostKeyError({ name, ssh }, key, check)
    return check.status === 'ok'
  }
  try {
    return await overTransport(destination, index, options, (stream) =>
      handshake(ssh, stream, { known, verify, authentication, signal: options.signal }),
    )
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason
    if (refusal !== undefined) throw refusal
    if (error instanceof RelayError) throw error.withDetails({ host: name })
    throw handshakeError(ssh, route.notHonoured, error as Error, authentication).withDetails({ host: name })
  }
}

/** The key that a server of the way shows: no check, no login. Those before it are logged in to. */
export async function fetchHostKey(
  destination: Destination,
  index: number,
  options: ConnectOptions,
): Promise<Buffer> {
  const ssh = hopAt(destination.route, index)
  const known = await readKnownHosts(ssh)
  let shown: Buffer | undefined
  const verify = (key: Buffer) => {
    shown = key
    return false
  }
  try {
    const connection = await overTransport(destination, index, options, (stream) =>
      handshake(ssh, stream, { known, verify, authentication: undefined, signal: options.signal }),
    )
    await connection.end()
  } catch (error) {
    if (shown !== undefined) return shown
    if (options.signal.aborted) throw options.signal.reason
    if (error instanceof RelayError) throw error
    throw protocolError(ssh, error as Error)
  }
  throw protocolError(ssh, new Error('the server showed no key'))
}

/** Opens what the connection to a server runs over, and ends that with it. */
async function overTransport(
  destination: Destination,
  index: number,
  options: ConnectOptions,
  connect: (stream: Duplex) => Promise<Client>,
): Promise<Connection> {
  const { hops, proxyCommand } = destination.route
  const ssh = hopAt(destination.route, index)
  const transport = await openTransport(ssh, {
    command: index === 0 ? proxyCommand : undefined,
    before:
      index === 0
        ? undefined
        : { ssh: hopAt({ hops }, index - 1), connect: () => connectHop(destination, index - 1, options) },
    signal: options.signal,
  })
  try {
    const client = await connect(transport.stream)
    // A connection that is lost takes what it ran over with it.
    client.once('close', () => void transport.end())
    return {
      client,
      end: async () => {
        await endClient(client)
        await transport.end()
      },
    }
  } catch (error) {
    await transport.end()
    throw transport.explain(error)
  }
}

function hopAt({ hops }: Pick<SshRoute, 'hops'>, index: number): Endpoint {
  const hop = hops[index]
  if (hop === undefined) throw new Error(`no server ${index} on the way`)
  return hop
}

/** Ends a connection in order; after 2 s it is cut. */
async function endClient(client: Client): Promise<void> {
  const closed = once(client, 'close', { signal: AbortSignal.timeout(END_PATIENCE) })
  client.end()
  await closed.catch(() => client.destroy())
}

async function handshake(
  ssh: Endpoint,
  stream: Duplex,
  options: {
    readonly known: readonly KnownHostsEntry[]
    readonly verify: (key: Buffer, certificate: Buffer | undefined) => boolean
    readonly authentication: Authentication | undefined
    readonly signal: AbortSignal
  },
): Promise<Client> {
  const { known, verify, authentication, signal } = options
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
  const interval = Math.max(ssh.keepAlive, 1000)
  let certificate: Buffer | undefined
  try {
    signal.throwIfAborted()
    client.connect({
      sock: stream,
      username: ssh.user,
      readyTimeout: 0,
      keepaliveInterval: interval,
      keepaliveCountMax: Math.max(1, Math.floor(ssh.deadAfter / interval) - 1),
      hostVerifier: (key: Buffer) => verify(key, certificate),
      algorithms: {
        cipher: { prepend: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'], append: [], remove: [] },
        compress: ['none'],
        serverHostKey: hostKeyAlgorithms(knownKeyTypes(known, ssh.known.host, ssh.known.port)),
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
    if (hasAuthority(known, ssh.known.host, ssh.known.port))
      askForHostCertificate(client, (shown) => (certificate = shown))
    allowForeignKeys(client, () => {
      clearTimeout(timer)
      return () => (timer = silence())
    })
    await promise
    return client
  } catch (error) {
    client.destroy()
    stream.destroy()
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
  ssh: Endpoint,
  notHonoured: readonly string[],
  error: Error & { level?: string; code?: unknown },
  authentication: Authentication,
): ConnectionError {
  const refused = error.level === 'client-authentication' || /authentication failures/i.test(error.message)
  // Some servers just hang up on a login they do not like.
  if (!refused && authentication.tried.length === 0) return protocolError(ssh, error)
  if (!refused && error.level !== undefined && error.level !== 'client-socket')
    return protocolError(ssh, error)
  const { tried, skipped, accepted } = authentication
  const parts = [
    tried.length === 0 ? 'nothing could be tried' : `tried: ${tried.join(', ')}`,
    ...skipped.map(({ message }) => message),
    ...(accepted.length === 0 ? [] : [`the server takes: ${accepted.map(printable).join(', ')}`]),
    ...(notHonoured.length === 0 ? [] : [notHonouredText(notHonoured)]),
    ...(refused ? [] : [`then: ${printable(error.message)}`]),
  ]
  return new ConnectionError(
    'auth',
    `${at(ssh)} does not let ${printable(ssh.user)} in (${parts.join('; ')})`,
    {
      next:
        passwordRefused(ssh, authentication) ??
        skipped[0]?.next ??
        `Check the user name, and that your public key is in ~/.ssh/authorized_keys of ${printable(ssh.user)} on the server`,
      cause: error,
    },
  )
}

/** The next step when the failure is about a password. */
function passwordRefused(ssh: Endpoint, { tried, accepted, skipped }: Authentication): string | undefined {
  const isPassword = tried.some((name) => name === 'password' || name === 'keyboard-interactive')
  if (isPassword)
    return ssh.password === undefined
      ? `Type the password again, and check that the user is ${printable(ssh.user)}`
      : `Check the password that ssh.password leads to, and that the user is ${printable(ssh.user)}`
  if (ssh.password === undefined) {
    const [further] = accepted
    if (tried.includes(ACCEPTED) && further !== undefined && further !== 'publickey')
      return `The key is right, and the server wants a ${printable(further)} besides: set ssh.password to a secret, or log in at a terminal`
    const takesKeys = accepted.length === 0 || accepted.includes('publickey')
    return takesKeys ? undefined : 'The server takes no key: set ssh.password to a secret'
  }
  if (tried.length + skipped.length > 0 || accepted.length === 0) return undefined
  return 'The server takes no password: set ssh.identityFile to a key that it lets in'
}

function protocolError(ssh: Endpoint, error: Error): ConnectionError {
  return new ConnectionError(
    'protocol',
    `No SSH connection could be agreed on with ${at(ssh)}: ${printable(error.message)}`,
    {
      next: `Check that an SSH server listens there; compare with: ssh -v -p ${ssh.port} ${ssh.host}`,
      cause: error,
    },
  )
}
