import { CommanderError, type Command } from 'commander'
import type { CommandLine } from '../commands/schedule-line.ts'
import type { CommandContext, CommandOutcome, GlobalOptions } from '../commands/context.ts'

type Run = (
  globals: GlobalOptions,
  command: (context: CommandContext) => Promise<CommandOutcome>,
) => Promise<void>

/** The program's own declarations, as what reads and runs a command line of the config. */
export function commandLine(createProgram: (run: Run) => Command): CommandLine {
  return {
    async parse(words) {
      let command: ((context: CommandContext) => Promise<CommandOutcome>) | undefined
      const program = createProgram((_globals, one) => {
        command = one
        return Promise.resolve()
      })
      // Nothing of it is for the terminal: its help would end the program.
      silence(program)
      try {
        await program.parseAsync([...words], { from: 'user' })
      } catch (error) {
        if (!(error instanceof CommanderError)) throw error
        const [message = '', hint] = error.message.replace(/^error: /, '').split('\n')
        return { problem: message, hint: hint?.replace(/^\((.*)\)$/, '$1') }
      }
      return command === undefined ? { problem: 'it runs nothing' } : { command }
    },
  }
}

function silence(command: Command): void {
  command.configureOutput({ writeOut: () => {}, writeErr: () => {}, outputError: () => {} })
  command.commands.forEach((one) => silence(one))
}
