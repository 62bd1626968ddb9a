import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface TempDir extends AsyncDisposable {
  /** Absolute, symlinks resolved. */
  readonly path: string
}

/** A fresh directory, 0700, removed with all that is in it when disposed. */
export async function tempDir(prefix = 'relay-backup-test-'): Promise<TempDir> {
  const path = await mkdtemp(join(await realpath(tmpdir()), prefix))
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  }
}

/** Lets every user, those of containers too, get to a directory of the lab's. */
export async function letEveryoneIn(directory: string): Promise<void> {
  for (let path = directory; path.startsWith('/tmp/'); path = dirname(path)) await chmod(path, 0o755)
}
