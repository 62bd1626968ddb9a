import { readAsset } from '../assets.ts'
import { ExitCode } from '../exit-codes.ts'
import type { CommandContext, CommandOutcome } from './context.ts'

/** `completion SHELL`: the script that makes a shell ask the hidden `__complete`. */
export function completion(_: CommandContext, [shell = '']: readonly string[]): Promise<CommandOutcome> {
  const text = readAsset(`commands/shells/completion.${shell}`).toString().trimEnd()
  return Promise.resolve({ exitCode: ExitCode.done, text, verbatim: true, json: { shell, script: text } })
}
