import type { Duplex } from 'node:stream'
import type { Client, ClientChannel } from 'ssh2'
import { ConnectionError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type { Endpoint } from './openssh/endpoint.ts'
import { runProxyCommand } from './openssh/proxy-command.ts'
import { at, openSocket, timeoutError } from './socket.ts'

/** What an SSH connection runs over. */
export interface Transport {
  readonly stream: Duplex
  /** The error of a connection over it, with what the transport itself has to say. */
  explain(error: unknown): unknown
  /** Ends it and what is beneath it. May be called twice. */
  end(): Promise<void>
}

/**
 * The stream to a server: by its `ProxyCommand`, through the server before it, or by TCP. Throws ConnectionError; an
 * abort rejects with the signal's reason.
 */
export async function openTransport(
  ssh: Endpoint,
  way: {
    readonly command: string | undefined
    readonly before:
      | {
          readonly ssh: Endpoint
          readonly connect: () => Promise<{ readonly client: Client; end(): Promise<void> }>
        }
      | undefined
    readonly signal: AbortSignal
  },
): Promise<Transport> {
  const { command, before, signal } = way
  if (command !== undefined) return runProxyCommand(command)
  if (before === undefined) {
    const socket = await openSocket(ssh, signal)
    return { stream: socket, explain: same, end: () => Promise.resolve(void socket.destroy()) }
  }
  const beneath = await before.connect()
  try {
    const stream = await forward(beneath.client, ssh, before.ssh, signal)
    let ended: Promise<void> | undefined
    return {
      stream,
      explain: same,
      end: () => {
        stream.destroy()
        return (ended ??= beneath.end())
      },
    }
  } catch (error) {
    await beneath.end()
    throw error
  }
}

function same(error: unknown): unknown {
  return error
}

/** A channel of one server to the next. */
function forward(client: Client, to: Endpoint, from: Endpoint, signal: AbortSignal): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    const lost = () => reject(new ConnectionError('lost', `The connection to ${at(from)} was lost`))
    const abort = () => reject(signal.reason as Error)
    const timer = setTimeout(() => reject(timeoutError(to)), to.connectTimeout)
    signal.addEventListener('abort', abort, { once: true })
    client.once('close', lost)
    client.forwardOut('127.0.0.1', 0, to.host, to.port, (error, channel) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      client.off('close', lost)
      if (error === undefined || error === null) return resolve(channel)
      reject(
        new ConnectionError(
          'unreachable',
          `${at(from)} does not get through to ${at(to)}: ${printable(error.message)}`,
          {
            next: `Check the address as seen from ${from.host}, and AllowTcpForwarding in its sshd_config`,
            cause: error,
          },
        ),
      )
    })
  })
}
