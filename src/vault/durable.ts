import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Only the owner may look into a vault, whatever the umask says. */
const DIRECTORY_MODE = 0o700
export const FILE_MODE = 0o600

/** The errors of file systems that can't fsync a directory. A rename there is as durable as it can be. */
const NO_DIRECTORY_SYNC = new Set(['EINVAL', 'EPERM', 'EISDIR', 'ENOTSUP', 'EACCES'])

/** Makes a directory of mode 0700 in an existing one. False when it was there already; its mode then stays. */
export async function makeDirectory(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: DIRECTORY_MODE })
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  }
  await chmod(path, DIRECTORY_MODE)
  return true
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    await using handle = await open(path, 'r')
    await handle.sync()
  } catch (error) {
    if (!NO_DIRECTORY_SYNC.has(errorCode(error) ?? '')) throw error
  }
}

/** Writes a new file, of mode 0600 unless told, down to the disk. Fails when it exists. */
export async function writeNewFile(path: string, data: string | Uint8Array, mode = FILE_MODE): Promise<void> {
  await using handle = await open(path, 'wx', mode)
  await handle.chmod(mode)
  await handle.writeFile(data)
  await handle.sync()
}

/** Puts a file in place of the old one at once: a reader sees the old content or the new, also after a crash. */
export async function replaceFile(path: string, data: string | Uint8Array, mode = FILE_MODE): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await writeNewFile(temporary, data, mode)
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
  await syncDirectory(dirname(path))
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}

/** The result of a read, or undefined when there is nothing at that path. */
export async function ifPresent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}
