import type { Command } from 'commander'
import type { InstallFlags } from '../commands/schedule-choice.ts'
import type { CommandLine } from '../commands/schedule-line.ts'
import type { RemoveFlags } from '../commands/schedule-remove.ts'
import { keepMemorySmall } from '../memory.ts'
import type { Declare } from './program.ts'

export function declareScheduleCommands(program: Command, declare: Declare, line: CommandLine): void {
  const schedule = program.command('schedule').description('run backups by themselves, as the config says')
  declare(
    schedule
      .command('show')
      .description(
        'when each schedule is due, what was missed, what keeps it, and what would keep it from running',
      ),
    async () => {
      const { scheduleShow } = await import('../commands/schedule-show.ts')
      return (context) => scheduleShow(context, line)
    },
  )
  declare(
    schedule
      .command('install')
      .description("have the system's timers keep the schedules of the config")
      .option('--at <time>', 'first write a schedule into the config: every day at this time, like 02:00')
      .option('--every <duration>', 'or evenly, from midnight on, like 12h')
      .option('--cron <fields>', 'or by five fields, as cron has them, like "0 2 * * 0"')
      .option('--time-zone <zone>', "the time zone of its times (default: this machine's)")
      .option('--run <line>', 'what it runs (default: pull --all)')
      .option('--name <name>', 'its name (default: backup)')
      .option('--dry-run', 'only print what would be written')
      .option('--yes', 'do not ask, and replace what somebody has changed'),
    async () => {
      const { scheduleInstall } = await import('../commands/schedule-install.ts')
      return (context, _args, flags: InstallFlags) => scheduleInstall(context, flags, line)
    },
  )
  declare(
    schedule
      .command('remove')
      .description('take away the timers of the config; the config stays as it is')
      .argument('[schedule...]', 'only of these schedules (default: all)')
      .option('--yes', 'do not ask, and take away what somebody has changed'),
    async () => {
      const { scheduleRemove } = await import('../commands/schedule-remove.ts')
      return (context, args, flags: RemoveFlags) => scheduleRemove(context, args, flags)
    },
  )
  declare(
    schedule
      .command('run')
      .description('run what a schedule runs, as its timer does')
      .argument('<schedule>', 'its name in the config')
      .option('--if-due', 'only when it is due: for timers that fire more often than it'),
    async () => {
      keepMemorySmall()
      const { scheduleRun } = await import('../commands/schedule-run.ts')
      return (context, args, flags: { readonly ifDue?: boolean }) => scheduleRun(context, args, flags, line)
    },
  )
  declare(
    program
      .command('daemon')
      .description(
        'keep the schedules of the config in this process, until SIGTERM; SIGHUP reads the config anew',
      ),
    async () => {
      keepMemorySmall()
      const { daemon } = await import('../commands/daemon.ts')
      return (context, args) => daemon(context, args, line)
    },
  )
}
