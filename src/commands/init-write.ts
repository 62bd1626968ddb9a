import { link, mkdir, open, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { randomUUID } from 'node:crypto'
import { UsageError } from '../errors.ts'

/** Writes a new config file; it is there whole or not at all. Throws UsageError when there is one already. */
export async function writeNewConfig(file: string, text: string): Promise<void> {
  await beside(file, text, async (temporary) => {
    try {
      await link(temporary, file)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') throw alreadyThere(file)
      // A file system without links.
      await using handle = await open(file, 'wx', 0o644)
      await handle.writeFile(text)
    }
  })
}

/** Replaces a config file in one step. Throws UsageError when it is not as it was read. */
export async function replaceConfig(file: string, before: string, text: string): Promise<void> {
  await beside(file, text, async (temporary) => {
    if ((await readFile(file, 'utf8')) !== before)
      throw new UsageError(`${file} was changed by somebody else in the meantime`, { next: 'Run it again' })
    await rename(temporary, file)
  })
}

async function beside(file: string, text: string, put: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${file}.${randomUUID()}`
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    {
      await using handle = await open(temporary, 'wx', 0o644)
      await handle.writeFile(text)
      await handle.sync()
    }
    await put(temporary)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined || error instanceof UsageError) throw error
    throw new UsageError(`The config can't be written to ${file}: ${code}`, {
      next: 'Name a place that you can write to: --config FILE',
      cause: error,
    })
  } finally {
    await rm(temporary, { force: true })
  }
}

export function alreadyThere(file: string): UsageError {
  return new UsageError(`There is a config already: ${file}. It is never overwritten`, {
    next: 'Add a host to it: relay-backup init --add-host, or name another file: --config FILE',
  })
}

/** Removes files that were made, and their directory when nothing else is in it. */
export async function removeMade(files: readonly string[]): Promise<void> {
  for (const file of files) await rm(file, { force: true })
  for (const directory of new Set(files.map((file) => dirname(file)))) await rmdir(directory).catch(() => {})
}
