import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { ConnectionError } from '../../errors.ts'
import { homeDirectory } from '../../model/home.ts'
import { printable } from '../../model/path-bytes.ts'
import { parseSettings } from './settings.ts'
import type { Settings } from './settings.ts'

/** ms; `Match exec` may run what it likes. */
const PATIENCE = 30_000

/**
 * What the OpenSSH of this machine would do: `ssh -G` with these arguments. Undefined where there is no OpenSSH.
 *
 * @throws ConnectionError `ssh-config` with OpenSSH's own words when it takes the config for wrong.
 */
export async function askOpenSsh(
  args: readonly string[],
  signal: AbortSignal,
): Promise<Settings | undefined> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    // -T: without a terminal on stdin it would warn.
    const child = execFile(
      'ssh',
      ['-T', '-G', ...args],
      { signal, timeout: PATIENCE, maxBuffer: 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error === null) return resolve(parseSettings(stdout))
        if (signal.aborted) return reject(signal.reason as Error)
        if (error.code === 'ENOENT') return resolve(undefined)
        const why = stderr.trim() || (error.killed === true ? 'it took longer than 30 s' : error.message)
        reject(
          new ConnectionError('ssh-config', `OpenSSH does not take its config: ${printable(why)}`, {
            next: `Correct it, and compare with: ssh -G ${args.at(-1)}`,
            cause: error,
          }),
        )
      },
    )
    child.stdin?.end()
  })
}

let defaults: Settings | undefined

/** What OpenSSH does without any config: asked once a process. Undefined where there is no OpenSSH. */
export async function openSshDefaults(signal: AbortSignal): Promise<Settings | undefined> {
  return (defaults ??= await askOpenSsh(['-F', 'none', '--', 'localhost'], signal))
}

const SYSTEM_CONFIG = '/etc/ssh/ssh_config'

/**
 * The config files that count, the user's own first. OpenSSH knows the home from the user database alone; where `$HOME` says
 * otherwise, the file of that home counts, as everywhere in this program, and the system's does not.
 */
export function configFiles(env: NodeJS.ProcessEnv): readonly [string, ...string[]] {
  const home = homeDirectory(env)
  const file = userConfigFile(home)
  return home === userInfo().homedir ? [file, SYSTEM_CONFIG] : [file]
}

/** The arguments that choose these files: none for those that OpenSSH reads on its own. */
export async function configFileArguments(env: NodeJS.ProcessEnv): Promise<string[]> {
  const [own, system] = configFiles(env)
  if (system !== undefined) return []
  return ['-F', (await exists(own)) ? own : 'none']
}

/** A user's own config file of OpenSSH. */
export function userConfigFile(home: string): string {
  return join(home, '.ssh', 'config')
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
