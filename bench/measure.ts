import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Command, Sample } from './contract.ts'

/** Reads a counter before and after a command. */
export interface Meter {
  /** Seconds of CPU so far. */
  read(): Promise<number>
}

/**
 * Runs a command to its end and measures it: wall time by the monotonic clock, memory and CPU by GNU time, which
 * has them from wait4(2). A status other than 0 throws with the end of stderr: a failed run has no time.
 */
export async function measure(
  command: Command,
  options: {
    /** A file for GNU time's report. */
    readonly report: string
    /** Put in front of the command, `ip netns exec NAME`. */
    readonly wrap: readonly string[]
    readonly server: Meter | undefined
    /** Ends the command. */
    readonly signal: AbortSignal
  },
): Promise<Sample> {
  const [file = '', ...args] = [
    ...options.wrap,
    '/usr/bin/time',
    '-o',
    options.report,
    '-f',
    '%U %S %M',
    ...command.argv,
  ]
  const before = await options.server?.read()
  const started = performance.now()
  const child = spawn(file, args, {
    env: { ...process.env, ...command.env },
    stdio: ['ignore', 'ignore', 'pipe'],
    // A process group of its own, so that all of it can be ended: GNU time passes no signal on.
    detached: true,
  })
  const end = () => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL')
  options.signal.addEventListener('abort', end, { once: true })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4000)))
  const [status] = (await once(child, 'exit')) as [number | null]
  child.stderr.destroy()
  options.signal.removeEventListener('abort', end)
  options.signal.throwIfAborted()
  const seconds = (performance.now() - started) / 1000
  if (status !== 0) throw new Error(`${command.argv.join(' ')} ended with ${status}:\n${errors}`)
  const after = await options.server?.read()
  const [user = 0, system = 0, kibibytes = 0] = (await readFile(options.report, 'utf8'))
    .trim()
    .split(' ')
    .map(Number)
  return {
    seconds,
    rssBytes: kibibytes * 1024,
    clientCpu: user + system,
    serverCpu: before === undefined || after === undefined ? undefined : after - before,
  }
}

/** The middle one of several numbers, the mean of two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2
}
