import { join, resolve } from 'node:path'
import { homeDirectory } from '../model/home.ts'

/** Makes a local path of the config absolute: `~` is the home directory, anything else is relative to `base`. */
export function resolveLocalPath(path: string, base: string, env: NodeJS.ProcessEnv): string {
  if (path === '~') return homeDirectory(env)
  if (path.startsWith('~/')) return join(homeDirectory(env), path.slice(2))
  return resolve(base, path)
}
