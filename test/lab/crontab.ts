import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { find } from './install.ts'

const run = promisify(execFile)

/** Debian's crontab, with a spool of its own: the machine's crontabs stay out of it. */
export interface LabCrontab extends AsyncDisposable {
  text(): Promise<string>
  set(text: string): Promise<void>
}

/**
 * Puts programs into a directory of a PATH: `crontab`, and a `systemctl` that has no manager of the user. The spool is bound
 * over the system's one in a mount namespace of each call. Needs root.
 */
export async function labCrontab(bin: string): Promise<LabCrontab> {
  const spool = join(bin, 'spool')
  await mkdir(spool)
  const bind = 'mount --bind "$0" /var/spool/cron/crontabs && exec "$@"'
  const program = join(bin, 'crontab')
  await writeFile(
    program,
    `#!/bin/sh\nexec unshare --mount sh -c '${bind}' '${spool}' '${find('crontab')}' "$@"\n`,
    { mode: 0o755 },
  )
  await writeFile(join(bin, 'systemctl'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  return {
    text: async () => (await run(program, ['-l'])).stdout,
    async set(text) {
      const child = spawn(program, ['-'], { stdio: ['pipe', 'inherit', 'inherit'] })
      child.stdin.end(text)
      await once(child, 'close')
    },
    [Symbol.asyncDispose]: () => rm(spool, { recursive: true, force: true }),
  }
}
