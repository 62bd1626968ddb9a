import { readFile } from 'node:fs/promises'
import { findConfigFile } from '../config/find-file.ts'
import { parseConfig } from '../config/load.ts'
import { ConfigError, InterruptedError, UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { Config } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { formatCount } from '../model/units.ts'
import { planTimers, type TimerPlan, type TimerReason } from '../schedule/timer-plan.ts'
import { momentWords, nextDue, timeWords } from '../schedule/times.ts'
import type { TimerKeeper } from '../timers/contract.ts'
import type { TimerSystem } from '../timers/keepers.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { InitTalk } from './init-talk.ts'
import { replaceConfig } from './init-write.ts'
import {
  chooseSchedule,
  chosenByFlags,
  configWith,
  type ChosenSchedule,
  type InstallFlags,
} from './schedule-choice.ts'
import { scheduleProblems, type CommandLine } from './schedule-line.ts'
import { editedError, scheduleRemove } from './schedule-remove.ts'
import { lookAtTimers, thisSystem, timerPlace, type SystemLook } from './schedule-system.ts'
import { tell } from './tell.ts'

/**
 * `schedule install`: has the system's timers keep the schedules of the config, and no others of it. With a time in the
 * flags, or chosen at a terminal, that schedule is written into the config first.
 */
export async function scheduleInstall(
  context: CommandContext,
  flags: InstallFlags,
  line: CommandLine,
  system?: TimerSystem,
): Promise<CommandOutcome> {
  const { env, cwd, globals, signal } = context
  const file = await findConfigFile({ file: globals.config, cwd, env })
  const before = await readFile(file, 'utf8')
  const own = system ?? (await thisSystem(context))
  const talks = context.interactive && flags.yes !== true && flags.dryRun !== true
  let chosen = chosenByFlags(flags)
  if (chosen === undefined && talks) {
    const choice = await chooseSchedule(context, parseConfig(before, file, env).schedules)
    if (choice === 'remove') return await scheduleRemove(context, [], {}, own)
    chosen = choice === 'as-configured' ? undefined : choice
  }
  const text = chosen === undefined ? before : configWith(before, file, chosen, env)
  const config = await usable(parseConfig(text, file, env), line)
  const look = await lookAtTimers(file, own, signal)
  const { keeper } = look
  const plan = planTimers(config.schedules, look.kept[0]?.timers ?? [], keeper, timerPlace(context, file))
  if (flags.dryRun === true) return dryRun(config, text === before ? undefined : text, plan, keeper)
  const strays = look.kept.slice(1).flatMap(({ timers }) => timers)
  const isDone = plan.steps.length === 0 && strays.length === 0 && text === before
  if (!isDone) await consent(context, flags, { plan, chosen, file, keeper, talks })
  if (text !== before) await replaceConfig(file, before, text)
  try {
    await keeper.apply(plan, signal)
  } catch (error) {
    // The config says what is there.
    if (text !== before) await replaceConfig(file, text, before)
    throw error
  }
  // Where another program of the system kept them until now, both would.
  for (const { keeper: other, timers } of look.kept.slice(1))
    if (timers.length > 0) await other.apply({ put: [], remove: timers.map(({ name }) => name) }, signal)
  return await told(context, config, look, plan)
}

/** Throws ConfigError for what the program can't run, and UsageError where there is nothing to install. */
async function usable(config: Config, line: CommandLine): Promise<Config> {
  const problems = await scheduleProblems(config, line)
  if (problems.length > 0) throw new ConfigError(problems)
  if (config.schedules.length === 0)
    throw new UsageError('The config has no schedules', {
      next: 'Say when backups shall be made: relay-backup schedule install --at 02:00',
    })
  return config
}

const REASONS: Readonly<Record<TimerReason, string>> = {
  new: 'is new',
  changed: 'is written anew: the config, the program or the variables are others',
  edited: 'was changed by somebody, and would be replaced',
  stopped: 'is started again',
  gone: 'is taken away: its schedule is not in the config',
}

async function consent(
  context: CommandContext,
  flags: InstallFlags,
  what: {
    readonly plan: TimerPlan
    readonly chosen: ChosenSchedule | undefined
    readonly file: string
    readonly keeper: TimerKeeper
    readonly talks: boolean
  },
): Promise<void> {
  const { plan, chosen, file, keeper, talks } = what
  if (flags.yes === true) return
  if (talks) {
    if (chosen !== undefined) tell(context, `${printable(file)} gets the schedule ${chosen.name}.`)
    for (const { name, reason } of plan.steps)
      tell(context, `The timer of ${printable(name)} (${printable(keeper.where(name))}) ${REASONS[reason]}.`)
    if (await new InitTalk(context).yes('Do this?')) return
    throw new InterruptedError('Nothing was changed')
  }
  if (plan.edited.length === 0) return
  throw editedError(plan.edited, keeper)
}

/** What would be written, whole. */
function dryRun(
  config: Config,
  text: string | undefined,
  plan: TimerPlan,
  keeper: TimerKeeper,
): CommandOutcome {
  const parts = [
    ...(text === undefined ? [] : [`# ${printable(config.file)} would be:`, text.trimEnd()]),
    ...plan.steps.map(({ name, reason }) => `# ${keeper.where(name)}, ${name}: ${REASONS[reason]}`),
    ...plan.put.flatMap(({ text: written }) => written.map((one) => one.trimEnd())),
    ...(plan.steps.length === 0 ? ['# The timers are as the config says.'] : []),
  ]
  return {
    exitCode: ExitCode.done,
    text: parts.join('\n'),
    verbatim: true,
    json: { keeper: keeper.name, config: text ?? null, timers: plan.put, remove: plan.remove },
  }
}

async function told(
  context: CommandContext,
  config: Config,
  { keeper, note, kept }: SystemLook,
  plan: TimerPlan,
): Promise<CommandOutcome> {
  const now = context.now()
  const advice = await keeper.advice(context.signal)
  const additions = kept.flatMap(({ timers }) => timers.flatMap((timer) => timer.additions ?? []))
  const taken = plan.remove.length === 0 ? [] : [`Taken away: ${plan.remove.map(printable).join(', ')}`]
  const lines = config.schedules.map((one) => {
    const next = momentWords(nextDue(one, now), now, one.timeZone)
    return `${one.name}: ${timeWords(one)}, next: ${next}: ${one.run.join(' ')}`
  })
  const state =
    plan.steps.length === 0
      ? 'as they were'
      : `${formatCount(plan.put.length, 'timer')} written and read back`
  const warnings = [
    ...(note === undefined ? [] : [note]),
    ...advice,
    ...additions.map((path) => `Somebody's own settings stay in force: ${path}`),
  ]
  return {
    exitCode: ExitCode.done,
    text: [
      `Kept by ${keeper.name}: ${state}`,
      ...lines.map((one) => `  ${one}`),
      ...taken,
      ...warnings.map(printable),
      'Would they run while nobody is there? See: relay-backup schedule show',
    ].join('\n'),
    quiet: '',
    json: {
      keeper: keeper.name,
      written: plan.put.map(({ name }) => name),
      removed: plan.remove,
      schedules: config.schedules.map((one) => ({ name: one.name, next: nextDue(one, now).toISOString() })),
      notes: warnings,
    },
  }
}
