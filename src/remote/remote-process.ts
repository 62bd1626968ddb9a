import { constants } from 'node:os'
import { Writable } from 'node:stream'
import type { ClientChannel } from 'ssh2'
import type { ConnectionError } from '../errors.ts'
import type { ExitResult, RemoteProcess } from './contract.ts'
import { deferred } from './deferred.ts'
import { skipLoginNoise } from './login-noise.ts'
import { SCRIPT_BEGINS } from './scripts.ts'
import { HeadAndTail } from './tail-buffer.ts'

const STDERR_LIMIT = 64 * 1024

/** A {@link RemoteProcess} whose connection can be declared dead. */
export interface SshProcess extends RemoteProcess {
  /** The connection went: the exit rejects as lost unless the server had closed the channel before. */
  connectionLost(): void
}

/** Makes a process of an exec channel. `lost` makes the error for one that ends without a status. */
export function createProcess(
  channel: ClientChannel,
  options: { readonly lost: () => ConnectionError; readonly signal: AbortSignal },
): SshProcess {
  const { signal } = options
  const stderr = new HeadAndTail(STDERR_LIMIT)
  channel.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  // ssh2 reports a dead connection on the client; without a listener one on the channel would end the process.
  channel.on('error', () => {})
  skipLoginNoise(channel)
  const stdin = createStdin(channel)

  const kill = () => {
    channel.close()
    // Nobody may be left to read, and one who gives up may pause it after this; but ssh2 tells of the close only
    // behind the last byte.
    channel.on('pause', () => queueMicrotask(() => channel.resume()))
    channel.resume()
  }
  const { promise: exit, resolve, reject } = deferred<ExitResult>()
  // A caller that is busy with the streams looks at the exit only afterwards.
  exit.catch(() => {})
  const abort = () => {
    kill()
    stdin.destroy()
    reject(signal.reason)
  }
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })

  let status: number | undefined
  channel.on('exit', (code: number | null, signalName?: string) => {
    status = code ?? 128 + signalNumber(signalName)
  })
  channel.on('close', () => {
    signal.removeEventListener('abort', abort)
    stdin.destroy()
    if (status === undefined) reject(options.lost())
    else resolve({ status, stderr: ofScript(stderr.toString()) })
  })
  return {
    stdin,
    stdout: channel,
    exit,
    kill,
    connectionLost() {
      // A status may come before the last output: only the channel's own close says that all was received.
      if (isClosed(channel)) return
      signal.removeEventListener('abort', abort)
      const error = options.lost()
      stdin.destroy(error)
      reject(error)
    },
  }
}

/**
 * A channel whose other side is gone never answers a write (ssh2 drops its callback); behind this stream such a
 * write fails with EPIPE, as on a pipe.
 */
function createStdin(channel: ClientChannel): Writable {
  let pending: ((error?: Error | null) => void) | undefined
  const broken = () => Object.assign(new Error('the remote process no longer reads'), { code: 'EPIPE' })
  const stdin = new Writable({
    highWaterMark: 256 * 1024,
    write(chunk: Buffer, _encoding, callback) {
      if (isClosed(channel)) return callback(broken())
      pending = callback
      channel.write(chunk, (error) => {
        pending = undefined
        callback(error)
      })
    },
    final(callback) {
      channel.end()
      callback()
    },
    destroy(error, callback) {
      const waiting = pending
      pending = undefined
      waiting?.(error ?? broken())
      callback(error)
    },
  })
  stdin.on('error', () => {})
  return stdin
}

/** Did the server close the channel? ssh2 tells it by event only once all output was read. */
function isClosed(channel: ClientChannel): boolean {
  const { incoming } = channel as unknown as { readonly incoming: { readonly state: string } }
  return incoming.state === 'closed'
}

/** What the script said; all there is when it never began. */
function ofScript(stderr: string): string {
  const begin = stderr.indexOf(SCRIPT_BEGINS)
  return begin === -1 ? stderr : stderr.slice(begin + SCRIPT_BEGINS.length)
}

function signalNumber(name: string | undefined): number {
  const numbers: Readonly<Record<string, number>> = constants.signals
  return numbers[name?.startsWith('SIG') === true ? name : `SIG${name}`] ?? 0
}
