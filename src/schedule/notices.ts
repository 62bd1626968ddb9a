import type { ScheduleConfig } from '../model/schedule.ts'
import { nextDue } from './times.ts'

/** Times that are looked at. */
const LOOKS = 60

/**
 * Pairs of schedules that are due at the same moment soon. The second one of a host finds it locked, so it does nothing that
 * time, unless the daemon runs both.
 */
export function sameTime(
  schedules: readonly ScheduleConfig[],
  now: Date,
): readonly (readonly [string, string, Date])[] {
  const soon = schedules.map((schedule) => {
    const times: number[] = []
    let at = now
    for (let count = 0; count < LOOKS; count += 1) {
      at = nextDue(schedule, at)
      times.push(at.getTime())
    }
    return { name: schedule.name, times: new Set(times) }
  })
  return soon.flatMap(({ name, times }, index) =>
    soon.slice(index + 1).flatMap((other) => {
      const common = [...times].find((at) => other.times.has(at))
      return common === undefined ? [] : [[name, other.name, new Date(common)] as const]
    }),
  )
}
