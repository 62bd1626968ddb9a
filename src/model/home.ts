import { homedir, userInfo } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** The home: `$HOME` where that is an absolute path, else what the system knows. Empty is as if unset. */
export function homeDirectory(env: NodeJS.ProcessEnv): string {
  const home = env['HOME']
  if (home !== undefined && isAbsolute(home)) return home
  const system = process.env['HOME'] === undefined ? homedir() : userInfo().homedir
  if (isAbsolute(system)) return system
  throw new Error('This user has no home directory: set HOME')
}

/**
 * A directory of the XDG base directory specification. A value that is empty or relative is as if unset, as the
 * specification asks.
 */
export function xdgDirectory(env: NodeJS.ProcessEnv, name: 'XDG_STATE_HOME' | 'XDG_CONFIG_HOME'): string {
  const value = env[name]
  if (value !== undefined && isAbsolute(value)) return value
  return join(homeDirectory(env), ...(name === 'XDG_STATE_HOME' ? ['.local', 'state'] : ['.config']))
}
