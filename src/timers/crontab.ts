import { timerError } from './command.ts'
import { sameText, type RunProgram, type TimerKeeper } from './contract.ts'
import { crontabEntry, timersIn, withTimers } from './crontab-text.ts'
import { runOrThrow } from './run-program.ts'
import { systemTimes } from './times.ts'

/** What the lines of a crontab are kept with. */
export interface CrontabParts {
  readonly run: RunProgram
  readonly config: string
  readonly machineZone: string
  readonly now: () => Date
}

const NEXT = 'Install cron (apt install cron), or let the schedules be kept by: relay-backup daemon'
const LOOK = 'See what is in it: crontab -l'

/** A block of this user's crontab. */
export function crontabTimers({ run, config, machineZone, now }: CrontabParts): TimerKeeper {
  /** Undefined: there is no cron. */
  async function read(signal: AbortSignal): Promise<string | undefined> {
    const { status, stdout, stderr } = await run('crontab', ['-l'], { signal })
    if (status === undefined) return undefined
    if (status === 0) return stdout
    // Debian's and cronie's words, then busybox's.
    if (/no crontab for|can't open .*No such file/i.test(stderr)) return ''
    throw timerError("The crontab can't be read", 'See why: crontab -l', { stderr: stderr.trim() })
  }
  const write = async (text: string, signal: AbortSignal) => {
    // An empty crontab is as none; nothing of ours is left then.
    if (text === '') await runOrThrow(run, 'crontab', ['-r'], { signal }, LOOK)
    else await runOrThrow(run, 'crontab', ['-'], { signal, input: text }, LOOK)
  }

  return {
    name: 'cron',
    where: () => 'the crontab',
    render: (schedule, place) => [crontabEntry(schedule, place, systemTimes(schedule, machineZone, now()))],
    same: sameText,
    list: async (signal) => timersIn((await read(signal)) ?? '', config),
    async apply(change, signal) {
      const before = await read(signal)
      if (before === undefined) throw timerError('There is no cron on this machine', NEXT)
      const text = withTimers(before, config, change)
      if (text === before) return
      await write(text, signal)
      if ((await read(signal)) === text) return
      await write(before, signal)
      throw timerError(
        'cron holds another text than was written, so the crontab was put back as it was',
        'Look whether another program writes to it, and run it again: crontab -l',
      )
    },
    advice: () => Promise.resolve([]),
  }
}
