import { ExitCode } from '../exit-codes.ts'
import type { Config } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import type { ScheduleConfig } from '../model/schedule.ts'
import { formatCount } from '../model/units.ts'
import { dueRuns, type DueRun } from '../schedule/due-runs.ts'
import { keptBy, type KeptSchedule } from '../schedule/timer-plan.ts'
import { momentWords, timeWords } from '../schedule/times.ts'
import { unattendedTroubles } from '../schedule/unattended.ts'
import type { TimerSystem } from '../timers/keepers.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { configOf, type CommandContext, type CommandOutcome } from './context.ts'
import { runsOfAll } from './schedule-history.ts'
import { pulledHosts, type CommandLine } from './schedule-line.ts'
import { lookAtTimers, thisSystem, timerPlace, type SystemLook } from './schedule-system.ts'
import { unattendedFacts } from './schedule-unattended.ts'

/** What is shown of a schedule. */
interface Shown {
  readonly due: DueRun
  readonly kept: KeptSchedule
  /** What would keep it from running while nobody is there. */
  readonly troubles: readonly string[]
}

/**
 * `schedule show`: when each schedule is due, when it began last, what was missed, what keeps it, and whether it would run
 * while nobody is there. Reads the config, the history and the timers of the system.
 */
export async function scheduleShow(
  context: CommandContext,
  line: CommandLine,
  system?: TimerSystem,
): Promise<CommandOutcome> {
  const config = await configOf(context)
  const now = context.now()
  const history = await runsOfAll(await openExistingVault(config.vault), config.hosts)
  const due = dueRuns(config.schedules, history, now).map(asKnown)
  const look = await lookAtTimers(config.file, system ?? (await thisSystem(context)), context.signal)
  const shown: Shown[] = []
  for (const one of due) shown.push(await shownOf(context, config, one, look, line))
  const isInstalled = shown.some(({ kept }) => kept.timer !== undefined)
  const advice = isInstalled ? await look.keeper.advice(context.signal) : []
  const lines = [...shown.map((one) => dueText(one, now)), ...advice.map(printable)]
  return {
    exitCode: ExitCode.done,
    text: due.length === 0 ? 'The config has no schedules.' : lines.join('\n'),
    json: shown.map(({ due: { schedule, next, last, outstanding, missed }, kept, troubles }) => ({
      name: schedule.name,
      when: timeWords(schedule),
      run: schedule.run,
      next: next.toISOString(),
      last: last?.toISOString() ?? null,
      outstanding: outstanding?.toISOString() ?? null,
      missed: missed.map((at) => at.toISOString()),
      timer:
        kept.keeper === undefined
          ? null
          : { keeper: kept.keeper.name, where: kept.keeper.where(schedule.name), state: stateOf(kept) },
      unattended: { ok: troubles.length === 0, troubles },
    })),
  }
}

async function shownOf(
  context: CommandContext,
  config: Config,
  due: DueRun,
  look: SystemLook,
  line: CommandLine,
): Promise<Shown> {
  const { schedule } = due
  const kept = keptBy(schedule, look.kept)
  const place = kept.timer?.place ?? timerPlace(context, config.file)
  const hosts = await pulledHosts(config, schedule, line)
  const facts = await unattendedFacts(context, config, schedule, hosts, place)
  return { due, kept, troubles: unattendedTroubles(facts) }
}

/** `status` changes nothing, so its runs are in no history: nobody knows when it ran. */
function asKnown(due: DueRun): DueRun {
  return isKnown(due) ? due : { ...due, last: undefined, outstanding: undefined, missed: [] }
}

const isKnown = ({ schedule }: { readonly schedule: ScheduleConfig }): boolean => schedule.run[0] !== 'status'

function dueText({ due, kept, troubles }: Shown, now: Date): string {
  const { schedule, next, last, outstanding, missed } = due
  const at = (moment: Date) => momentWords(moment, now, schedule.timeZone)
  return [
    `${schedule.name}: ${timeWords(schedule)}: ${schedule.run.join(' ')}`,
    `  next: ${at(next)}`,
    ...(isKnown(due) ? [`  last: ${last === undefined ? 'it never ran' : at(last)}`] : []),
    ...(outstanding === undefined ? [] : [`  due since ${at(outstanding)}, and did not begin`]),
    ...(missed.length === 0
      ? []
      : [`  missed before that: ${formatCount(missed.length, 'run')} of the last 30 days`]),
    `  timer: ${timerText(schedule, kept)}`,
    ...(troubles.length === 0
      ? ['  runs while nobody is there: yes']
      : troubles.map((trouble) => `  while nobody is there it may fail: ${printable(trouble)}`)),
  ].join('\n')
}

type TimerState = 'none' | 'edited' | 'differs' | 'stopped' | 'kept'

function stateOf({ timer, differs }: KeptSchedule): TimerState {
  if (timer === undefined) return 'none'
  if (timer.isEdited) return 'edited'
  if (differs) return 'differs'
  return timer.problem === undefined ? 'kept' : 'stopped'
}

const STATES: Readonly<Record<TimerState, string>> = {
  none: '',
  edited: '; somebody has changed it: relay-backup schedule install --yes',
  differs: '; it is not as the config says: relay-backup schedule install',
  stopped: '; it does not fire: relay-backup schedule install',
  kept: '',
}

function timerText({ name }: ScheduleConfig, kept: KeptSchedule): string {
  if (kept.keeper === undefined) return 'none; install it: relay-backup schedule install'
  return `${kept.keeper.name}, ${printable(kept.keeper.where(name))}${STATES[stateOf(kept)]}`
}
