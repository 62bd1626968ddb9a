import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { UsageError } from '../errors.ts'
import { xdgDirectory } from '../model/home.ts'

/** Where a command's config is looked for. */
export interface ConfigLocation {
  /** `--config`. */
  readonly file?: string | undefined
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
}

/**
 * The absolute path of the config file: `--config`, `$RELAY_BACKUP_CONFIG`, `./hosts.yaml`, then the XDG config
 * directory. A place that was named must have it; nothing else is tried then.
 *
 * @throws UsageError that lists where it looked.
 */
export async function findConfigFile({ file, cwd, env }: ConfigLocation): Promise<string> {
  const fromEnvironment = env['RELAY_BACKUP_CONFIG']
  const named = file ?? (fromEnvironment === '' ? undefined : fromEnvironment)
  if (named !== undefined) {
    const path = resolve(cwd, named)
    if (await exists(path)) return path
    throw new UsageError(
      `No config file at ${path} (${file === undefined ? 'from $RELAY_BACKUP_CONFIG' : 'from --config'})`,
      { next: 'Correct the path, or leave it out to use ./hosts.yaml' },
    )
  }
  const xdg = xdgDirectory(env, 'XDG_CONFIG_HOME')
  const candidates = [resolve(cwd, 'hosts.yaml'), join(xdg, 'relay-backup', 'hosts.yaml')]
  for (const candidate of candidates) {
    if (await exists(candidate)) return candidate
  }
  throw new UsageError(`No config file; looked for ${candidates.join(' and ')}`, {
    next: 'Copy hosts.example.yaml to hosts.yaml and edit it, make a key pair with: relay-backup key generate, or name a config file with --config FILE',
  })
}

async function exists(path: string): Promise<boolean> {
  try {
    return !(await stat(path)).isDirectory()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    throw new UsageError(`Can't look at the config file ${path}: ${code ?? 'unknown error'}`, {
      next: `Make it readable for you: ls -ld ${path}`,
      cause: error,
    })
  }
}
