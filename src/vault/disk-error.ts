import { SEE_CHECK, VaultError } from '../errors.ts'
import { diskFullMessage, freeSpace, isDiskFull } from '../model/disk-full.ts'

interface Words {
  readonly code: string
  readonly message: string
  readonly next: string
}

const WORDS: Record<string, Words> = {
  EACCES: {
    code: 'vault-permission',
    message: 'The vault does not let this user in',
    next: `Run as the user who owns the vault, or give the directory back: chown -R "$USER" on it.${SEE_CHECK}`,
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

/** What a failed file operation means to a person. Errors that are not the operating system's pass unchanged. */
export function vaultErrorOf(error: unknown, path: string): unknown {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  if (isDiskFull(error)) {
    return new VaultError('disk-full', diskFullMessage({ path, what: 'the vault', free: freeSpace(path) }), {
      stderr: error instanceof Error ? error.message : undefined,
      next: 'Free some space there, remove old snapshots (relay-backup prune), or set `vault` to a directory on a larger disk, and run again.',
      cause: error,
    })
  }
  const words = code === undefined ? undefined : WORDS[code]
  if (words === undefined) return error
  return new VaultError(words.code, `${words.message} (${path})`, { next: words.next, cause: error })
}

/** No room is left, as the operating system says it or as {@link vaultErrorOf} does. */
export function isVaultFull(error: unknown): boolean {
  return error instanceof VaultError ? error.code === 'disk-full' : isDiskFull(error)
}

/** Runs a step and turns what the disk refuses into a VaultError that names the path. */
export async function onDisk<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    throw vaultErrorOf(error, path)
  }
}
