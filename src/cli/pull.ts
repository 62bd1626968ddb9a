import { type Command, Option } from 'commander'
import { CAPTURE_TYPES } from '../model/config.ts'
import { keepMemorySmall } from '../memory.ts'
import type { Declare } from './program.ts'

export function declarePullCommands(program: Command, declare: Declare): void {
  declare(
    program
      .command('pull')
      .description('capture hosts now: an encrypted, read-back snapshot of each into the vault')
      .argument('[host...]', 'hosts of the config; with one host configured it may be left out')
      .option('--all', 'every host of the config')
      .option('--tag <tag>', 'every host with this tag')
      .option('--source <source...>', 'only these sources (the snapshot is then not complete)')
      .addOption(
        new Option(
          '--type <type>',
          'databases by their schema or data alone, or in full, whatever their `capture` says',
        ).choices(CAPTURE_TYPES),
      )
      .option('--full', 'all of every source, not just what changed since the last pull')
      .option('--if-older-than <duration>', 'skip hosts whose newest complete snapshot is younger, e.g. 20h')
      .option('--jobs <n>', 'hosts at a time (default: 4)')
      .option('--bandwidth <rate>', 'limit for all hosts together, e.g. 10MiB/s')
      .option('--dry-run', 'connect, look around and say what would be captured; change nothing')
      .option('--no-rotate', 'keep snapshots that retention would remove'),
    async () => {
      keepMemorySmall()
      return (await import('../commands/pull.ts')).pull
    },
  )
  declare(
    program
      .command('demo')
      .description('the whole story on this machine, with nothing configured and nothing left behind')
      .option('--keep <dir>', 'keep what the demo made in this directory'),
    async () => {
      keepMemorySmall()
      return (await import('../commands/demo.ts')).demo
    },
  )
}
