import { UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { Config } from '../model/config.ts'
import { didYouMean } from '../model/nearest.ts'
import type { ScheduleConfig } from '../model/schedule.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { configOf, type CommandContext, type CommandOutcome } from './context.ts'
import { runsOfAll } from './schedule-history.ts'
import { commandOf, type CommandLine } from './schedule-line.ts'

/** ms; a timer that fires so long after a time was due begins that run, if no other has. */
const LATE = 10 * 60_000

/** `schedule run NAME`: what the schedule's timer calls. Its outcome is that of what it runs. */
export async function scheduleRun(
  context: CommandContext,
  [name = '']: readonly string[],
  { ifDue = false }: { readonly ifDue?: boolean },
  line: CommandLine,
): Promise<CommandOutcome> {
  const config = await configOf(context)
  const schedule = scheduleNamed(config, name)
  const command = await commandOf(config, schedule, line)
  if (ifDue && !(await isDue(context, config, schedule)))
    return {
      exitCode: ExitCode.done,
      text: `${name} is not due.`,
      quiet: '',
      json: { schedule: name, due: false },
    }
  return command({ ...context, config, cause: { trigger: `schedule:${name}` } })
}

/** It was due, and has not begun since; of one that never ran, not long ago. */
async function isDue({ now }: CommandContext, config: Config, schedule: ScheduleConfig): Promise<boolean> {
  const { dueNow } = await import('../schedule/due-runs.ts')
  const history = await runsOfAll(await openExistingVault(config.vault), config.hosts)
  const at = now()
  return dueNow(schedule, history, at, new Date(at.getTime() - LATE)).outstanding !== undefined
}

/** A schedule of the config by its name. Throws UsageError. */
export function scheduleNamed({ schedules, file }: Config, name: string): ScheduleConfig {
  const schedule = schedules.find((one) => one.name === name)
  if (schedule !== undefined) return schedule
  const known = schedules.map((one) => one.name)
  throw new UsageError(`There is no schedule "${name}"`, {
    next:
      known.length === 0
        ? `Write one into ${file}: schedules: { nightly: { at: "02:00", run: pull --all } }`
        : `${didYouMean(name, known)}Schedules: ${known.join(', ')}`,
  })
}
