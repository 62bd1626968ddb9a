import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { RunProgram, TimerKeeper } from './contract.ts'
import { crontabTimers } from './crontab.ts'
import type { PutFile } from './files.ts'
import { launchdTimers } from './launchd.ts'
import { systemdTimers } from './systemd.ts'
import { taskTimers } from './task-scheduler.ts'

/** This machine, as far as its timers go. */
export interface TimerSystem {
  readonly run: RunProgram
  readonly put: PutFile
  readonly platform: NodeJS.Platform
  readonly home: string
  readonly user: string
  /** 0 where the platform knows none. */
  readonly uid: number
  /** systemd is the first process. */
  readonly hasSystemd: boolean
  /** The time zone of this machine. */
  readonly zone: string
  readonly now: () => Date
}

/** Who keeps the timers of a config here. */
export interface Keepers {
  /** What is used. */
  readonly keeper: TimerKeeper
  /** What may hold timers of ours from another time. */
  readonly others: readonly TimerKeeper[]
  /** Why it is not the one that a person expects. */
  readonly note?: string
}

/** systemd's manager of this user where it answers, else cron; launchd on macOS, the Task Scheduler on Windows. */
export async function keepersFor(config: string, system: TimerSystem, signal: AbortSignal): Promise<Keepers> {
  const { run, put, home, user, uid, zone: machineZone, now } = system
  const id = createHash('sha256').update(config).digest('hex').slice(0, 8)
  if (system.platform === 'win32') return { keeper: taskTimers({ run, id, machineZone, now }), others: [] }
  if (system.platform === 'darwin')
    return { keeper: launchdTimers({ run, put, home, uid, id, machineZone, now }), others: [] }
  const cron = crontabTimers({ run, config, machineZone, now })
  if (!system.hasSystemd) return { keeper: cron, others: [] }
  const manager = await run('systemctl', ['--user', 'show-environment'], { signal })
  // The manager may have been told of another place than the shell.
  const configHome = /^XDG_CONFIG_HOME=(\/.*)$/m.exec(manager.stdout)?.[1] ?? join(home, '.config')
  const systemd = systemdTimers({ run, put, directory: join(configHome, 'systemd/user'), id, user })
  if (manager.status === 0) return { keeper: systemd, others: [cron] }
  return {
    keeper: cron,
    others: [systemd],
    note: `systemd does not answer to ${user} here (systemctl --user), so cron is used`,
  }
}
