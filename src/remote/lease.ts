import type { ExitResult, Lease, RemoteProcess } from './contract.ts'
import { deferred, orAborted } from './deferred.ts'
import { OUTPUT_LIMIT } from './limits.ts'

/** Seconds without a heartbeat after which a script undoes what it changed (docs/design/ssh.md, "The lease"). */
export const SILENCE_LIMIT = 60
const BEAT_EVERY = 5000
/** The most bytes of a line. A longer line is not written to a pipe in one piece (PIPE_BUF). */
const LINE_LIMIT = 4000
/** Bytes of a line from the script. */
const ANSWER_LIMIT = 1024 * 1024
/** The most lines that may wait until somebody asks for them. */
const UNREAD_LINES = 10_000

/** How a lease is kept. */
export interface LeaseOptions {
  /** ms between two beats; absent: 5 s. */
  readonly beatEvery?: number
  /** ms that {@link Lease.nextLine} waits; absent: for ever. */
  readonly silence?: number
  /**
   * ms from the release until the script must have ended. Called at the release; `stuck` says that the script was
   * silent before. Absent: for ever.
   */
  readonly release?: (stuck: boolean) => number
  /** Makes the error for a script that has said nothing for so many ms. */
  readonly silent?: (ms: number) => Error
  /** Makes the error for a script that talks without an end. */
  readonly tooLong?: () => Error
}

/** Keeps a leased script going (`remote/scripts/lib/lease.sh`): a heartbeat every `beatEvery` ms until it has exited. */
export function openLease(
  process: RemoteProcess,
  firstLines: readonly string[],
  options: LeaseOptions = {},
): Lease {
  const { stdin, stdout, exit } = process
  const { silent = (ms) => new Error(`silent for ${ms} ms`), tooLong = () => new Error('too long') } = options
  const lines: string[] = []
  let bytes = 0
  let flooded: Error | undefined
  let stuck = false
  let partial = ''
  let ended = false
  let wake = deferred<void>()
  const changed = () => {
    wake.resolve()
    wake = deferred<void>()
  }
  stdout.setEncoding('utf8')
  stdout.on('data', (chunk: string) => {
    if (flooded !== undefined) return
    bytes += chunk.length
    const parts = (partial + chunk).split('\n')
    partial = parts.pop() ?? ''
    lines.push(...parts)
    if (partial.length > ANSWER_LIMIT || lines.length > UNREAD_LINES || bytes > OUTPUT_LIMIT) {
      flooded = tooLong()
      lines.length = 0
      partial = ''
      process.kill(flooded)
    }
    changed()
  })
  // The connection or the server is given up. The exit says why.
  stdout.on('error', () => {})
  stdout.once('end', () => {
    ended = true
    if (partial !== '') lines.push(partial)
    changed()
  })
  let over = false
  const beat = () => stdin.write('beat\n')
  for (const line of firstLines) stdin.write(leaseLine(line))
  beat()
  const timer = setInterval(beat, options.beatEvery ?? BEAT_EVERY)
  const stop = () => {
    over = true
    clearInterval(timer)
    stdin.end()
    changed()
  }
  exit.then(stop, stop)

  let released: Promise<ExitResult> | undefined
  const release = () => {
    released ??= (async () => {
      if (!over) stdin.write('release\n')
      const patience = options.release?.(stuck)
      if (patience === undefined) return exit
      const status = await within(exit, patience)
      // Without its stdin the script undoes by itself.
      if (status === undefined) process.kill(silent(patience))
      return exit
    })()
    return released
  }
  return {
    async nextLine(signal) {
      for (;;) {
        signal.throwIfAborted()
        if (flooded !== undefined) throw flooded
        const line = lines.shift()
        if (line !== undefined) return line
        // A cut connection ends stdout, too. Only the exit tells that from a script that has ended.
        if (ended || over) {
          await exit
          if (ended && lines.length === 0) return undefined
        }
        const woken = orAborted(
          wake.promise.then(() => true),
          signal,
        )
        if (options.silence === undefined) await woken
        else if ((await within(woken, options.silence)) === undefined) {
          stuck = true
          throw silent(options.silence)
        }
      }
    },
    send(line) {
      stdin.write(leaseLine(line))
    },
    release,
    async [Symbol.asyncDispose]() {
      // Without the connection there is nothing to wait for: the script undoes by itself.
      await release().catch(() => {})
    },
  }
}

/** What the promise gives, or undefined when that takes longer. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const late = deferred<undefined>()
  const timer = setTimeout(() => late.resolve(undefined), ms)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** A line to a leased script, with its end. Throws RangeError for one that would not arrive whole. */
export function leaseLine(line: string): string {
  if (/[\n\0]/.test(line)) throw new RangeError('a line to a leased script holds a newline or NUL')
  if (Buffer.byteLength(line) > LINE_LIMIT) throw new RangeError('a line to a leased script is too long')
  return `${line}\n`
}
