import type { Command } from 'commander'
import type { Declare } from './program.ts'

export function declareOperateCommands(program: Command, declare: Declare): void {
  declare(
    program
      .command('status')
      .description('how the backups of each host stand, and what needs a person')
      .argument('[host...]', 'only these hosts of the config (default: all)')
      .option('--prometheus <file>', "write the numbers to this file for node_exporter's textfile collector"),
    async () => (await import('../commands/status.ts')).status,
  )
}
