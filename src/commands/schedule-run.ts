import { UsageError } from '../errors.ts'
import type { Config } from '../model/config.ts'
import { didYouMean } from '../model/nearest.ts'
import type { ScheduleConfig } from '../model/schedule.ts'
import { configOf, type CommandContext, type CommandOutcome } from './context.ts'
import { commandOf, type CommandLine } from './schedule-line.ts'

/** `schedule run NAME`: what the schedule's timer calls. Its outcome is that of what it runs. */
export async function scheduleRun(
  context: CommandContext,
  [name = '']: readonly string[],
  line: CommandLine,
): Promise<CommandOutcome> {
  const config = await configOf(context)
  const command = await commandOf(config, scheduleNamed(config, name), line)
  return command({ ...context, config, cause: { trigger: `schedule:${name}` } })
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
