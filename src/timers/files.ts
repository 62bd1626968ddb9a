import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { timerError } from './command.ts'
import type { TimerText } from './contract.ts'

/** Files of timers, put into place in one step each. */
export interface TimerFile {
  readonly path: string
  readonly text: string
}

/** Replaces a file in one step: `src/vault/durable.ts` has it, and the wiring hands it over. */
export type PutFile = (path: string, text: string) => Promise<void>

/** Writes files and reads them back. Throws RelayError `timer`. */
export async function writeFiles(files: readonly TimerFile[], put: PutFile): Promise<void> {
  for (const { path, text } of files) {
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o755 })
      await put(path, text)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined) throw error
      throw timerError(
        `The timer can't be written to ${path}: ${code}`,
        `Make ${dirname(path)} yours: ls -ld ${dirname(path)}`,
      )
    }
    if ((await textOf(path)) !== text)
      throw timerError(
        `${path} does not hold what was written to it`,
        'Look at the file system, and run it again',
      )
  }
}

export async function removeFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(path, { force: true })
}

/** What a file holds; undefined: there is none. */
export async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** The names in a directory, sorted; none where there is no directory. */
export async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** The texts of files, with '' for one that is gone. */
export async function textsOf(directory: string, names: readonly string[]): Promise<TimerText> {
  return Promise.all(names.map(async (name) => (await textOf(join(directory, name))) ?? ''))
}
