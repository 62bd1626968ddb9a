import type { Command } from 'commander'
import { keepMemorySmall } from '../memory.ts'
import type { Declare } from './program.ts'
import { SNAPSHOT_HELP } from './vault.ts'

const WHAT_HELP = 'a source, or a path in it: logs: logs:logs/app.log'

export function declareLookCommands(program: Command, declare: Declare): void {
  declare(
    program
      .command('ls')
      .description('what is in a snapshot: its sources, or what is at a path of one')
      .argument('<snapshot>', SNAPSHOT_HELP)
      .argument('[what...]', WHAT_HELP)
      .option('-l, --long', 'with mode, owner, size and time')
      .option('-R, --recursive', 'all that lies below, too'),
    async () => (await import('../commands/ls.ts')).ls,
  )
  declare(
    program
      .command('cat')
      .description('write the bytes of one file of a snapshot to stdout')
      .argument('<snapshot>', SNAPSHOT_HELP)
      .argument('<what>', 'the file: logs:logs/app.log'),
    async () => {
      keepMemorySmall()
      return (await import('../commands/cat.ts')).cat
    },
  )
  declare(
    program
      .command('extract')
      .description('write what a snapshot holds below a directory of this machine, in plain')
      .argument('<snapshot>', SNAPSHOT_HELP)
      .argument('[what...]', `only this: ${WHAT_HELP}`)
      .requiredOption('--to <dir>', 'the directory; it is made where it is not there')
      .option('--overwrite', 'replace files that lie there already'),
    async () => {
      keepMemorySmall()
      return (await import('../commands/extract.ts')).extract
    },
  )
  declare(
    program
      .command('find')
      .description('which snapshots have a file of this name, each version once')
      .argument('<name>', "a name, or a path, in which * and ? stand for anything: '*.log'")
      .option('--host <host>', 'only in snapshots of this host')
      .option('--since <duration>', 'only in snapshots younger than this: 30d'),
    async () => (await import('../commands/find.ts')).find,
  )
}
