import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { VaultError } from '../errors.ts'
import { formatSize } from '../model/units.ts'

interface Words {
  readonly code: string
  readonly message: string
  readonly next: string
}

const WORDS: Record<string, Words> = {
  ENOSPC: {
    code: 'disk-full',
    message: 'The disk of the vault is full',
    next: 'Free some space there, or set `vault` to a directory on a larger disk, and run again.',
  },
  EDQUOT: {
    code: 'disk-full',
    message: 'Your quota on the disk of the vault is used up',
    next: 'Free some space there, or set `vault` to a directory on another disk, and run again.',
  },
  EACCES: {
    code: 'vault-permission',
    message: 'The vault does not let this user in',
    next: 'Run as the user who owns the vault, or give the directory back: chown -R "$USER" on it.',
  },
  EPERM: {
    code: 'vault-permission',
    message: 'The vault does not allow this',
    next: 'Check who owns the directory and whether its file system keeps file modes.',
  },
  EROFS: {
    code: 'vault-read-only',
    message: 'The vault is on a read-only file system',
    next: 'Mount it writable, or set `vault` to another directory.',
  },
  ENOENT: {
    code: 'vault-gone',
    message: 'The vault, or a part of it, is not there',
    next: 'Check that its disk is mounted and that `vault` in the config is right, then run again.',
  },
  ENOTDIR: {
    code: 'vault-path',
    message: 'A part of the vault path is not a directory',
    next: 'Set `vault` in the config to a directory.',
  },
  ENAMETOOLONG: {
    code: 'vault-path',
    message: 'A name in the vault is too long for its file system',
    next: 'Give the host or source a shorter name in the config.',
  },
  EIO: {
    code: 'vault-io',
    message: 'The disk of the vault reports an error',
    next: 'Check the disk and its cable (the system log names it), then run: relay-backup verify',
  },
  EMFILE: {
    code: 'vault-io',
    message: 'Too many files are open',
    next: 'Raise the limit (ulimit -n) and run again.',
  },
}

/** What a failed file operation means to a person. Errors that are none of the operating system's pass as they are. */
export async function vaultErrorOf(error: unknown, path: string): Promise<unknown> {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  const words = code === undefined ? undefined : WORDS[code]
  if (words === undefined) return error
  const free = words.code === 'disk-full' ? await freeSpace(path) : undefined
  const room = free === undefined ? '' : `, ${formatSize(free)} free`
  return new VaultError(words.code, `${words.message} (${path}${room})`, { next: words.next, cause: error })
}

/** No room is left, as the operating system says it or as {@link vaultErrorOf} does. */
export function isDiskFull(error: unknown): boolean {
  if (error instanceof VaultError) return error.code === 'disk-full'
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return code !== undefined && WORDS[code]?.code === 'disk-full'
}

/** Runs a step and turns what the disk refuses into a VaultError that names the path. */
export async function onDisk<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    throw await vaultErrorOf(error, path)
  }
}

/** Bytes this user may still write on the file system of the nearest existing directory. */
async function freeSpace(path: string): Promise<number | undefined> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = await statfs(at)
      return bavail * bsize
    } catch {
      if (at === dirname(at)) return undefined
    }
  }
}
