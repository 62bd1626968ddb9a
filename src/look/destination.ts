import { constants } from 'node:fs'
import {
  access,
  copyFile,
  link,
  lstat,
  lutimes,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  chmod,
} from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { RelayError } from '../errors.ts'
import { diskFullMessage, freeSpace, isDiskFull } from '../model/disk-full.ts'
import { printable } from '../model/path-bytes.ts'
import type { NameRules } from './local-names.ts'

/** A time and permission bits, as they were captured. */
export interface Attributes {
  readonly mode: number
  /** Seconds since the epoch. */
  readonly mtime: number
}

/**
 * The directory on this machine that files are extracted to. Paths are relative to it, with slashes and without `..`.
 * Nothing is written through a link that lies there. A file is written beside, and gets its name when it is whole.
 */
export class Destination implements AsyncDisposable {
  readonly path: string
  readonly rules: NameRules
  readonly #staging: string
  readonly #overwrite: boolean
  /** Directories that were made, or seen to be no links; in latin1. */
  readonly #directories = new Set<string>([''])
  /** Names that were given to files and links; in latin1. */
  readonly #placed = new Set<string>()
  #staged = 0

  private constructor(path: string, staging: string, rules: NameRules, overwrite: boolean) {
    this.path = path
    this.#staging = staging
    this.rules = rules
    this.#overwrite = overwrite
  }

  /** Makes the directory where it is not there. Throws RelayError `destination`. */
  static async open(path: string, { overwrite }: { readonly overwrite: boolean }): Promise<Destination> {
    try {
      await makeDirectory(path)
      const staging = await mkdtemp(join(path, '.relay-backup-'))
      return new Destination(path, staging, await rulesOf(staging), overwrite)
    } catch (error) {
      throw asDestinationError(error, path)
    }
  }

  /** Whether something that is no directory lies at a path, or a directory where none is meant. */
  async isTaken(relative: Buffer, type: 'directory' | 'other'): Promise<boolean> {
    // What can't be looked at fails when something is put there.
    const found = await lstat(this.#at(relative)).catch(() => undefined)
    return found !== undefined && !(type === 'directory' && found.isDirectory())
  }

  /** Makes a directory and those around it. Throws RelayError `in-the-way` for a link or a file in its place. */
  async directory(relative: Buffer): Promise<void> {
    const name = relative.toString('latin1')
    if (this.#directories.has(name)) return
    const slash = name.lastIndexOf('/')
    if (slash !== -1) await this.directory(Buffer.from(name.slice(0, slash), 'latin1'))
    const path = this.#at(relative)
    await mkdir(path, { mode: 0o700 }).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
      if (!(await lstat(path)).isDirectory()) throw inTheWay(relative)
    })
    this.#directories.add(name)
  }

