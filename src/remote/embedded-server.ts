import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, timingSafeEqual } from 'node:crypto'
import { connect } from 'node:net'
import { pipeline } from 'node:stream'
import ssh2, { type AuthContext, type Connection, type ServerChannel } from 'ssh2'
import { generateSshKeyPair } from './ssh-key-pair.ts'

export interface EmbeddedServerOptions {
  /** HOME and working directory of what runs. */
  readonly home: string
  /** The one public key that may log in, as a line of authorized_keys. */
  readonly authorizedKey: string
}

/** An SSH server in this process, in front of this machine: for the demo and for tests of the transport. */
export interface EmbeddedServer extends AsyncDisposable {
  readonly port: number
  /** `ssh-ed25519 AAAA…`, for known_hosts. */
  readonly hostPublicKey: string
  /** `SHA256:…` */
  readonly hostKeyFingerprint: string
}

/**
 * Starts it on a free port of 127.0.0.1 with a new host key. Commands run by `sh -c` as this process's user;
 * TCP forwarding reaches loopback only. Disposing it cuts the connections and kills what still runs.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const hostKey = generateSshKeyPair()
  const authorized = parsePublicKey(options.authorizedKey)
  const connections = new Set<Connection>()
  const children = new Set<ChildProcess>()

  const server = new ssh2.Server({ hostKeys: [hostKey.privateKey] }, (connection) => {
    connections.add(connection)
    connection.on('close', () => connections.delete(connection))
    // A client that vanishes is this server's daily bread.
    connection.on('error', () => undefined)
    connection.on('authentication', (context) => authenticate(context, authorized))
    connection.on('ready', () => serve(connection, options.home, children))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const blob = parsePublicKey(hostKey.publicKey).getPublicSSH()
  return {
    port: (server.address() as { port: number }).port,
    hostPublicKey: hostKey.publicKey.split(' ').slice(0, 2).join(' ').trim(),
    hostKeyFingerprint: `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const connection of connections) connection.end()
      for (const child of children) killGroup(child)
      await closed
    },
  }
}

type ParsedKey = Exclude<ReturnType<typeof ssh2.utils.parseKey>, Error>

function parsePublicKey(line: string): ParsedKey {
  const key = ssh2.utils.parseKey(line)
  if (key instanceof Error) throw key
  return Array.isArray(key) ? (key as ParsedKey[])[0]! : key
}

function authenticate(context: AuthContext, authorized: ParsedKey): void {
  if (context.method !== 'publickey') return context.reject(['publickey'])
  const expected = authorized.getPublicSSH()
  const isKnown = context.key.data.length === expected.length && timingSafeEqual(context.key.data, expected)
  if (!isKnown) return context.reject(['publickey'])
  // Without a signature the client only asks whether the key would do.
  if (context.signature === undefined || context.blob === undefined) return context.accept()
  if (authorized.verify(context.blob, context.signature, context.hashAlgo)) context.accept()
  else context.reject(['publickey'])
}

function serve(connection: Connection, home: string, children: Set<ChildProcess>): void {
  connection.on('session', (acceptSession) => {
    const session = acceptSession()
    session.on('exec', (accept, _reject, { command }) => runCommand(command, accept(), home, children))
  })
  connection.on('tcpip', (accept, reject, { destIP, destPort }) => {
    if (!['127.0.0.1', 'localhost', '::1'].includes(destIP)) return reject()
    const socket = connect(destPort, '127.0.0.1')
    socket.once('error', () => reject())
    socket.once('connect', () => {
      const channel = accept()
      pipeline(channel, socket, () => undefined)
      pipeline(socket, channel, () => undefined)
    })
  })
}

function runCommand(
  command: string,
  channel: ServerChannel,
  home: string,
  children: Set<ChildProcess>,
): void {
  const child = spawn('sh', ['-c', command], {
    cwd: home,
    env: { ...process.env, HOME: home },
    stdio: ['pipe', 'pipe', 'pipe'],
    // A process group of its own, so that all of it can be ended.
    detached: true,
  })
  children.add(child)
  // A client that goes away closes the command's stdin and its output, and sends no signal: as OpenSSH does.
  pipeline(channel, child.stdin, () => undefined)
  child.stdout.pipe(channel, { end: false })
  child.stderr.pipe(channel.stderr, { end: false })
  channel.on('error', () => undefined)
  channel.on('close', () => {
    child.stdin.destroy()
    child.stdout.destroy()
    child.stderr.destroy()
  })
  child.once('error', () => {
    channel.exit(127)
    channel.end()
  })
  child.once('close', (status, signal) => {
    children.delete(child)
    if (signal === null) channel.exit(status ?? 1)
    else channel.exit(signal.replace('SIG', ''))
    channel.end()
  })
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
