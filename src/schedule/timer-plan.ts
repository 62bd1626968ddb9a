import type { ScheduleConfig } from '../model/schedule.ts'
import type { InstalledTimer, TimerChange, TimerKeeper, TimerPlace, TimerText } from '../timers/contract.ts'

/** Why a timer is written, or taken away. */
export type TimerReason =
  | 'new' // there is none yet
  | 'changed' // the config or the paths are others than it was written for
  | 'edited' // somebody has changed it
  | 'stopped' // it is there, and does not fire
  | 'gone' // its schedule is not in the config, or is not wanted

/** What is to be done so that the system keeps these schedules, and no others of this config. */
export interface TimerPlan extends TimerChange {
  readonly put: readonly { readonly name: string; readonly text: TimerText; readonly reason: TimerReason }[]
  readonly steps: readonly { readonly name: string; readonly reason: TimerReason }[]
  /** Those that somebody has changed: nothing is done to them without consent. */
  readonly edited: readonly string[]
}

/** Plans what `schedule install` does. Throws RelayError `timer` for what the keeper can't say. */
export function planTimers(
  schedules: readonly ScheduleConfig[],
  installed: readonly InstalledTimer[],
  keeper: Pick<TimerKeeper, 'render' | 'same'>,
  place: TimerPlace,
): TimerPlan {
  const put = schedules.flatMap((schedule) => {
    const { name } = schedule
    const text = keeper.render(schedule, place)
    const there = installed.find((one) => one.name === name)
    const reason = reasonFor(there, text, keeper)
    return reason === undefined ? [] : [{ name, text, reason }]
  })
  const kept = new Set(schedules.map(({ name }) => name))
  const gone = installed.filter(({ name }) => !kept.has(name))
  return {
    put,
    remove: gone.map(({ name }) => name),
    steps: [
      ...put.map(({ name, reason }) => ({ name, reason })),
      ...gone.map(({ name, isEdited }) => ({
        name,
        reason: isEdited ? ('edited' as const) : ('gone' as const),
      })),
    ],
    edited: [
      ...put.filter(({ reason }) => reason === 'edited'),
      ...gone.filter(({ isEdited }) => isEdited),
    ].map(({ name }) => name),
  }
}

function reasonFor(
  there: InstalledTimer | undefined,
  text: TimerText,
  keeper: Pick<TimerKeeper, 'same'>,
): TimerReason | undefined {
  if (there === undefined) return 'new'
  if (there.isEdited) return 'edited'
  if (!keeper.same(there.text, text)) return 'changed'
  return there.problem === undefined ? undefined : 'stopped'
}

/** How a schedule is kept by the system, whatever shell the look comes from. */
export interface KeptSchedule {
  readonly timer: InstalledTimer | undefined
  readonly keeper: Pick<TimerKeeper, 'name' | 'where'> | undefined
  /** It is another timer than the config makes. */
  readonly differs: boolean
}

/** How the timers that are there keep a schedule. They are compared by their own paths and variables. */
export function keptBy(
  schedule: ScheduleConfig,
  all: readonly { readonly keeper: TimerKeeper; readonly timers: readonly InstalledTimer[] }[],
): KeptSchedule {
  for (const { keeper, timers } of all) {
    const timer = timers.find(({ name }) => name === schedule.name)
    if (timer === undefined) continue
    const { place } = timer
    const differs = place === undefined || !keeper.same(timer.text, keeper.render(schedule, place))
    return { timer, keeper, differs: differs && !timer.isEdited }
  }
  return { timer: undefined, keeper: undefined, differs: false }
}
