import { execFileSync } from 'node:child_process'
import { mkdir, rmdir } from 'node:fs/promises'

/** A small file system of its own, for tests of full disks. Needs root. */
export async function mountTmpfs(
  path: string,
  size: string,
): Promise<AsyncDisposable & { readonly path: string }> {
  await mkdir(path)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path])
  return {
    path,
    async [Symbol.asyncDispose]() {
      execFileSync('umount', ['-l', path])
      await rmdir(path)
    },
  }
}
