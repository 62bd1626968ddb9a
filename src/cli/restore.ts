import { type Command, Option } from 'commander'
import { keepMemorySmall } from '../memory.ts'
import type { Declare } from './program.ts'

export function declareRestoreCommands(program: Command, declare: Declare): void {
  declare(
    program
      .command('restore')
      .description('put a snapshot back: onto the same host, another one, or a new server')
      .argument(
        '[snapshot]',
        'default: the newest complete one of --from, else of --host; at a terminal a list to choose from',
      )
      .requiredOption('--host <host>', 'where to: a host of the config, or user@address[:port]')
      .option('--deployment <path>', 'the deployment on a host that is not in the config')
      .option('--from <host>', 'whose newest snapshot')
      .option('--source <source...>', 'only these sources')
      .option(
        '--path <source:path...>',
        'only these files, directories or tables, e.g. logs:logs/app.log or app_db:app.public.users',
      )
      .addOption(
        new Option('--strategy <strategy>', 'replace what is there, or only add what is missing')
          .choices(['replace', 'merge'])
          .default('replace'),
      )
      .option(
        '--target <name>',
        'put the one source asked for into this source of the host, or, as a database of this name, beside what is live',
      )
      .option(
        '--match <table:columns...>',
        'with --strategy merge: unique keys by which rows are known beside the primary ones, e.g. users:email',
      )
      .option('--dry-run', 'print the whole plan and touch nothing')
      .option('--yes', 'do not ask')
      .option('--no-start', 'leave the services stopped')
      .option('--no-safety', 'no safety snapshot of what is replaced')
      .option(
        '--accept-changes',
        'go on although Compose would not make some services as they run, because a variable of a shell did',
      ),
    async () => {
      keepMemorySmall()
      return (await import('../commands/restore.ts')).restore
    },
  )
  declare(
    program
      .command('rollback')
      .description('finish or undo the last restore from its journal on the server')
      .requiredOption('--host <host>', 'the host that was restored to')
      .option('--deployment <path>', 'the deployment on a host that is not in the config')
      .option('--restore <id>', 'which restore; default: the last one')
      .option('--discard', 'remove what closed restores have set aside, for good')
      .option(
        '--accept-changes',
        'go on although Compose would not make some services as they run, because a variable of a shell did',
      )
      .option('--yes', 'do not ask'),
    async () => {
      keepMemorySmall()
      return (await import('../commands/rollback.ts')).rollback
    },
  )
}
