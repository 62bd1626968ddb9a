import { readCron, type CronFields } from '../model/cron-fields.ts'
import type { ScheduleConfig } from '../model/schedule.ts'

/** When a timer fires by this machine's clock. */
export interface SystemTimes {
  readonly fields: CronFields
  /** False: it fires more often than the schedule is due, and `schedule run --if-due` decides. */
  readonly isExact: boolean
}

type Timed = Pick<ScheduleConfig, 'cron' | 'timeZone'>

/** Offsets of a zone are looked up for so many days, which has each change of DST in it. */
const DAYS = 2 * 366
const DAY = 86_400_000

/** The fields of a schedule of the config, which were checked when that was read. */
export function fieldsOf({ cron }: Timed): CronFields {
  const fields = readCron(cron)
  if (typeof fields === 'string') throw new RangeError(`${cron} ${fields}`)
  return fields
}

/**
 * The times of a schedule by the clock of this machine, for programs that know no other time zone. Where the two zones
 * are not always equally far apart, or the days differ, a superset of them.
 */
export function systemTimes(schedule: Timed, machineZone: string, now: Date): SystemTimes {
  const fields = fieldsOf(schedule)
  const { timeZone } = schedule
  if (timeZone === undefined || timeZone === machineZone) return { fields, isExact: true }
  const distances = zoneDistances(timeZone, machineZone, now)
  if (distances.length === 1 && distances[0] === 0) return { fields, isExact: true }
  const { minutes, hours, days, months, weekdays } = fields
  const shifted = distances.flatMap((distance) =>
    hours.flatMap((hour) => minutes.map((minute) => hour * 60 + minute + distance)),
  )
  const times = new Set(shifted.map((minute) => (minute + 2 * 1440) % 1440))
  const local = {
    minutes: sorted([...times].map((time) => time % 60)),
    hours: sorted([...times].map((time) => Math.floor(time / 60))),
  }
  const isEveryDay = days === undefined && months === undefined && weekdays === undefined
  const isSameDay = shifted.every((minute) => minute >= 0 && minute < 1440)
  const isProduct = local.minutes.length * local.hours.length === times.size
  // More times than the schedule has: some of them are those of summer, or of winter.
  const isSteady = times.size === hours.length * minutes.length
  const isExact = isProduct && isSteady && (isEveryDay || (distances.length === 1 && isSameDay))
  return {
    fields: isExact
      ? { ...local, days, months, weekdays }
      : { ...local, days: undefined, months: undefined, weekdays: undefined },
    isExact,
  }
}

/** Each day at the same hours, each hour at the same minutes: what is said of it gets shorter, and fires more often. */
export function moreOften({ fields }: SystemTimes, what: 'days' | 'hours'): SystemTimes {
  const { minutes, hours } = fields
  const all = Array.from({ length: 24 }, (_, hour) => hour)
  return {
    fields: {
      minutes,
      hours: what === 'days' ? hours : all,
      days: undefined,
      months: undefined,
      weekdays: undefined,
    },
    isExact: false,
  }
}

/** By how many minutes this machine's clock is ahead of the zone's; each distance once. */
function zoneDistances(zone: string, machineZone: string, now: Date): number[] {
  const [theirs, ours] = [offsetsOf(zone), offsetsOf(machineZone)]
  const found = new Set<number>()
  for (let day = 0; day < DAYS; day += 1) {
    const at = new Date(now.getTime() + day * DAY)
    found.add(ours(at) - theirs(at))
  }
  return sorted([...found])
}

function offsetsOf(timeZone: string): (at: Date) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  return (at) => {
    const text = format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? ''
    const [, sign, hours = '0', minutes = '0'] = /GMT([+-])(\d\d):(\d\d)/.exec(text) ?? []
    return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
  }
}

const sorted = (values: readonly number[]): number[] => [...new Set(values)].sort((a, b) => a - b)
