import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** Makes a local path of the config absolute: `~` is the home directory, anything else is relative to `base`. */
export function resolveLocalPath(path: string, base: string, env: NodeJS.ProcessEnv): string {
  if (path === '~') return homeDirectory(env)
  if (path.startsWith('~/')) return join(homeDirectory(env), path.slice(2))
  return resolve(base, path)
}

/** `$HOME`, or what the system says when it is not set. */
export function homeDirectory(env: NodeJS.ProcessEnv): string {
  return env['HOME'] || homedir()
}
