import { parseConfig } from '../config/load.ts'
import { UsageError } from '../errors.ts'
import { scheduleIn, withSchedule } from '../init/schedule-text.ts'
import { readCron } from '../model/cron-fields.ts'
import { NAME_PATTERN } from '../model/names.ts'
import { printable } from '../model/path-bytes.ts'
import { cronOf, type ScheduleConfig, type ScheduleTime } from '../model/schedule.ts'
import { timeWords } from '../schedule/times.ts'
import type { CommandContext } from './context.ts'
import { InitTalk } from './init-talk.ts'

/** The flags of `schedule install` as commander hands them over. */
export interface InstallFlags {
  readonly at?: string
  readonly every?: string
  readonly cron?: string
  readonly timeZone?: string
  readonly run?: string
  readonly name?: string
  readonly dryRun?: boolean
  readonly yes?: boolean
}

/** The schedule that a choice writes, unless `--name` says another. */
const NAME = 'backup'
const RUN = 'pull --all'

/** A schedule that is to be written into the config. */
export interface ChosenSchedule {
  readonly name: string
  readonly time: ScheduleTime
  readonly timeZone?: string | undefined
  readonly run?: string | undefined
}

/** What the flags say. Undefined: nothing of a time, so the config counts as it is. Throws UsageError. */
export function chosenByFlags(flags: InstallFlags): ChosenSchedule | undefined {
  const { at, every, cron, name = NAME, timeZone, run } = flags
  const times: ScheduleTime[] = [
    ...(at === undefined ? [] : [{ at }]),
    ...(every === undefined ? [] : [{ every }]),
    ...(cron === undefined ? [] : [{ cron }]),
  ]
  const [time] = times
  if (times.length > 1)
    throw new UsageError('A schedule has one time', { next: 'Give one of --at, --every and --cron' })
  if (time === undefined) {
    const given = ['name', 'timeZone', 'run'].find((key) => key in flags)
    if (given === undefined) return undefined
    throw new UsageError(
      `--${given === 'timeZone' ? 'time-zone' : given} is about a schedule that has no time`,
      {
        next: 'Add its time: --at 02:00, --every 12h, or --cron "0 2 * * 0"',
      },
    )
  }
  if (!NAME_PATTERN.test(name))
    throw new UsageError(`--name ${printable(name)}: not usable`, {
      next: 'Write small letters, digits, - and _: --name nightly',
    })
  const problem = timeProblem(time)
  if (problem !== undefined) throw new UsageError(problem, { next: TIMES })
  return { name, time, timeZone, run }
}

const TIMES = 'Write --at 02:00, --every 6h, or --cron "0 2 * * 0"'

function timeProblem(time: ScheduleTime): string | undefined {
  if ('at' in time)
    return /^([01]?\d|2[0-3]):[0-5]\d$/.test(time.at) ? undefined : 'That is no time of day, like 02:00'
  const cron = cronOf(time)
  if ('every' in time)
    return cron === undefined ? 'That does not divide a day evenly, as 15m, 6h and 12h do' : undefined
  const fields = readCron(time.cron)
  return typeof fields === 'string' ? `A cron expression ${fields}` : undefined
}

/** What a person at the terminal wants. */
export type Choice = 'as-configured' | 'remove' | ChosenSchedule

/** Asks with the arrow keys. */
export async function chooseSchedule(
  context: CommandContext,
  configured: readonly ScheduleConfig[],
): Promise<Choice> {
  const talk = new InitTalk(context)
  const names = configured.map((one) => `${one.name} ${timeWords(one)}`).join('; ')
  const chosen = await talk.choose('When shall backups be made?', [
    ...(configured.length === 0
      ? []
      : [{ value: 'as-configured' as const, name: `as the config says: ${names}` }]),
    { value: 'daily', name: 'every day at 02:00' },
    { value: 'twice', name: 'every 12 hours' },
    { value: 'weekly', name: 'every Sunday at 02:00' },
    { value: 'own', name: 'at another time' },
    { value: 'remove', name: 'not any more: remove all timers of this config' },
  ])
  if (chosen === 'as-configured' || chosen === 'remove') return chosen
  const times = { daily: { at: '02:00' }, twice: { every: '12h' }, weekly: { cron: '0 2 * * 0' } }
  if (chosen !== 'own') return { name: NAME, time: times[chosen] }
  const text = await talk.text('When? A time (03:30), a distance (6h), or five fields as cron has them', {
    problem: (answer) => timeProblem(readTime(answer)),
  })
  return { name: NAME, time: readTime(text) }
}

/** A time as a person types it. */
export function readTime(text: string): ScheduleTime {
  const words = text.trim()
  if (/^\d+:\d+$/.test(words)) return { at: words }
  const every = /^(?:every\s+)?(\d+\s*[a-z]+)$/i.exec(words)?.[1]
  return every === undefined ? { cron: words } : { every: every.replaceAll(/\s+/g, '').toLowerCase() }
}

/**
 * The config's text with the chosen schedule. Of a schedule that is there, only what was chosen changes. Throws ConfigError
 * when the config would be a wrong one.
 */
export function configWith(
  text: string,
  file: string,
  { name, time, timeZone, run }: ChosenSchedule,
  env: NodeJS.ProcessEnv,
): string {
  const before = scheduleIn(text, name) ?? {}
  const others = Object.entries(before).filter(([key]) => !['at', 'every', 'cron'].includes(key))
  const changed = withSchedule(text, name, {
    ...time,
    ...(timeZone === undefined ? {} : { timeZone }),
    run: RUN,
    ...Object.fromEntries(others.filter(([key]) => key !== 'timeZone' || timeZone === undefined)),
    ...(run === undefined ? {} : { run }),
  })
  parseConfig(changed, file, env)
  return changed
}
