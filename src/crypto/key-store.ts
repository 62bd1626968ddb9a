import { mkdir, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { KeyError } from '../errors.ts'

/** A key file, which is written once and never over another file. */
export interface NewKeyFile {
  readonly path: string
  readonly content: string | Uint8Array
  /** Private files get mode 0600, public ones 0644. */
  readonly private: boolean
}

/**
 * Writes key files, all or none; directories that are missing are made with mode 0700. Throws KeyError when
 * one of them exists or can't be written.
 */
export async function writeKeyFiles(files: readonly NewKeyFile[]): Promise<void> {
  const written: string[] = []
  try {
    for (const file of files) {
      await mkdir(dirname(file.path), { recursive: true, mode: 0o700 })
      await writeNew(file, () => written.push(file.path))
    }
  } catch (error) {
    await Promise.all(written.map((path) => rm(path, { force: true })))
    throw error instanceof KeyError ? error : notWritten(error)
  }
}

async function writeNew(file: NewKeyFile, created: () => void): Promise<void> {
  // `wx` fails when the file exists, also as a dangling link, so that no key that lies there is lost.
  await using handle = await open(file.path, 'wx', file.private ? 0o600 : 0o644)
  created()
  await handle.writeFile(file.content)
  await handle.sync()
}

function notWritten(cause: unknown): KeyError {
  const { code, path, message } = cause as NodeJS.ErrnoException
  return code === 'EEXIST'
    ? new KeyError(`The file ${path ?? ''} exists already; keys are never overwritten`, {
        next: 'Name another place, or move that file away first',
        cause,
      })
    : new KeyError(`The key can't be written: ${message}`, {
        next: 'Name a place that you can write to',
        cause,
      })
}
