import { constants, type Stats } from 'node:fs'
import { lstat, open, readFile, type FileHandle } from 'node:fs/promises'
import { VaultError } from '../errors.ts'
import { formatSize } from '../model/units.ts'
import { errorCode, FILE_MODE } from './durable.ts'

/** Windows has neither. */
const NOT_THROUGH_LINKS = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** How a file of the vault is opened; `append` makes it, with mode 0600, and can read it. */
const WAYS = {
  read: constants.O_RDONLY,
  append: constants.O_RDWR | constants.O_CREAT | constants.O_APPEND,
} as const

/** What lies at a path that can't be opened as a regular file. */
const UNOPENED: Readonly<Record<string, string>> = {
  ELOOP: 'a symbolic link',
  ENXIO: 'a socket or a FIFO',
  EISDIR: 'a directory',
}

/** Codes of the errors of this module: what lies at the path is not what a vault has there. */
const FOREIGN: ReadonlySet<string> = new Set(['not-a-file', 'not-a-directory', 'too-large'])

/** True for the errors that {@link openRegular} and its neighbours throw of what lies at a path. */
export function isForeign(error: unknown): error is VaultError {
  return error instanceof VaultError && FOREIGN.has(error.code)
}

/**
 * Opens a file of the vault. A vault may have been in other hands: through a symbolic link we would write to a file of
 * somebody else's choice, and a FIFO or a device never ends. Throws VaultError `not-a-file` for anything but a regular
 * file, else what the operating system says.
 */
export async function openRegular(path: string, way: keyof typeof WAYS): Promise<FileHandle> {
  const handle = await unlessUnopened(path, open(path, WAYS[way] | NOT_THROUGH_LINKS, FILE_MODE))
  try {
    insistOnFile(await handle.stat(), path)
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/**
 * Reads all of a regular file that should be small. Throws as {@link openRegular}, and `too-large` above `most` bytes.
 */
export async function readRegular(path: string, most: number): Promise<Buffer> {
  // This takes half the work of an open handle, which matters for ten thousand manifests.
  const stat = await lstat(path)
  insistOnFile(stat, path)
  if (stat.size > most) {
    throw new VaultError('too-large', `${path} has ${formatSize(stat.size)}, which no file of its kind has`, {
      next: 'Find out what it is; put the file back from a copy of the vault.',
    })
  }
  return await unlessUnopened(path, readFile(path, { flag: WAYS.read | NOT_THROUGH_LINKS }))
}

/** The first bytes of a regular file, fewer where it has no more. Throws as {@link openRegular}. */
export async function readStart(path: string, bytes: number): Promise<Buffer> {
  await using handle = await openRegular(path, 'read')
  const buffer = Buffer.alloc(bytes)
  let length = 0
  while (length < bytes) {
    const { bytesRead } = await handle.read(buffer, length, bytes - length, length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return buffer.subarray(0, length)
}

/** Does not wait for the other end of a FIFO; names what can't be opened as a regular file. */
async function unlessUnopened<T>(path: string, opening: Promise<T>): Promise<T> {
  try {
    return await opening
  } catch (error) {
    const what = UNOPENED[errorCode(error) ?? '']
    throw what === undefined ? error : notAFile(what, path)
  }
}

/** Throws VaultError `not-a-directory` for anything but a directory, links to one too; nothing there is no error. */
export async function insistOnDirectory(path: string): Promise<void> {
  const stat = await lstat(path).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (stat === undefined || stat.isDirectory()) return
  throw new VaultError('not-a-directory', `${path} is ${describe(stat)}, not a directory`, {
    next: 'Find out who put it there; where the directory should lie elsewhere, set `vault` in the config to that place.',
  })
}

function insistOnFile(stat: Stats, path: string): void {
  if (!stat.isFile()) throw notAFile(describe(stat), path)
}

function notAFile(what: string, path: string): VaultError {
  return new VaultError('not-a-file', `${path} is ${what}, not a file`, {
    next: 'Find out who put it there; remove it, and put the file back from a copy of the vault.',
  })
}

/** What something is that is no regular file. */
export function describe(stat: Stats): string {
  if (stat.isSymbolicLink()) return 'a symbolic link'
  if (stat.isDirectory()) return 'a directory'
  if (stat.isFIFO()) return 'a FIFO'
  if (stat.isSocket()) return 'a socket'
  return stat.isFile() ? 'a file' : 'a device'
}
