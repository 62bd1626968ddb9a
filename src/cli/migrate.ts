import type { Command } from 'commander'
import type { Declare } from './program.ts'

export function declareMigrateCommands(program: Command, declare: Declare): void {
  declare(
    program
      .command('migrate')
      .description('try a deployment out on another server, or move it there')
      .argument('<from>', 'the host it runs on')
      .argument('<to>', 'the host it is to run on')
      .option('--cutover', 'stop FROM and let TO serve; FROM starts again if anything fails')
      .option('--start', 'start all services on TO, and not only the data services')
      .option('--replace', 'TO need not be empty: what is there is set aside')
      .option('--accept-missing', 'move without what the containers need and no source holds')
      .option('--dry-run', 'print the whole plan and touch nothing')
      .option('--yes', 'do not ask'),
    async () => (await import('../commands/migrate.ts')).migrate,
  )
}
