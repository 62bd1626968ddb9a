import { createConnection } from 'node:net'
import type { Socket } from 'node:net'
import { ConnectionError, SEE_CHECK } from '../errors.ts'
import { formatDuration } from '../model/units.ts'
import type { Endpoint } from './openssh/endpoint.ts'

/**
 * The TCP connection to a host, all of its addresses tried. Throws ConnectionError that tells a name without an
 * address, silence, and a closed port apart.
 */
export async function openSocket(ssh: Endpoint, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted()
  const { host, port, family, bindAddress, connectTimeout } = ssh
  const socket = createConnection({ host, port, family, localAddress: bindAddress, noDelay: true })
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(timeoutError(ssh)), connectTimeout)
      const abort = () => reject(signal.reason as Error)
      signal.addEventListener('abort', abort, { once: true })
      socket.once('connect', resolve)
      socket.once('error', (error) => reject(connectError(ssh, error)))
      socket.once('close', () => reject(new ConnectionError('unreachable', `No connection to ${at(ssh)}`)))
      const settled = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
        socket.removeAllListeners()
      }
      socket.once('connect', settled).once('error', settled)
    })
    return socket
  } catch (error) {
    // An error that arrives late must not end the process.
    socket.on('error', () => {})
    socket.destroy()
    throw error
  }
}

/** `relay.example.com port 22`, for messages. */
export function at(ssh: Pick<Endpoint, 'host' | 'port'>): string {
  return `${ssh.host} port ${ssh.port}`
}

/** The error when nobody answered within the connect timeout. */
export function timeoutError(ssh: Endpoint): ConnectionError {
  return new ConnectionError(
    'unreachable',
    `${at(ssh)} did not answer within ${formatDuration(ssh.connectTimeout)}`,
    {
      next: 'Check the address, that the server is up, and that no firewall is in between',
    },
  )
}

function connectError(ssh: Endpoint, error: Error): ConnectionError {
  // With several addresses Node reports them together; the last one tried says most.
  const inner: unknown = error instanceof AggregateError ? error.errors.at(-1) : error
  const { code } = inner as NodeJS.ErrnoException
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_NODATA':
    case 'EAI_NONAME':
      return new ConnectionError('unresolved', `The name ${ssh.host} has no address`, {
        next: 'Check the spelling of the host and your DNS',
        cause: error,
      })
    case 'ECONNREFUSED':
      return new ConnectionError('refused', `Nothing listens at ${at(ssh)}`, {
        next: `Check the port, and that sshd runs there.${SEE_CHECK}`,
        cause: error,
      })
    case 'ETIMEDOUT':
      return timeoutError(ssh)
    default:
      return new ConnectionError('unreachable', `${at(ssh)} can't be reached: ${code ?? error.message}`, {
        next: `Check the address and the network between here and there.${SEE_CHECK}`,
        cause: error,
      })
  }
}
