import { resolve } from 'node:path'
import { findConfigFile } from '../config/find-file.ts'
import { InterruptedError, UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import { didYouMean } from '../model/nearest.ts'
import { printable } from '../model/path-bytes.ts'
import { formatCount } from '../model/units.ts'
import type { TimerKeeper } from '../timers/contract.ts'
import type { TimerSystem } from '../timers/keepers.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { InitTalk } from './init-talk.ts'
import { lookAtTimers, thisSystem } from './schedule-system.ts'

/** The flags of `schedule remove` as commander hands them over. */
export interface RemoveFlags {
  readonly yes?: boolean
}

/** `schedule remove [schedule…]`: takes away the timers of these schedules, or of all of this config. The config stays. */
export async function scheduleRemove(
  context: CommandContext,
  names: readonly string[],
  flags: RemoveFlags,
  system?: TimerSystem,
): Promise<CommandOutcome> {
  const { signal } = context
  const file = await configPath(context)
  const { kept } = await lookAtTimers(file, system ?? (await thisSystem(context)), signal)
  const there = kept.flatMap(({ timers }) => timers.map(({ name }) => name))
  const unknown = names.find((name) => !there.includes(name))
  if (unknown !== undefined)
    throw new UsageError(`There is no timer of "${printable(unknown)}" of this config`, {
      next:
        there.length === 0
          ? 'Nothing is installed: relay-backup schedule show'
          : `${didYouMean(unknown, there)}Timers: ${there.map(printable).join(', ')}`,
    })
  const wanted = (name: string) => names.length === 0 || names.includes(name)
  const parts = kept.map(({ keeper, timers }) => ({
    keeper,
    timers: timers.filter(({ name }) => wanted(name)),
  }))
  const removed = parts.flatMap(({ timers }) => timers.map(({ name }) => name))
  if (removed.length > 0 && flags.yes !== true) {
    if (context.interactive) {
      const talk = new InitTalk(context)
      if (!(await talk.yes(`Take away the ${formatCount(removed.length, 'timer')} of ${printable(file)}?`)))
        throw new InterruptedError('Nothing was changed')
    } else {
      for (const { keeper, timers } of parts) {
        const edited = timers.filter(({ isEdited }) => isEdited).map(({ name }) => name)
        if (edited.length > 0) throw editedError(edited, keeper)
      }
    }
  }
  for (const { keeper, timers } of parts)
    if (timers.length > 0) await keeper.apply({ put: [], remove: timers.map(({ name }) => name) }, signal)
  const additions = parts.flatMap(({ timers }) => timers.flatMap((timer) => timer.additions ?? []))
  return {
    exitCode: ExitCode.done,
    text: [
      removed.length === 0
        ? 'There is no timer of this config.'
        : `Taken away: ${removed.map(printable).join(', ')}. The schedules stay in the config.`,
      ...additions.map((path) => `Not ours, and left: ${printable(path)}`),
    ].join('\n'),
    quiet: '',
    json: { removed },
  }
}

/** What somebody has changed is not replaced, and not taken away, unless that is asked for. */
export function editedError(names: readonly string[], keeper: Pick<TimerKeeper, 'where'>): UsageError {
  const where = names.map((name) => `${printable(name)} (${printable(keeper.where(name))})`).join(', ')
  return new UsageError(`Somebody has changed what was installed for ${where}; nothing was done`, {
    next: 'Look at the change; to have it replaced or taken away, add --yes',
  })
}

/** Also of a config that is gone: its timers can still be taken away. */
async function configPath({ globals, cwd, env }: CommandContext): Promise<string> {
  if (globals.config !== undefined) return resolve(cwd, globals.config)
  return await findConfigFile({ file: undefined, cwd, env })
}
