import {
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import type { BigIntStats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type * as RealFs from 'node:fs/promises'
import { join } from 'node:path'

/** What may be found on a disk after the machine or the process died. */
export const DEATHS = [
  'process killed',
  'power lost, all names kept',
  'power lost, only removals kept',
  'power lost, nothing kept',
] as const
export type Death = (typeof DEATHS)[number]

/** A file or directory of the moment a step was over. */
export type Image = ReadonlyMap<string, Image> | Buffer

interface Named {
  readonly key: string
  readonly directory: boolean
}

/**
 * Watches `node:fs/promises` for what a disk promises to keep: the content of a file as of its last fsync, the names
 * in a directory as of that directory's. After each step that changes something it takes the images that a death
 * right then may leave. `path` is the directory that is watched.
 */
export class DyingDisk {
  readonly #contents = new Map<string, Buffer>()
  readonly #names = new Map<string, ReadonlyMap<string, Named>>()
  #onStep: ((step: string) => void) | undefined

  /** The module with its changing functions watched. */
  watch(real: typeof RealFs): typeof RealFs {
    const stepped = <A extends unknown[], R>(name: string, run: (...args: A) => Promise<R>) =>
      Object.assign(async (...args: A): Promise<R> => {
        const result = await run(...args)
        this.#onStep?.(`${name} ${String(args[0]).split('/').at(-1)}`)
        return result
      }, run)
    return {
      ...real,
      mkdir: stepped('mkdir', real.mkdir as (...args: unknown[]) => Promise<unknown>) as typeof real.mkdir,
      rename: stepped('rename', real.rename),
      unlink: stepped('unlink', real.unlink),
      rm: stepped('rm', real.rm),
      open: stepped('open', async (...args: Parameters<typeof real.open>) =>
        this.#watched(await real.open(...args), args[0].toString()),
      ),
    }
  }

  /** Runs this and calls `onStep` after each of its steps, and at its beginning. */
  async during<T>(onStep: (step: string) => void, run: () => Promise<T>): Promise<T> {
    onStep('the beginning')
    this.#onStep = onStep
    try {
      return await run()
    } finally {
      this.#onStep = undefined
    }
  }

  /** What is on the disk at this path after a death now; undefined when nothing is. */
  image(path: string, death: Death): Image | undefined {
    if (!existsSync(path)) return undefined
    const paths = new Map<string, string>()
    const note = (at: string, { key, directory }: Named): void => {
      paths.set(key, at)
      if (directory) for (const [name, each] of namesIn(at)) note(join(at, name), each)
    }
    const top = namedBy(lstatSync(path, { bigint: true }))
    note(path, top)
    return this.#image(top, death, paths)
  }

  /** `paths` has where each inode is that is not removed. */
  #image({ key, directory }: Named, death: Death, paths: ReadonlyMap<string, string>): Image {
    const path = paths.get(key)
    if (!directory) {
      if (death === 'process killed' && path !== undefined) return readFileSync(path)
      return this.#contents.get(key) ?? Buffer.alloc(0)
    }
    const named =
      path !== undefined && (death === 'process killed' || death === 'power lost, all names kept')
        ? namesIn(path)
        : (this.#names.get(key) ?? new Map<string, Named>())
    // A rename over a file leaves the old one or the new one, never neither.
    const now = path === undefined ? new Map<string, Named>() : namesIn(path)
    const left = [...named].filter(
      ([name, each]) => death !== 'power lost, only removals kept' || paths.has(each.key) || now.has(name),
    )
    return new Map(left.map(([name, each]) => [name, this.#image(each, death, paths)]))
  }

  #watched(handle: FileHandle, path: string): FileHandle {
    for (const method of ['writeFile', 'appendFile', 'writev', 'truncate'] as const) {
      const run = handle[method].bind(handle) as (...args: unknown[]) => Promise<unknown>
      const watched = async (...args: unknown[]): Promise<unknown> => {
        const result = await run(...args)
        this.#onStep?.(`${method} ${path.split('/').at(-1)}`)
        return result
      }
      Object.assign(handle, { [method]: watched })
    }
    const sync = handle.sync.bind(handle)
    handle.sync = async () => {
      await sync()
      // By its descriptor: the file may have another name by then.
      const at = `/proc/self/fd/${handle.fd}`
      const { key, directory } = namedBy(fstatSync(handle.fd, { bigint: true }))
      if (directory) this.#names.set(key, namesIn(at))
      else this.#contents.set(key, readFileSync(at))
      this.#onStep?.(`fsync ${path.split('/').at(-1)}`)
    }
    return handle
  }
}

/** Puts an image onto the disk, at a path that is not there yet. */
export function restoreImage(image: Image, path: string): void {
  if (Buffer.isBuffer(image)) return writeFileSync(path, image, { mode: 0o600 })
  mkdirSync(path, { mode: 0o700 })
  for (const [name, each] of image as ReadonlyMap<string, Image>) restoreImage(each, join(path, name))
}

/** The birth time too: a file system gives the number of a removed inode to the next one. */
function namedBy(stat: BigIntStats): Named {
  return { key: `${stat.ino}:${stat.birthtimeNs}`, directory: stat.isDirectory() }
}

function namesIn(directory: string): ReadonlyMap<string, Named> {
  return new Map(
    readdirSync(directory).map((name) => [name, namedBy(lstatSync(join(directory, name), { bigint: true }))]),
  )
}
