import type { ScheduleConfig } from '../model/schedule.ts'
import { requireOneLine, timerCommand, timerError } from './command.ts'
import type { InstalledTimer, TimerChange, TimerPlace } from './contract.ts'
import { readSeal, sealFor } from './seal.ts'
import type { SystemTimes } from './times.ts'

/** Debian's cron cuts a longer command off without a word (MAX_COMMAND of its source); other crons have other limits. */
const LONGEST = 990

const begin = (config: string) => `# BEGIN relay-backup ${config}: written by relay-backup schedule install\n`
const end = (config: string) => `# END relay-backup ${config}\n`

/** The lines of a schedule in a crontab: what is known of it, and what cron reads. */
export function crontabEntry(
  schedule: ScheduleConfig,
  place: TimerPlace,
  { fields, isExact }: SystemTimes,
): string {
  const { minutes, hours, days, months, weekdays } = fields
  const list = (values: readonly number[] | undefined, all: number) =>
    values === undefined || values.length === all ? '*' : values.join(',')
  const times = [list(minutes, 60), list(hours, 24), list(days, 31), list(months, 12), list(weekdays, 7)]
  const environment = Object.entries(place.env).map(([name, value]) => `${name}=${value}`)
  requireOneLine(environment)
  const words = [...environment, ...timerCommand(schedule, place, { isExact, quiet: true })]
  // `env` sets the variables whatever shell the crontab names. A percent sign would end the line.
  const command = ['/usr/bin/env', ...words.map(word)].join(' ').replaceAll('%', '\\%')
  if (Buffer.byteLength(command) > LONGEST)
    throw timerError(
      `The line of the schedule ${schedule.name} would be longer than cron reads (${LONGEST} bytes)`,
      'Run it again with a shorter PATH: PATH=/usr/local/bin:/usr/bin:/bin relay-backup schedule install',
    )
  const line = `${times.join(' ')} ${command}\n`
  return `# ${sealFor(place, line)}\n${line}`
}

/** For a shell, in single quotes where it needs some. */
const word = (text: string): string =>
  /^[\w@+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`

/** Where our block lies in a crontab. Undefined: nowhere. Throws when only one of its marker lines is there. */
function blockOf(
  crontab: string,
  config: string,
): { readonly from: number; readonly to: number } | undefined {
  const lines = crontab.match(/[^\n]*\n|[^\n]+$/g) ?? []
  const at = (marker: string) =>
    lines.flatMap((line, index) => (`${line.trimEnd()}\n` === marker ? [index] : []))
  const [begins, ends] = [at(begin(config)), at(end(config))]
  if (begins.length === 0 && ends.length === 0) return undefined
  const [first, last] = [begins[0], ends[0]]
  if (begins.length !== 1 || ends.length !== 1 || first === undefined || last === undefined || last < first)
    throw timerError(
      'The two lines between which the timers stand in the crontab are not as they were written, so it is not known what is ours there',
      `Take out by hand what belongs between "${begin(config).trim()}" and "${end(config).trim()}", and these lines too: crontab -e`,
    )
  const length = (to: number) => lines.slice(0, to).join('').length
  return { from: length(first), to: length(last + 1) }
}

/** The timers of a config in a crontab. */
export function timersIn(crontab: string, config: string): readonly InstalledTimer[] {
  const block = blockOf(crontab, config)
  if (block === undefined) return []
  const lines = crontab.slice(block.from, block.to).trimEnd().split('\n').slice(1, -1)
  const entries = new Map<string, string[]>()
  /** A line that is not ours makes the entry above it an edited one, or the first. */
  let current: string[] = []
  for (const [index, line] of lines.entries()) {
    const following = lines[index + 1] ?? ''
    if (/^# relay-backup-timer /.test(line)) {
      current = []
      entries.set(nameIn(following) ?? `line ${index + 2}`, current)
    } else if (entries.size === 0) entries.set(nameIn(line) ?? `line ${index + 2}`, current)
    current.push(line)
  }
  return [...entries].map(([name, of]) => {
    const text = `${of.join('\n')}\n`
    const { place, isWhole } = readSeal(text)
    return { name, text: [text], place, isEdited: !isWhole }
  })
}

const nameIn = (line: string): string | undefined => / schedule run ([a-z0-9][a-z0-9_-]*)/.exec(line)?.[1]

/**
 * The crontab with a change to the timers of a config; all other lines stay, byte for byte. A new block stands at the
 * top: the variables that other lines set (SHELL, PATH, CRON_TZ) are not for it.
 */
export function withTimers(crontab: string, config: string, { put, remove }: TimerChange): string {
  const block = blockOf(crontab, config) ?? { from: 0, to: 0 }
  const gone = new Set([...remove, ...put.map(({ name }) => name)])
  const texts = new Map(put.map(({ name, text }) => [name, text.join('')]))
  const entries: string[] = []
  for (const { name, text } of timersIn(crontab, config)) {
    entries.push(texts.get(name) ?? (gone.has(name) ? '' : text.join('')))
    texts.delete(name)
  }
  const inner = [...entries, ...texts.values()].join('')
  const written = inner === '' ? '' : `${begin(config)}${inner}${end(config)}`
  return crontab.slice(0, block.from) + written + crontab.slice(block.to)
}
