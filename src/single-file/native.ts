import { createHash, randomBytes } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dlopen } from 'node:process'
import { RelayError } from '../errors.ts'
import { privateCache } from '../private-cache.ts'
import { readAsset } from '../assets.ts'

/**
 * A native library that the single executable holds. The system loads libraries from files only, so it is put into a
 * directory of the user's cache that is named by its content, unless it is there. Throws RelayError `native-part` when
 * there is no such directory.
 */
export function loadNative(name: string): unknown {
  try {
    const bytes = readAsset(`native/${name}`)
    const file = placeNative(name, bytes)
    const loaded = { exports: {} }
    dlopen(loaded, file)
    return loaded.exports
  } catch (cause) {
    throw new RelayError('native-part', `The part ${name} of this program can't be loaded`, {
      next: 'Set XDG_CACHE_HOME to a directory to which only you can write and from which programs may run',
      cause,
    })
  }
}

/**
 * The path of a file with these bytes, in a directory of the user's cache that is named by them. What lies there already is
 * read before it is trusted. Throws where others may write to that directory, and what the file system says.
 */
export function placeNative(name: string, bytes: Buffer): string {
  const hash = createHash('sha256').update(bytes).digest('hex')
  const folder = privateCache(`native-${hash.slice(0, 16)}`)
  if (folder === undefined) throw new Error("others than you can write to this program's cache")
  const file = join(folder, name)
  if (!holds(file, bytes)) {
    // Another process may load the file at this moment: a file under its name is always whole.
    const making = `${file}.${randomBytes(6).toString('hex')}`
    writeFileSync(making, bytes, { mode: 0o500, flag: 'wx' })
    renameSync(making, file)
  }
  return file
}

/** Whether it is a plain file with these bytes that only we, or root, can write to. */
function holds(file: string, bytes: Buffer): boolean {
  let handle
  try {
    handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    return false
  }
  try {
    const stat = fstatSync(handle)
    const ours = stat.uid === 0 || stat.uid === process.getuid?.()
    return stat.isFile() && ours && (stat.mode & 0o022) === 0 && readFileSync(handle).equals(bytes)
  } finally {
    closeSync(handle)
  }
}
