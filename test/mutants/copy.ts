import { execFileSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * A copy of the checkout, uncommitted work included, in a temporary directory; it has the checkout's packages.
 * Disposing it removes it.
 */
export async function copyOfCheckout(checkout: string): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'relay-backup-mutants-'))
  const listed = execFileSync('git', ['ls-files', '-coz', '--exclude-standard'], {
    cwd: checkout,
    encoding: 'utf8',
  })
  for (const name of listed.split('\0')) {
    if (name === '' || name === 'node_modules' || !existsSync(join(checkout, name))) continue
    await mkdir(dirname(join(path, name)), { recursive: true })
    await copyFile(join(checkout, name), join(path, name))
  }
  await symlink(await realpath(join(checkout, 'node_modules')), join(path, 'node_modules'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
