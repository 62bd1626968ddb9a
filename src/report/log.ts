import { closeSync, fchmodSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { xdgDirectory } from '../model/home.ts'
import { redact } from './redact.ts'

/** A log is moved aside when it is larger than this at the start of a run, in bytes. */
const MAX_BYTES = 5 * 1024 * 1024
/** How many old logs stay: relay-backup.log.1 (newest) to .3. */
const KEPT = 3

/** The run's log file. Nothing that it does can fail a run; secrets are masked (see redact.ts). */
export interface RunLog extends Disposable {
  /** Absent when the log can't be written. */
  readonly file?: string | undefined
  debug(message: string, fields?: object): void
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  error(message: string, fields?: object): void
}

/** `$XDG_STATE_HOME/relay-backup/log`, where the log files are. */
export function logDirectory(env: NodeJS.ProcessEnv): string {
  const state = xdgDirectory(env, 'XDG_STATE_HOME')
  return join(state, 'relay-backup', 'log')
}

/**
 * Opens the log file: JSON lines, each written before the call returns, `verbose` at debug level. Never throws;
 * when the file can't be had, nothing is logged.
 */
export async function openLog(env: NodeJS.ProcessEnv, verbose: boolean): Promise<RunLog> {
  try {
    const directory = logDirectory(env)
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const file = join(directory, 'relay-backup.log')
    rotate(file)
    const descriptor = openSync(file, 'a', 0o600)
    fchmodSync(descriptor, 0o600)
    return await createRunLog(file, descriptor, verbose)
  } catch {
    return SILENT
  }
}

async function createRunLog(file: string, descriptor: number, verbose: boolean): Promise<RunLog> {
  const { pino } = await import('pino')
  const destination = pino.destination({ dest: descriptor, sync: true })
  // A disk that fills up while we run.
  destination.on('error', () => {})
  const logger = pino(
    {
      level: verbose ? 'debug' : 'info',
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => redact(fields) as Record<string, unknown>,
      },
    },
    destination,
  )
  let open = true
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields: object = {}): void => {
      if (!open) return
      try {
        logger[level](fields, message)
      } catch {
        // For example a getter that throws: the line is lost, the run goes on.
      }
    }
  return {
    file,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    [Symbol.dispose]() {
      if (!open) return
      open = false
      try {
        closeSync(descriptor)
      } catch {
        // Nothing depends on it.
      }
    },
  }
}

/** Two runs that start at once may both rotate. A log then moves one number further, and no more. */
function rotate(file: string): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (size < MAX_BYTES) return
  for (let number = KEPT - 1; number >= 0; number -= 1) {
    const from = number === 0 ? file : `${file}.${number}`
    if (statSync(from, { throwIfNoEntry: false }) !== undefined) renameSync(from, `${file}.${number + 1}`)
  }
}

const SILENT: RunLog = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  [Symbol.dispose]() {},
}
