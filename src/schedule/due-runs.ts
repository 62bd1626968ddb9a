import { isNarrow, scheduleOf, type RunRecord } from '../model/run-record.ts'
import type { ScheduleConfig } from '../model/schedule.ts'
import { parseDuration } from '../model/units.ts'
import { lastDue, nextDue } from './times.ts'

/** What of a run tells which schedule began it. */
export type BegunRun = Pick<
  RunRecord,
  'at' | 'trigger' | 'schedule' | 'operation' | 'outcome' | 'only' | 'complete'
>

/** What is to be said of a schedule at a moment. */
export interface DueRun {
  readonly schedule: ScheduleConfig
  readonly next: Date
  /** When it began last. */
  readonly last: Date | undefined
  /** It was due then, and has not begun since: it is to be caught up. */
  readonly outstanding: Date | undefined
  /** When it was due in the last 30 days and did not begin before it was due again; oldest first. */
  readonly missed: readonly Date[]
}

const DAY = 86_400_000
const WINDOW = 30 * DAY
/** A schedule that was due so often is told to have missed no more. */
const MOST = 300

/** {@link DueRun} without what was missed, which takes long to count. */
export type DueNow = Omit<DueRun, 'missed'>

/**
 * Which schedules are due, were missed, and are next, from the config and the history alone: the runs of all hosts, in any
 * order. A run meets the time at which its schedule was due last when it began. What was due before the schedule's first
 * run, or before `since` where it never ran, is not missed: nobody knows since when the schedule exists. A clock that
 * was wrong for a while neither repeats a run nor keeps the next one from being due.
 */
export function dueRuns(
  schedules: readonly ScheduleConfig[],
  history: readonly BegunRun[],
  now: Date,
  since: Date = now,
): DueRun[] {
  return schedules.map((schedule) => {
    const { first, isMet } = ofSchedule(schedule, history, now, since)
    const latest = lastDue(schedule, now)
    const missed: Date[] = []
    let due = nextDue(schedule, new Date(Math.max(first, now.getTime() - WINDOW)))
    for (let count = 0; latest !== undefined && due < latest && count < MOST; count += 1) {
      const after = nextDue(schedule, due)
      if (!isMet(due, after)) missed.push(due)
      due = after
    }
    return { ...dueNow(schedule, history, now, since), missed }
  })
}

/** {@link dueRuns} of one schedule, without what was missed. */
export function dueNow(
  schedule: ScheduleConfig,
  history: readonly BegunRun[],
  now: Date,
  since: Date = now,
): DueNow {
  const { first, last, isMet } = ofSchedule(schedule, history, now, since)
  const next = nextDue(schedule, now)
  const latest = lastDue(schedule, now)
  const isDue = latest !== undefined && latest.getTime() >= first && !isMet(latest, next)
  return { schedule, next, last, outstanding: isDue ? latest : undefined }
}

function ofSchedule(schedule: ScheduleConfig, history: readonly BegunRun[], now: Date, since: Date) {
  const own = times(history.filter((run) => scheduleOf(run) === schedule.name))
  const before = own.filter((at) => at <= now.getTime())
  const meets = [...own, ...others(schedule, history)]
  const last = before.at(-1)
  return {
    first: before[0] ?? since.getTime(),
    last: last === undefined ? undefined : new Date(last),
    isMet: (from: Date, to: Date) => meets.some((at) => at >= from.getTime() && at < to.getTime()),
  }
}

/**
 * A pull that skips hosts with a young snapshot, by `--if-older-than`, is in no history. Then the pulls that made these
 * snapshots meet the schedule, for as long as it skips them.
 */
function others({ run }: ScheduleConfig, history: readonly BegunRun[]): number[] {
  const flag = run.find((word) => word.startsWith('--if-older-than'))
  if (flag === undefined) return []
  const text = flag.split('=')[1] ?? run[run.indexOf(flag) + 1] ?? ''
  const young = parseDuration(text) ?? 0
  const good = history.filter((one) => one.operation === 'pull' && one.outcome === 'done' && !isNarrow(one))
  return times(good).map((at) => at + young)
}

const times = (runs: readonly Pick<BegunRun, 'at'>[]): number[] =>
  runs.map(({ at }) => Date.parse(at)).sort((a, b) => a - b)
