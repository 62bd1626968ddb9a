import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import ssh2 from 'ssh2'
import type { AuthContext, Connection, ParsedKey, ServerChannel, Session, TcpipRequestInfo } from 'ssh2'
import { fingerprint } from './known-hosts.ts'
import { generateSshKeyPair } from './ssh-key-pair.ts'

export interface EmbeddedServer extends AsyncDisposable {
  readonly port: number
  /** `SHA256:…` */
  readonly hostKeyFingerprint: string
  /** `ssh-ed25519 AAAA…`, as a known_hosts line has it. */
  readonly hostPublicKey: string
}

/**
 * An SSH server on 127.0.0.1 in front of a directory of this machine, for the demo and for tests of the
 * transport. Whoever has the authorized key, under any user name, runs commands as this process's user with
 * `home` as HOME and working directory. TCP is forwarded to this machine's loopback only. Disposing it ends the
 * connections and kills what still runs.
 */
export async function startEmbeddedServer(options: {
  readonly home: string
  /** `ssh-ed25519 AAAA…` */
  readonly authorizedKey: string
  /** A private key in OpenSSH format; absent: a new one. */
  readonly hostKey?: string
  /** Added to the commands' environment, which has only PATH, HOME and the like. */
  readonly env?: Readonly<Record<string, string>>
}): Promise<EmbeddedServer> {
  const hostKey = options.hostKey ?? generateSshKeyPair().privateKey
  const authorized = parseKey(options.authorizedKey)
  const hostKeyBytes = parseKey(hostKey).getPublicSSH()
  const children = new Set<ChildProcess>()
  const connections = new Set<Connection>()
  const run = (command: string, channel: ServerChannel) => {
    const child = spawn('sh', ['-c', command], {
      cwd: options.home,
      env: {
        PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
        HOME: options.home,
        USER: process.env['USER'] ?? 'demo',
        SHELL: '/bin/sh',
        ...options.env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
      // A process group of its own, so that all of it can be ended.
      detached: true,
    })
    children.add(child)
    child.once('close', () => children.delete(child))
    connectStreams(child, channel)
  }

  const server = new ssh2.Server({ hostKeys: [hostKey] }, (connection) => {
    connections.add(connection)
    connection.on('error', () => {})
    connection.on('close', () => connections.delete(connection))
    connection.on('authentication', (context) => authenticate(context, authorized))
    connection.on('ready', () => {
      connection.on('session', (accept) => serveSession(accept(), run))
      connection.on('tcpip', (accept, reject, info) => forward(accept, reject, info))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return {
    port,
    hostKeyFingerprint: fingerprint(hostKeyBytes),
    hostPublicKey: `${parseKey(hostKey).type} ${hostKeyBytes.toString('base64')}`,
    async [Symbol.asyncDispose]() {
      for (const child of children) killGroup(child)
      await Promise.all([...children].map((child) => once(child, 'close')))
      for (const connection of connections) connection.end()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

function authenticate(context: AuthContext, authorized: ParsedKey): void {
  if (context.method !== 'publickey' || !sameBytes(context.key.data, authorized.getPublicSSH())) {
    return context.reject(['publickey'])
  }
  // Without a signature the client only asks whether this key would do (RFC 4252 section 7).
  const { blob, signature, hashAlgo } = context
  if (blob === undefined || signature === undefined) return context.accept()
  if (authorized.verify(blob, signature, hashAlgo) === true) context.accept()
  else context.reject(['publickey'])
}

function serveSession(session: Session, run: (command: string, channel: ServerChannel) => void): void {
  session.on('exec', (accept, _reject, info) => run(info.command, accept()))
  session.on('shell', (_accept, reject) => reject())
  session.on('pty', (_accept, reject) => reject())
}

function connectStreams(child: ChildProcess, channel: ServerChannel): void {
  const { stdin, stdout, stderr } = child
  if (stdin === null || stdout === null || stderr === null) return
  channel.on('error', () => {})
  // Whoever stops reading first ends the other; that is no error of ours.
  for (const stream of [stdin, stdout, stderr]) stream.on('error', () => {})
  channel.pipe(stdin)
  stdout.pipe(channel, { end: false })
  stderr.pipe(channel.stderr, { end: false })
  // As sshd does: the command is not killed, it finds its pipes closed.
  channel.once('close', () => {
    stdin.destroy()
    stdout.destroy()
    stderr.destroy()
  })
  child.once('error', () => {
    channel.exit(127)
    channel.end()
  })
  child.once('close', (code, signal) => {
    if (signal === null) channel.exit(code ?? 0)
    else channel.exit(signal.replace(/^SIG/, ''))
    channel.end()
  })
}

function forward(accept: () => ServerChannel, reject: () => void, info: TcpipRequestInfo): void {
  if (!['127.0.0.1', '::1', 'localhost'].includes(info.destIP)) return reject()
  const socket = createConnection(info.destPort, info.destIP)
  socket.once('error', reject)
  socket.once('connect', () => {
    socket.off('error', reject)
    const channel = accept()
    channel.on('error', () => {})
    socket.on('error', () => channel.end())
    channel.once('close', () => socket.destroy())
    channel.pipe(socket).pipe(channel)
  })
}

function parseKey(text: string): ParsedKey {
  const parsed: unknown = ssh2.utils.parseKey(text)
  const key: unknown = Array.isArray(parsed) ? parsed[0] : parsed
  if (key instanceof Error) throw key
  return key as ParsedKey
}

function sameBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // The group is gone already.
  }
}
