import type { Command } from 'commander'
import type { CommandLine } from '../commands/schedule-line.ts'
import { keepMemorySmall } from '../memory.ts'
import type { Declare } from './program.ts'

export function declareScheduleCommands(program: Command, declare: Declare, line: CommandLine): void {
  const schedule = program.command('schedule').description('run backups by themselves, as the config says')
  declare(
    schedule.command('show').description('when each schedule is due, when it ran last, and what was missed'),
    async () => (await import('../commands/schedule-show.ts')).scheduleShow,
  )
  declare(
    schedule
      .command('run')
      .description('run what a schedule runs, as its timer does')
      .argument('<schedule>', 'its name in the config'),
    async () => {
      keepMemorySmall()
      const { scheduleRun } = await import('../commands/schedule-run.ts')
      return (context, args) => scheduleRun(context, args, line)
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
