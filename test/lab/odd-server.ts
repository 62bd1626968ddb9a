import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import type { Connection, ServerChannel, Session } from 'ssh2'
import type { SshConfig } from '../../src/model/config.ts'
import { generateSshKeyPair } from '../../src/remote/ssh-key-pair.ts'
import { tempDir } from './temp.ts'

/** What the server does with a command; without `accept` the client waits for ever. */
export type OnExec = (accept: () => ServerChannel, reject: () => void, command: string) => void

export interface OddServer extends AsyncDisposable {
  readonly ssh: SshConfig
  /** Connections that are open. */
  readonly connections: ReadonlySet<Connection>
}

/** An SSH server on loopback that lets everybody in, answers keep-alives, and else does what the test says. */
export async function startOddServer(
  onExec: OnExec,
  options: {
    readonly onSession?: (session: Session) => void
    readonly port?: number
  } = {},
): Promise<OddServer> {
  const stack = new AsyncDisposableStack()
  const temp = stack.use(await tempDir())
  const keys = generateSshKeyPair()
  const connections = new Set<Connection>()
  const server = new ssh2.Server({ hostKeys: [keys.privateKey] }, (connection) => {
    connections.add(connection)
    connection.on('error', () => {})
    connection.on('close', () => connections.delete(connection))
    connection.on('authentication', (context) => context.accept())
    connection.on('ready', () => {
      connection.on('tcpip', () => {})
      connection.on('session', (accept) => {
        const session = accept()
        options.onSession?.(session)
        session.on('exec', (ok, no, info) => {
          const accepted = () => {
            const channel = ok()
            channel.on('error', () => {})
            return channel
          }
          onExec(accepted, no, info.command)
        })
      })
    })
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const knownHosts = join(temp.path, 'known_hosts')
  await writeFile(knownHosts, `[127.0.0.1]:${port} ${keys.publicKey}\n`)
  return {
    ssh: {
      host: '127.0.0.1',
      port,
      user: 'anybody',
      agent: false,
      knownHosts,
      keepAlive: 5000,
      connectTimeout: 10_000,
    },
    connections,
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.end()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await stack.disposeAsync()
    },
  }
}
