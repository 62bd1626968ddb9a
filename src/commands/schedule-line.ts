import type { ConfigProblem } from '../errors.ts'
import { selectHosts } from '../config/select-hosts.ts'
import { ConfigError, UsageError } from '../errors.ts'
import type { Config, HostConfig } from '../model/config.ts'
import { didYouMean } from '../model/nearest.ts'
import type { ScheduleConfig } from '../model/schedule.ts'
import type { CommandContext, CommandOutcome } from './context.ts'

/** What stands behind a command. */
export interface TypedCommand {
  readonly args: readonly string[]
  readonly flags: Readonly<Record<string, unknown>>
}

/** A command line that the program takes. */
export interface ParsedLine extends TypedCommand {
  readonly command: (context: CommandContext) => Promise<CommandOutcome>
}

/** Reads a command line of the config as the program reads its own. */
export interface CommandLine {
  readonly parse: (
    words: readonly string[],
  ) => Promise<ParsedLine | { readonly problem: string; readonly hint?: string | undefined }>
}

/** What a schedule may run. */
const RUNNABLE = ['pull', 'verify', 'status', 'report']

/** The command of a schedule; ConfigError when the program would refuse it. */
export async function commandOf(
  config: Config,
  schedule: ScheduleConfig,
  line: CommandLine,
): Promise<(context: CommandContext) => Promise<CommandOutcome>> {
  const [verb = ''] = schedule.run
  if (!RUNNABLE.includes(verb)) {
    throw refused(config, schedule, {
      message: verb === '' ? 'names no command' : 'names a command that no schedule runs',
      suggestion: `${didYouMean(verb, RUNNABLE)}A schedule runs ${RUNNABLE.join(', ')}: "pull --all"`,
    })
  }
  const parsed = await line.parse(schedule.run)
  if ('command' in parsed) return parsed.command
  const { problem, hint } = parsed
  throw refused(config, schedule, {
    message: problem,
    suggestion: `${hint === undefined ? '' : `${hint} `}See: relay-backup ${verb} --help`,
  })
}

/** The hosts that a schedule pulls; none where it pulls nothing, or where the program would refuse it. */
export async function pulledHosts(
  config: Config,
  schedule: ScheduleConfig,
  line: CommandLine,
): Promise<readonly HostConfig[]> {
  if (schedule.run[0] !== 'pull') return []
  const parsed = await line.parse(schedule.run)
  if (!('command' in parsed)) return []
  const { all, tag } = parsed.flags as { readonly all?: boolean; readonly tag?: string }
  try {
    return selectHosts(config, { names: parsed.args, all: all === true, tag })
  } catch (error) {
    if (error instanceof UsageError) return []
    throw error
  }
}

/** Every problem with what the schedules run. */
export async function scheduleProblems(config: Config, line: CommandLine): Promise<readonly ConfigProblem[]> {
  const problems: ConfigProblem[] = []
  for (const schedule of config.schedules) {
    await commandOf(config, schedule, line).catch((error: unknown) => {
      if (!(error instanceof ConfigError)) throw error
      problems.push(...error.problems)
    })
  }
  return problems
}

function refused(
  { file }: Config,
  { name }: ScheduleConfig,
  { message, suggestion }: Pick<ConfigProblem, 'message' | 'suggestion'>,
): ConfigError {
  return new ConfigError([{ file, path: `schedules.${name}.run`, message, suggestion }])
}
