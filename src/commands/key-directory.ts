import { dirname, join, relative, resolve, sep } from 'node:path'
import { findConfigFile } from '../config/find-file.ts'
import { UsageError } from '../errors.ts'
import type { CommandContext } from './context.ts'

/** Where keys are put, and how the config names a file there. */
export interface KeyDirectory {
  readonly path: string
  /** Relative to the config file where that is shorter to read, else absolute. */
  inConfig(file: string): string
}

/** `--out`, else `keys/` beside the config file, else `keys/` here when there is no config yet. */
export async function keyDirectory(context: CommandContext, out: string | undefined): Promise<KeyDirectory> {
  const base = await configDirectory(context)
  return {
    path: out === undefined ? join(base, 'keys') : resolve(context.cwd, out),
    inConfig: (file) => {
      const path = relative(base, file)
      return path.startsWith('..') ? file : path.split(sep).join('/')
    },
  }
}

async function configDirectory({ globals, cwd, env }: CommandContext): Promise<string> {
  try {
    return dirname(await findConfigFile({ file: globals.config, cwd, env }))
  } catch (error) {
    const named = globals.config !== undefined || Boolean(env['RELAY_BACKUP_CONFIG'])
    if (named || !(error instanceof UsageError)) throw error
    return cwd
  }
}
