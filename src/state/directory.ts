import { join } from 'node:path'
import { xdgDirectory } from '../model/home.ts'

/** `$XDG_STATE_HOME/relay-backup`, where this computer keeps what it knows beside the vaults. */
export function stateDirectory(env: NodeJS.ProcessEnv): string {
  return join(xdgDirectory(env, 'XDG_STATE_HOME'), 'relay-backup')
}
