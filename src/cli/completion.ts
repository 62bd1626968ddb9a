import { Argument, type Command } from 'commander'
import type { Declare } from './program.ts'
import { wantedAt } from './wanted.ts'

export function declareCompletionCommands(program: Command, declare: Declare): void {
  declare(
    program
      .command('completion')
      .description('print what lets a shell complete commands, flags, hosts, snapshots and sources')
      .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish'])),
    async () => (await import('../commands/completion.ts')).completion,
  )
  declare(
    program
      .command('__complete', { hidden: true })
      .description('what may stand at the last of these words; asked by the script of a shell')
      .argument('[word...]', 'the command line up to there, without the program'),
    async () => {
      const { complete } = await import('../commands/complete.ts')
      return (context, words) => complete(context, wantedAt(program, words))
    },
  )
}
