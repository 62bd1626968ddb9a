import { constants } from 'node:os'
import { Duplex, Writable } from 'node:stream'
import type { ClientChannel } from 'ssh2'
import type { ConnectionError, RemoteError } from '../errors.ts'
import type { ExitResult, RemoteProcess } from './contract.ts'
import { deferred } from './deferred.ts'
import { OUTPUT_LIMIT } from './limits.ts'
import { skipLoginNoise } from './login-noise.ts'
import { SCRIPT_BEGINS } from './scripts.ts'
import { HeadAndTail } from './tail-buffer.ts'

const STDERR_LIMIT = 64 * 1024

/** A {@link RemoteProcess} whose connection can be declared dead. */
export interface SshProcess extends RemoteProcess {
  /** Reports that the connection is gone: the exit rejects as lost, unless the server had closed the channel before. */
  connectionLost(): void
}

/** What a process needs to know of the host it runs on. */
export interface ProcessOptions {
  readonly signal: AbortSignal
  /** ms. `silence` absent: it may be silent for as long as it likes (a lease, whose lines are waited for instead). */
  readonly limits: { readonly silence: number | undefined; readonly end: number; readonly close: number }
  /** Makes the error for a process that ends without a status. */
  readonly lost: () => ConnectionError
  /** Makes the error for a process that has said nothing for so many ms. */
  readonly silent: (ms: number) => RemoteError
  /** Makes the error for a process whose stderr has no end. */
  readonly tooLong: () => RemoteError
}

/** Makes a process of an exec channel. */
export function createProcess(channel: ClientChannel, options: ProcessOptions): SshProcess {
  const { signal, limits } = options
  const stderr = new HeadAndTail(STDERR_LIMIT)
  // ssh2 reports a dead connection on the client; without a listener one on the channel would end the process.
  channel.on('error', () => {})
  let heard = performance.now()
  const alive = () => (heard = performance.now())
  // Its output counts when it arrives, not when somebody reads it.
  let outputEnded = false
  const { push } = channel
  channel.push = (chunk: unknown, encoding?: BufferEncoding) => {
    alive()
    outputEnded ||= chunk === null
    return push.call(channel, chunk, encoding)
  }
  skipLoginNoise(channel)
  const stdin = createStdin(channel, alive)
  let errorBytes = 0
  channel.stderr.on('data', (chunk: Buffer) => {
    alive()
    errorBytes += chunk.length
    stderr.push(chunk)
    if (errorBytes > OUTPUT_LIMIT) fail(options.tooLong())
  })

  const { promise: exit, resolve, reject } = deferred<ExitResult>()
  // A caller that is busy with the streams looks at the exit only afterwards.
  exit.catch(() => {})
  /** The server does not respond, so what waits for it here must end all the same. */
  const abandon = (error: Error) => {
    if (channel.destroyed) return
    // ssh2's own `destroy` only asks the server to close the channel.
    Duplex.prototype.destroy.call(channel, error)
    channel.emit('close')
  }
  let closing: NodeJS.Timeout | undefined
  const kill = (patience = limits.end) => {
    channel.close()
    closing ??= setTimeout(() => abandon(options.silent(patience)), patience)
    // Perhaps nobody reads any more, and a reader that gives up may pause the stream after this. But ssh2 reports the
    // close only behind the last byte.
    channel.on('pause', () => queueMicrotask(() => channel.resume()))
    channel.resume()
  }
  const fail = (error: Error) => {
    reject(error)
    stdin.destroy()
    channel.close()
    abandon(error)
  }
  const abort = () => {
    reject(signal.reason)
    kill(limits.close)
    stdin.destroy()
  }
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })

  /** How long the silence may go on; undefined while the server waits for us. */
  const limitOfSilence = (): number | undefined => {
    if (isClosed(channel) || channel.readableLength > 0) return undefined
    const silence = limits.silence ?? Infinity
    if (outputEnded) return Math.min(limits.end, silence)
    // The server may wait for bytes that we have not written yet.
    const listens = !stdin.writableEnded && stdin.writableLength === 0
    return listens ? undefined : silence
  }
  const watch = setInterval(
    () => {
      const limit = limitOfSilence()
      if (limit === undefined) alive()
      else if (performance.now() - heard >= limit) fail(options.silent(limit))
    },
    Math.min(limits.silence ?? limits.end, limits.end) / 4,
  )

  let status: number | undefined
  channel.on('exit', (code: number | null, signalName?: string) => {
    status = code ?? 128 + signalNumber(signalName)
  })
  channel.on('close', () => {
    clearInterval(watch)
    clearTimeout(closing)
    signal.removeEventListener('abort', abort)
    stdin.destroy()
    if (status === undefined) reject(options.lost())
    else resolve({ status, stderr: ofScript(stderr.toString()) })
  })
  return {
    stdin,
    stdout: channel,
    exit,
    kill: (reason) => (reason === undefined ? kill() : fail(reason)),
    connectionLost() {
      // A status may come before the last output. Only the channel's own close says that everything was received.
      if (isClosed(channel)) return
      clearInterval(watch)
      clearTimeout(closing)
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
function createStdin(channel: ClientChannel, taken: () => void): Writable {
  let pending: ((error?: Error | null) => void) | undefined
  const broken = () => Object.assign(new Error('the remote process no longer reads'), { code: 'EPIPE' })
  const stdin = new Writable({
    highWaterMark: 256 * 1024,
    write(chunk: Buffer, _encoding, callback) {
      if (isClosed(channel)) return callback(broken())
      pending = callback
      channel.write(chunk, (error) => {
        pending = undefined
        taken()
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

/** Whether the server closed the channel. ssh2 emits the event only when all output was read. */
function isClosed(channel: ClientChannel): boolean {
  const { incoming } = channel as unknown as { readonly incoming: { readonly state: string } }
  return incoming.state === 'closed'
}

/** The script's own output, or all the output when the script never began. */
function ofScript(stderr: string): string {
  const begin = stderr.indexOf(SCRIPT_BEGINS)
  return begin === -1 ? stderr : stderr.slice(begin + SCRIPT_BEGINS.length)
}

function signalNumber(name: string | undefined): number {
  const numbers: Readonly<Record<string, number>> = constants.signals
  return numbers[name?.startsWith('SIG') === true ? name : `SIG${name}`] ?? 0
}
