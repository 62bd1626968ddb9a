import { printable } from '../model/path-bytes.ts'
import type { Finding } from '../model/finding.ts'
import type { ScheduleConfig } from '../model/schedule.ts'
import { formatCount } from '../model/units.ts'
import type { InstalledTimer, TimerKeeper } from '../timers/contract.ts'
import type { DueRun } from './due-runs.ts'
import { keptBy } from './timer-plan.ts'

/** What has been looked up about the timers of this machine. */
export interface TimerLook {
  readonly schedules: readonly ScheduleConfig[]
  readonly due: readonly DueRun[]
  readonly kept: readonly { readonly keeper: TimerKeeper; readonly timers: readonly InstalledTimer[] }[]
  /** Whether a file that a timer names is there. */
  readonly isThere: (path: string) => boolean
}

type Judged = Pick<Finding, 'outcome' | 'message' | 'next'>

const INSTALL = 'Install it again: relay-backup schedule install'

/** What `check` says of the timers: nothing where there are neither schedules nor timers. */
export function judgeTimers({ schedules, due, kept, isThere }: TimerLook): Judged[] {
  const found: Judged[] = []
  for (const schedule of schedules) {
    const { timer, keeper, differs } = keptBy(schedule, kept)
    if (timer === undefined || keeper === undefined) {
      if (!runsOtherwise(schedule, due))
        found.push({
          outcome: 'warning',
          message: `nothing runs the schedule ${schedule.name}: it has no timer here, and was not run in time by a daemon`,
          next: 'Install its timer: relay-backup schedule install; or keep it by: relay-backup daemon',
        })
      continue
    }
    const where = `the timer of ${schedule.name} (${printable(keeper.where(schedule.name))})`
    const gone = (timer.place === undefined ? [] : timer.place.program).filter((path) => !isThere(path))
    if (gone.length > 0)
      found.push({
        outcome: 'failed',
        message: `${where} calls what is not there: ${gone.map(printable).join(', ')}`,
        next: INSTALL,
      })
    else if (timer.isEdited)
      found.push({
        outcome: 'warning',
        message: `${where} was changed by somebody since it was installed`,
        next: 'Change the schedule in the config instead, and put the timer back: relay-backup schedule install --yes',
      })
    else if (differs)
      found.push({ outcome: 'failed', message: `${where} is not as the config says`, next: INSTALL })
    else if (timer.problem !== undefined)
      found.push({
        outcome: 'failed',
        message: `${where} does not fire: ${printable(timer.problem)}`,
        next: INSTALL,
      })
  }
  const names = new Set(schedules.map(({ name }) => name))
  for (const { keeper, timers } of kept)
    for (const { name } of timers)
      if (!names.has(name))
        found.push({
          outcome: 'warning',
          message: `there is a timer of ${printable(name)} (${printable(keeper.where(name))}), and no such schedule in the config`,
          next: `Take it away: relay-backup schedule remove ${printable(name)}`,
        })
  if (found.length > 0 || schedules.length === 0) return found
  return [{ outcome: 'ok', message: `${formatCount(schedules.length, 'schedule')}, each is kept` }]
}

/** A daemon, or a timer that a person wrote, has begun it when it was due last. */
function runsOtherwise(schedule: ScheduleConfig, due: readonly DueRun[]): boolean {
  const isInTime = ({ last, outstanding }: DueRun) => last !== undefined && outstanding === undefined
  const own = due.find((one) => one.schedule.name === schedule.name)
  if (own !== undefined && isInTime(own)) return true
  // `status` is in no history: who keeps the others keeps it, too.
  return schedule.run[0] === 'status' && due.some(isInTime)
}
