import { ExitCode } from '../exit-codes.ts'
import { formatCount } from '../model/units.ts'
import { dueRuns, type DueRun } from '../schedule/due-runs.ts'
import { momentWords, timeWords } from '../schedule/times.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { configOf, type CommandContext, type CommandOutcome } from './context.ts'
import { runsOfAll } from './schedule-history.ts'

/** `schedule show`: when each schedule is due, when it began last, and what was missed. Reads the config and the history. */
export async function scheduleShow(context: CommandContext): Promise<CommandOutcome> {
  const config = await configOf(context)
  const now = context.now()
  const history = await runsOfAll(await openExistingVault(config.vault), config.hosts)
  const due = dueRuns(config.schedules, history, now).map(asKnown)
  return {
    exitCode: ExitCode.done,
    text: due.length === 0 ? 'The config has no schedules.' : due.map((one) => dueText(one, now)).join('\n'),
    json: due.map(({ schedule, next, last, outstanding, missed }) => ({
      name: schedule.name,
      when: timeWords(schedule),
      run: schedule.run,
      next: next.toISOString(),
      last: last?.toISOString() ?? null,
      outstanding: outstanding?.toISOString() ?? null,
      missed: missed.map((at) => at.toISOString()),
    })),
  }
}

/** `status` changes nothing, so its runs are in no history: nobody knows when it ran. */
function asKnown(due: DueRun): DueRun {
  return isKnown(due) ? due : { ...due, last: undefined, outstanding: undefined, missed: [] }
}

const isKnown = ({ schedule }: DueRun): boolean => schedule.run[0] !== 'status'

function dueText(due: DueRun, now: Date): string {
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
  ].join('\n')
}