  /** A new file beside its place; disposing it removes what was not placed. */
  async file(): Promise<StagedFile> {
    this.#staged += 1
    const path = join(this.#staging, String(this.#staged))
    return new StagedFile(path, await open(path, 'wx', 0o600), (relative) => this.#place(path, relative))
  }

  /** Makes another name of a file that was placed. */
  async hardLink(target: Buffer, relative: Buffer): Promise<void> {
    await this.#around(relative)
    this.#staged += 1
    const path = join(this.#staging, String(this.#staged))
    // Not every file system has hard links.
    await link(this.#at(target), path).catch(() => copyFile(this.#at(target), path, constants.COPYFILE_EXCL))
    await this.#place(path, relative)
  }

  async symbolicLink(target: Buffer, relative: Buffer, mtime: number): Promise<void> {
    await this.#around(relative)
    this.#staged += 1
    const path = join(this.#staging, String(this.#staged))
    await symlink(target, path)
    // Not every file system has times of links.
    await lutimes(path, mtime, mtime).catch(() => undefined)
    await this.#place(path, relative)
  }

  /**
   * Gives a directory its attributes, once everything is in it. Its owner may always look into it. Does nothing for one
   * that {@link directory} did not make or see: the way to it may lead through a link.
   */
  async finishDirectory(relative: Buffer, { mode, mtime }: Attributes): Promise<void> {
    if (!this.#directories.has(relative.toString('latin1'))) return
    await chmod(this.#at(relative), (mode & 0o777) | 0o700)
    await utimes(this.#at(relative), mtime, mtime)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#staging, { recursive: true, force: true })
  }

  async #around(relative: Buffer): Promise<void> {
    const slash = relative.lastIndexOf('/')
    if (slash !== -1) await this.directory(relative.subarray(0, slash))
  }

  /** Takes the place of what was there before only when that was asked for, and never that of what it placed itself. */
  async #place(staged: string, relative: Buffer): Promise<void> {
    const name = relative.toString('latin1')
    if (this.#placed.has(name)) {
      throw new RelayError('in-the-way', `another source has put its own ${printable(relative)} there`, {
        next: 'Extract one source at a time, each to a directory of its own',
      })
    }
    await this.#around(relative)
    const path = this.#at(relative)
    // Where this fails the rename fails, too.
    const there = await lstat(path).catch(() => undefined)
    if (there?.isDirectory() === true || (there !== undefined && !this.#overwrite)) throw inTheWay(relative)
    if (this.#overwrite) await rename(staged, path)
    else await this.#placeNew(staged, path, relative)
    this.#placed.add(name)
  }

  async #placeNew(staged: string, path: Buffer | string, relative: Buffer): Promise<void> {
    try {
      // Unlike a rename, a link takes nobody's place.
      await link(staged, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw inTheWay(relative)
      await rename(staged, path)
      return
    }
    await unlink(staged)
  }

  #at(relative: Buffer): Buffer | string {
    if (sep === '/') return Buffer.concat([Buffer.from(`${this.path}/`), relative])
    return join(this.path, ...relative.toString('utf8').split('/'))
  }
}

/** A file that is being written, and has no name yet. */
export class StagedFile implements AsyncDisposable {
  readonly #path: string
  readonly #handle: FileHandle
  readonly #place: (relative: Buffer) => Promise<void>
  #isPlaced = false

  constructor(path: string, handle: FileHandle, place: (relative: Buffer) => Promise<void>) {
    this.#path = path
    this.#handle = handle
    this.#place = place
  }

  async write(bytes: Buffer): Promise<void> {
    let at = 0
    try {
      while (at < bytes.length) {
        at += (await this.#handle.write(bytes, at, bytes.length - at)).bytesWritten
      }
    } catch (error) {
      if (!isDiskFull(error)) throw error
      // It lies in a directory of ours in the destination until it is whole.
      throw fullDestination(error, dirname(dirname(this.#path)), bytes.length - at)
    }
  }

  /** Gives it its attributes and its name. Bits by which a program runs as somebody else are left out. */
  async place(relative: Buffer, { mode, mtime }: Attributes): Promise<void> {
    await this.#handle.chmod(mode & 0o777)
    // Not every file system has every time.
    await this.#handle.utimes(mtime, mtime).catch(() => undefined)
    await this.#handle.close()
    await this.#place(relative)
    this.#isPlaced = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isPlaced) return
    await this.#handle.close().catch(() => undefined)
    await rm(this.#path, { force: true })
  }
}

/**
 * Makes a directory and those around it. Node's `recursive` never ends where a directory that is there can't hold a new
 * one (`/proc/x`).
 */
async function makeDirectory(path: string): Promise<void> {
  const make = () => mkdir(path, { mode: 0o700 })
  await make().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST' && (await stat(path)).isDirectory()) return
    if (error.code !== 'ENOENT' || dirname(path) === path) throw error
    await makeDirectory(dirname(path))
    await make()
  })
}

/** What names the file system around a new directory can hold, by trying. */
async function rulesOf(staging: string): Promise<NameRules> {
  const probe = join(staging, 'case')
  await mkdir(probe)
  const folds = await access(join(staging, 'CASE')).then(
    () => true,
    () => false,
  )
  const characters =
    process.platform === 'win32' ? 'windows' : process.platform === 'darwin' ? 'unicode' : 'any'
  return { characters, folds }
}

/** Whether a directory is not there, or has nothing in it. */
export async function isEmptyDirectory(path: string): Promise<boolean> {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw asDestinationError(error, path)
  })
  return names.length === 0
}

function inTheWay(relative: Buffer): RelayError {
  return new RelayError('in-the-way', `something else lies at ${printable(relative)}`)
}

export function asDestinationError(error: unknown, path: string): RelayError {
  if (error instanceof RelayError) return error
  if (isDiskFull(error)) return fullDestination(error, path)
  const { code, message } = error as NodeJS.ErrnoException
  const said: Record<string, string> = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'it is read-only',
    ENOTDIR: 'it is no directory',
    EEXIST: 'it is no directory',
    ENOENT: 'it can not be made',
    ENAMETOOLONG: 'the name is too long here',
    EILSEQ: 'the name can not be had here',
    EINVAL: 'the name can not be had here',
  }
  const why = said[code ?? ''] ?? message
  return new RelayError('destination', `${printable(path)}: ${why}`, {
    next: 'Choose another directory with --to',
    cause: error,
  })
}

function fullDestination(error: unknown, path: string, next?: number): RelayError {
  const message = diskFullMessage({
    path: printable(path),
    what: 'the destination',
    free: freeSpace(path),
    next,
  })
  return new RelayError('disk-full', message, {
    stderr: error instanceof Error ? error.message : undefined,
    next: 'Free some space there, or choose another directory with --to',
    cause: error,
  })
}
