import type { ScheduleConfig } from '../model/schedule.ts'
import { dueNow, type BegunRun, type DueNow } from './due-runs.ts'

/** What the daemon is wired from. */
export interface DaemonParts {
  readonly now: () => Date
  /** Ends at this time, and earlier when the clock was set, a reload is asked for, or the signal fires. Never throws. */
  readonly waitUntil: (at: Date | undefined, stop: AbortSignal) => Promise<void>
  /** The schedules as they are in force. */
  readonly schedules: () => Promise<readonly ScheduleConfig[]>
  /** The runs of all hosts. */
  readonly history: () => Promise<readonly BegunRun[]>
  /** Runs what a schedule runs, whatever becomes of it. Never throws. `due`: since when it is due. */
  readonly run: (schedule: ScheduleConfig, due: Date, stop: AbortSignal) => Promise<void>
}

/**
 * Runs each schedule when it is due, one after another, until the signal fires: a host is never pulled beside itself. What
 * was missed, because this machine slept or another run took long, is run once, however often it was due.
 */
export async function keepSchedules(parts: DaemonParts, stop: AbortSignal): Promise<void> {
  let since = parts.now()
  let history: readonly BegunRun[] | undefined
  /** What began here: a run that skipped every host, or found it locked, is in no history. */
  const begun = new Map<string, BegunRun>()
  while (!stop.aborted) {
    const now = parts.now()
    // The clock was set back: what is due from here on counts.
    if (now < since) since = now
    const schedules = await parts.schedules()
    const look = (runs: readonly BegunRun[]): DueNow[] =>
      schedules.map((schedule) => dueNow(schedule, [...runs, ...begun.values()], now, since))
    history ??= await parts.history()
    // A timer or a person may have run it: the history is read again before anything is begun.
    if (look(history).some(({ outstanding }) => outstanding !== undefined)) history = await parts.history()
    const due = look(history)
    const first = due
      .flatMap(({ schedule, outstanding }) => (outstanding === undefined ? [] : [{ schedule, outstanding }]))
      .sort((one, other) => one.outstanding.getTime() - other.outstanding.getTime())[0]
    if (first === undefined) {
      const next = due.map((one) => one.next.getTime())
      await parts.waitUntil(next.length === 0 ? undefined : new Date(Math.min(...next)), stop)
      continue
    }
    const { schedule, outstanding } = first
    begun.set(schedule.name, {
      at: now.toISOString(),
      trigger: 'daemon',
      schedule: schedule.name,
      operation: 'pull',
      outcome: 'failed',
    })
    await parts.run(schedule, outstanding, stop)
    history = undefined
  }
}
