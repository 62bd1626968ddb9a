import { existsSync } from 'node:fs'
import { readlink } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { delimiter, isAbsolute, resolve } from 'node:path'
import { isSea } from 'node:sea'
import { homeDirectory } from '../model/home.ts'
import type { InstalledTimer, TimerKeeper, TimerPlace } from '../timers/contract.ts'
import { keepersFor, type Keepers, type TimerSystem } from '../timers/keepers.ts'
import { runProgram } from '../timers/run-program.ts'
import { replaceFile } from '../vault/durable.ts'
import type { CommandContext } from './context.ts'

/** This machine, as far as its timers go. */
export async function thisSystem({ env, now }: CommandContext): Promise<TimerSystem> {
  const { username, uid } = userInfo()
  return {
    run: runProgram,
    put: (path, text) => replaceFile(path, text, 0o644),
    platform: process.platform,
    home: homeDirectory(env),
    user: username,
    uid: Math.max(uid, 0),
    // As sd_booted(3) has it.
    hasSystemd: existsSync('/run/systemd/system'),
    zone: await machineZone(),
    now,
  }
}

/** The time zone of this machine's own programs, whatever TZ says here. */
async function machineZone(): Promise<string> {
  const link = await readlink('/etc/localtime').catch(() => '')
  const own = /zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(link)?.[1]
  return own ?? new Intl.DateTimeFormat().resolvedOptions().timeZone
}

/** Every keeper that may have timers of a config, with what it has. */
export interface SystemLook extends Keepers {
  readonly kept: readonly { readonly keeper: TimerKeeper; readonly timers: readonly InstalledTimer[] }[]
}

/** What timers of a config this machine has; the keeper that is used comes first. */
export async function lookAtTimers(
  config: string,
  system: TimerSystem,
  signal: AbortSignal,
): Promise<SystemLook> {
  const keepers = await keepersFor(config, system, signal)
  const all = [keepers.keeper, ...keepers.others]
  const kept = await Promise.all(all.map(async (keeper) => ({ keeper, timers: await keeper.list(signal) })))
  return { ...keepers, kept }
}

/** Of these a timer has none, and the program reads them. SSH_AUTH_SOCK is none of them: an agent ends with its session. */
const VARIABLES = ['XDG_CONFIG_HOME', 'XDG_STATE_HOME', 'XDG_CACHE_HOME', 'GNUPGHOME']

/** What a timer calls: this program, as it runs here. */
export function timerPlace({ env }: Pick<CommandContext, 'env'>, config: string): TimerPlace {
  const script = process.argv[1]
  return {
    // The single file is its own Node.
    program: isSea() || script === undefined ? [process.execPath] : [process.execPath, resolve(script)],
    config,
    env: process.platform === 'win32' ? {} : timerVariables(env, userInfo().homedir),
  }
}

/**
 * The variables that a timer must be given.
 *
 * @param systemHome the home that cron and systemd set by themselves
 */
export function timerVariables(env: NodeJS.ProcessEnv, systemHome: string): Record<string, string> {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => isAbsolute(folder))
  const home = homeDirectory(env)
  return {
    PATH: [...new Set(folders)].join(delimiter) || '/usr/local/bin:/usr/bin:/bin',
    ...(home === systemHome ? {} : { HOME: home }),
    ...Object.fromEntries(
      VARIABLES.flatMap((name) => {
        const value = env[name]
        return value !== undefined && isAbsolute(value) ? [[name, value] as const] : []
      }),
    ),
  }
}
