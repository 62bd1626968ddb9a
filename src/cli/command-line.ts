import { CommanderError, type Command } from 'commander'
import type { CommandLine, ParsedLine } from '../commands/schedule-line.ts'
import type { Run } from './program.ts'

/** The program's own declarations, as what reads and runs a command line of the config. */
export function commandLine(createProgram: (run: Run) => Command): CommandLine {
  return {
    async parse(words) {
      let found: ParsedLine | undefined
      const program = createProgram((_globals, command, typed) => {
        found = { command, ...typed }
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
      return found ?? { problem: 'it runs nothing' }
    },
  }
}

function silence(command: Command): void {
  command.configureOutput({ writeOut: () => {}, writeErr: () => {}, outputError: () => {} })
  command.commands.forEach((one) => silence(one))
}
