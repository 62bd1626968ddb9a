import { Option, type Command } from 'commander'
import type { StatusFlags } from '../commands/status.ts'
import type { CommandLine } from '../commands/schedule-line.ts'
import { keepMemorySmall } from '../memory.ts'
import { REPORT_PERIODS } from '../model/backup-report.ts'
import type { Declare } from './program.ts'

export function declareOperateCommands(program: Command, declare: Declare, line: CommandLine): void {
  declare(
    program
      .command('status')
      .description('how the backups of each host stand, and what needs a person')
      .argument('[host...]', 'only these hosts of the config (default: all)')
      .option('--prometheus <file>', "write the numbers to this file for node_exporter's textfile collector")
      .option('--alert', 'tell the channels of `notify:` what is due'),
    async () => {
      const { status } = await import('../commands/status.ts')
      return (context, args, flags: StatusFlags) => status(context, args, flags, line)
    },
  )
  declare(
    program
      .command('usage')
      .description('what lies on the servers and in the vault, and how long the disks last')
      .argument('[host...]', 'only these hosts of the config (default: all)'),
    async () => (await import('../commands/usage.ts')).usage,
  )
  declare(
    program
      .command('clean')
      .description('remove old files on a server that a snapshot holds, as `clean:` of the host says')
      .argument('<host>', 'a host of the config')
      .option('--dry-run', 'say what would go and what stays, and remove nothing')
      .option('--yes', 'do not ask'),
    async () => {
      keepMemorySmall()
      return (await import('../commands/clean.ts')).clean
    },
  )
  declare(
    program
      .command('report')
      .description('what became of the backups, and what needs attention first')
      .addOption(
        new Option('--period <period>', 'over how long it looks back (default: week)').choices(
          REPORT_PERIODS,
        ),
      )
      .option('--html <file>', 'write it to this file, too, as one page for people and mail')
      .option('--send', 'send it to the channels of `notify:` that take reports'),
    async () => (await import('../commands/report.ts')).report,
  )
  declare(
    program
      .command('audit')
      .description('who did what on which host and snapshot, and what came of it')
      .option('--host <host>', 'only what was done on this host')
      .option('--since <when>', 'only what was done since: 30d, 2026-03-01')
      .option('--verify', 'check that no line was changed, removed or inserted'),
    async () => (await import('../commands/audit.ts')).audit,
  )
  const notify = program.command('notify').description('the channels that are told of troubles')
  declare(
    notify
      .command('test')
      .description('send a test message to each channel of `notify:`')
      .argument('[channel...]', 'only to these: slack, mail, webhook-2'),
    async () => (await import('../commands/notify-test.ts')).notifyTest,
  )
}
