import { parseDuration } from './units.ts'
import type { RetentionPolicy } from './config.ts'

/** When a schedule is due, as the config has it. */
export type ScheduleTime = { readonly at: string } | { readonly every: string } | { readonly cron: string }

/** A schedule of the config. */
export interface ScheduleConfig {
  readonly name: string
  readonly time: ScheduleTime
  /** {@link ScheduleTime} as a cron expression of five fields. */
  readonly cron: string
  /** Of {@link cron}; undefined: this machine's. */
  readonly timeZone?: string | undefined
  /** The words of the command line that it runs, behind `relay-backup`. */
  readonly run: readonly string[]
  /** How many of the snapshots that it makes stay, beside what the host's retention keeps. */
  readonly keep?: RetentionPolicy | undefined
}

/** What a schedule says of its snapshots. */
export type ScheduleLife = Required<Pick<ScheduleConfig, 'name' | 'keep'>> & {
  readonly keep: RetentionPolicy
}

/** A schedule that repeats evenly must meet every midnight: cron, launchd and Windows can say nothing else. */
export const EVEN = ['5m', '10m', '15m', '20m', '30m', '1h', '2h', '3h', '4h', '6h', '8h', '12h', '1d']

/** The cron expression of a time; undefined for an `every` that does not divide a day evenly. */
export function cronOf(time: ScheduleTime): string | undefined {
  if ('cron' in time) return time.cron.trim().split(/\s+/).join(' ')
  if ('at' in time) {
    const [hour = '', minute = ''] = time.at.split(':')
    return `${Number(minute)} ${Number(hour)} * * *`
  }
  const ms = parseDuration(time.every)
  if (ms === undefined || !EVEN.some((even) => parseDuration(even) === ms)) return undefined
  const minutes = ms / 60_000
  if (minutes < 60) return `*/${minutes} * * * *`
  if (minutes === 60) return '0 * * * *'
  return minutes === 1440 ? '0 0 * * *' : `0 */${minutes / 60} * * *`
}

/** A line of words as a shell would split it; quotes hold a word together. Undefined when a quote is not closed. */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = []
  const part = /\s+|"([^"]*)"|'([^']*)'|([^\s"']+)/y
  let word: string | undefined
  while (part.lastIndex < line.length) {
    const match = part.exec(line)
    if (match === null) return undefined
    const text = match[1] ?? match[2] ?? match[3]
    if (text !== undefined) word = (word ?? '') + text
    else if (word !== undefined) {
      words.push(word)
      word = undefined
    }
  }
  return word === undefined ? words : [...words, word]
}

/** The system has this time zone: `Europe/Berlin`. */
export function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
