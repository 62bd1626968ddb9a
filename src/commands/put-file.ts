import { realpath, stat } from 'node:fs/promises'
import { RelayError } from '../errors.ts'
import { diskFullMessage, freeSpace, isDiskFull } from '../model/disk-full.ts'
import { ifPresent, replaceFile } from '../vault/durable.ts'

/**
 * Puts a file that a flag names in place in one step: a reader sees the old content or the new. Throws RelayError with
 * `code` where that can't be done, and where a rename would put a file in the place of a device.
 *
 * @param about `what` begins the messages, `flag` is what a person is to correct
 */
export async function putFile(
  file: string,
  content: string,
  about: { readonly code: string; readonly what: string; readonly flag: string; readonly mode: number },
): Promise<void> {
  const { code, what, flag, mode } = about
  const next = `Name a file in a directory that you can write to: ${flag}`
  try {
    const path = await realpath(file).catch(() => file)
    if ((await ifPresent(stat(path)))?.isFile() === false)
      throw new RelayError(code, `${what} can't be written to ${file}: it is no plain file`, { next })
    await replaceFile(path, content, mode)
  } catch (error) {
    const system = (error as NodeJS.ErrnoException).code
    if (system === undefined || error instanceof RelayError) throw error
    const message = isDiskFull(error)
      ? diskFullMessage({ path: file, free: freeSpace(file) })
      : `${what} can't be written to ${file}: ${system}`
    throw new RelayError(code, message, { next, cause: error })
  }
}
