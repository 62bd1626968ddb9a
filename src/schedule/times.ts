import { Cron } from 'croner'
import { readCron } from '../model/cron-fields.ts'
import type { ScheduleConfig } from '../model/schedule.ts'

type Timed = Pick<ScheduleConfig, 'cron' | 'timeZone'>

/** The first time after this one at which a schedule is due. DST and short months are croner's work. */
export function nextDue(schedule: Timed, after: Date): Date {
  const next = cronJob(schedule).nextRun(after)
  if (next === null) throw new RangeError(`${schedule.cron} never fires`)
  return next
}

/** The last time at which a schedule was due, which may be this moment; undefined before all of them. */
export function lastDue(schedule: Timed, now: Date): Date | undefined {
  // croner leaves the moment itself out.
  return cronJob(schedule).previousRuns(1, new Date(now.getTime() + 1000))[0]
}

function cronJob({ cron, timeZone }: Timed): Cron {
  return new Cron(cron, {
    paused: true,
    mode: '5-part',
    ...(timeZone === undefined ? {} : { timezone: timeZone }),
  })
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

/** When a schedule is due, in words: `every day at 02:00`. */
export function timeWords({
  time,
  cron,
  timeZone,
}: Pick<ScheduleConfig, 'time' | 'cron' | 'timeZone'>): string {
  const zone = timeZone === undefined ? '' : ` (${timeZone})`
  if ('every' in time) return `every ${time.every}${zone}`
  return `${cronWords(cron)}${zone}`
}

function cronWords(cron: string): string {
  const fields = readCron(cron)
  if (typeof fields === 'string') return cron
  const { minutes, hours, days, months, weekdays } = fields
  if (months !== undefined || minutes.length * hours.length > 4) return `at "${cron}"`
  const times = hours.flatMap((hour) => minutes.map((minute) => clock(hour, minute))).join(', ')
  if (weekdays !== undefined) return `every ${weekdays.map((day) => DAYS[day]).join(', ')} at ${times}`
  if (days !== undefined) return `on day ${days.join(', ')} of every month at ${times}`
  return `every day at ${times}`
}

/** `today 02:00`, `tomorrow 02:00`, or with the date; in the schedule's time zone. */
export function momentWords(at: Date, now: Date, timeZone: string | undefined): string {
  const date = (moment: Date) => inZone(moment, timeZone)
  const [day, time] = date(at)
  if (day === date(now)[0]) return `today ${time}`
  if (day === date(new Date(now.getTime() + 86_400_000))[0]) return `tomorrow ${time}`
  return `${day} ${time}`
}

/** The day and the time of day: `2025-11-20`, `02:00`. */
function inZone(moment: Date, timeZone: string | undefined): readonly [string, string] {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' })
  const [day = '', time = ''] = format.format(moment).split(' ')
  return [day, time]
}

const clock = (hour: number, minute: number): string =>
  `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`
