import { join } from 'node:path'
import type { CommandContext } from '../../src/commands/context.ts'

/** A command with this config as nobody watches it: no terminal, nothing printed, its state in `cwd`. `own` wins. */
export function commandContext(
  config: string,
  cwd: string,
  own: Partial<CommandContext> = {},
): CommandContext {
  return {
    globals: { config, json: false, quiet: true, verbose: false, color: false },
    signal: new AbortController().signal,
    interactive: false,
    output: process.stdout,
    columns: undefined,
    progress: { mode: 'quiet', stream: process.stderr, verbose: false, color: false },
    color: false,
    env: { XDG_STATE_HOME: join(cwd, 'state') },
    cwd,
    now: () => new Date(),
    ...own,
  }
}
