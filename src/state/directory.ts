import { homedir } from 'node:os'
import { join } from 'node:path'

/** `$XDG_STATE_HOME/relay-backup`, where this computer keeps what it knows beside the vaults. */
export function stateDirectory(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local', 'state'), 'relay-backup')
}
