import type { Command } from 'commander'
import type { CommandLine } from '../commands/schedule-line.ts'
import type { Declare } from './program.ts'

export function declareConfigCommands(program: Command, declare: Declare, line: CommandLine): void {
  const config = program.command('config').description('check the config file, or print its schema')
  declare(
    config.command('check').description('say whether the config is good, with every problem and its line'),
    async () => {
      const { configCheck } = await import('../commands/config-check.ts')
      return (context) => configCheck(context, line)
    },
  )
  declare(
    config.command('schema').description('print the JSON Schema of hosts.yaml, for editors'),
    async () => (await import('../commands/config-schema.ts')).configSchemaCommand,
  )
}
