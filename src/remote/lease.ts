import type { ExitResult, Lease, RemoteProcess } from './contract.ts'
import { deferred, orAborted } from './deferred.ts'

/** Seconds without a heartbeat after which a script undoes what it changed (design.md, "The lease"). */
export const SILENCE_LIMIT = 60
const BEAT_EVERY = 5000
/** Bytes of a line; longer ones are not written to a pipe in one piece (PIPE_BUF). */
const LINE_LIMIT = 4000
/** Bytes of a line from the script. */
const ANSWER_LIMIT = 1024 * 1024

/** Keeps a leased script going (`scripts/lib/lease.sh`): a heartbeat every `beatEvery` ms until it has exited. */
export function openLease(
  process: RemoteProcess,
  firstLines: readonly string[],
  options: { readonly beatEvery?: number } = {},
): Lease {
  const { stdin, stdout, exit } = process
  const lines: string[] = []
  let partial = ''
  let ended = false
  let wake = deferred<void>()
  const changed = () => {
    wake.resolve()
    wake = deferred<void>()
  }
  stdout.setEncoding('utf8')
  stdout.on('data', (chunk: string) => {
    const parts = (partial + chunk).split('\n')
    partial = parts.pop() ?? ''
    lines.push(...parts)
    if (partial.length > ANSWER_LIMIT) process.kill()
    changed()
  })
  stdout.once('end', () => {
    ended = true
    if (partial !== '') lines.push(partial)
    changed()
  })
  let over = false
  const beat = () => stdin.write('beat\n')
  for (const line of firstLines) stdin.write(checked(line))
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
      return exit
    })()
    return released
  }
  return {
    async nextLine(signal) {
      for (;;) {
        signal.throwIfAborted()
        const line = lines.shift()
        if (line !== undefined) return line
        // A connection that was cut also ends stdout: only the exit tells that from a script that ended.
        if (ended || over) {
          await exit
          if (ended && lines.length === 0) return undefined
        }
        await orAborted(wake.promise, signal)
      }
    },
    send(line) {
      stdin.write(checked(line))
    },
    release,
    async [Symbol.asyncDispose]() {
      // Without the connection there is nothing to wait for: the script undoes by itself.
      await release().catch(() => {})
    },
  }
}

function checked(line: string): string {
  if (/[\n\0]/.test(line)) throw new RangeError('a line to a leased script holds a newline or NUL')
  if (Buffer.byteLength(line) > LINE_LIMIT) throw new RangeError('a line to a leased script is too long')
  return `${line}\n`
}
