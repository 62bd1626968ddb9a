import { execFile } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Command, Contender } from '../contract.ts'
import type { Lab, Route } from '../lab.ts'

const run = promisify(execFile)

export interface PeerOptions {
  readonly lab: Lab
  /** A folder for this comparison's repositories. */
  readonly folder: string
  readonly route?: Route
  /** What is backed up. */
  readonly deployment: string
}

/**
 * `ssh host 'tar -c | zstd -3' | gpg -e`, and back. gpg does not compress a second time, which would take it
 * several times as long.
 */
export function shellPipe({ lab, folder, route = lab.route, deployment }: PeerOptions): Contender {
  const file = join(folder, 'backup.tar.zst.gpg')
  const target = join(folder, 'shell-restored')
  const bash = (line: string, ...args: string[]): Command => ({
    argv: ['bash', '-o', 'pipefail', '-c', line, 'bash', route.sshConfig, file, ...args],
    env: lab.gpg.env,
  })
  const gpg = 'gpg --batch --quiet --trust-model always --compress-algo none'
  return {
    name: 'shell pipe',
    reset: () => mkdir(folder, { recursive: true }).then(() => rm(file, { force: true })),
    backup: () =>
      bash(
        `ssh -F "$1" bench "tar -C '$3' -c . | zstd -q -3" | ${gpg} --yes -e -r lab@example.com -o "$2"`,
        deployment,
      ),
    async restore() {
      await rm(target, { recursive: true, force: true })
      await mkdir(target)
      return bash(`${gpg} -d "$2" | ssh -F "$1" bench "zstd -q -d | tar -C '$3' -x"`, target)
    },
  }
}

/** `rsync -a`: a plain copy, neither encrypted nor kept. */
export function rsync({ lab, folder, route = lab.route, deployment }: PeerOptions): Contender {
  const copy = join(folder, 'rsync')
  return {
    name: 'rsync',
    async reset() {
      await rm(copy, { recursive: true, force: true })
      await mkdir(copy, { recursive: true })
    },
    backup: () => ({
      argv: ['rsync', '-a', '-e', `ssh -F ${route.sshConfig}`, `bench:${deployment}/`, `${copy}/`],
    }),
  }
}

/** restic where the data are, its repository on the SSH server by SFTP. */
export function restic({ lab, folder, route = lab.route, deployment }: PeerOptions): Contender {
  const repository = join(folder, 'restic')
  const restic = (...args: string[]): Command => ({
    argv: [
      ...(['restic', '-q', '-r', `sftp:bench:${repository}`] as const),
      ...['-o', `sftp.command=ssh -F ${route.sshConfig} bench -s sftp`, ...args],
    ],
    env: { RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: join(folder, 'restic-cache') },
  })
  return {
    name: 'restic',
    async reset() {
      await rm(repository, { recursive: true, force: true })
      await rm(join(folder, 'restic-cache'), { recursive: true, force: true })
      await mkdir(folder, { recursive: true })
      await once(restic('init'), route)
    },
    backup: () => restic('backup', deployment),
  }
}

/** borg where the data are, its repository on the SSH server. */
export function borg({ lab, folder, route = lab.route, deployment }: PeerOptions): Contender {
  const repository = join(folder, 'borg')
  const url = `ssh://bench${repository}`
  let archives = 0
  const env = {
    BORG_PASSPHRASE: 'bench',
    BORG_BASE_DIR: join(folder, 'borg-base'),
    BORG_RSH: `ssh -F ${route.sshConfig}`,
    BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
  }
  return {
    name: 'borg',
    async reset() {
      await rm(repository, { recursive: true, force: true })
      await rm(join(folder, 'borg-base'), { recursive: true, force: true })
      await mkdir(folder, { recursive: true })
      await once({ argv: ['borg', 'init', '-e', 'repokey-blake2', url], env }, route)
    },
    backup: () => {
      archives += 1
      return { argv: ['borg', 'create', '-C', 'zstd,3', `${url}::${archives}`, deployment], env }
    },
  }
}

/** All of them, in the order of the tables. */
export function peers(options: PeerOptions): Contender[] {
  return [shellPipe(options), rsync(options), restic(options), borg(options)]
}

async function once({ argv, env }: Command, route: Route): Promise<void> {
  const [file = '', ...args] = [...route.wrap, ...argv]
  await run(file, args, { env: { ...process.env, ...env } })
}
