import type { Command } from 'commander'
import type { Declare } from './program.ts'

export function declareCheckCommand(program: Command, declare: Declare): void {
  declare(
    program
      .command('check')
      .description('look whether everything that backups need is in order; change nothing')
      .argument('[host...]', 'only these hosts of the config (default: all)'),
    async () => (await import('../commands/check.ts')).check,
  )
}
