import { createHash } from 'node:crypto'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'

/** What a tree is: a digest of every name, type, mode, modification time and content below the given names. */
export interface TreeDigest {
  readonly entries: number
  /** Hex SHA-256. */
  readonly sha256: string
}

/** Digests `names` below `root`. */
export async function digestTree(root: string, names: readonly string[]): Promise<TreeDigest> {
  const hash = createHash('sha256')
  let entries = 0
  const visit = async (name: string): Promise<void> => {
    const path = join(root, name)
    const status = await lstat(path)
    entries += 1
    hash.update(`${name}\0${status.mode}\0${Math.trunc(status.mtimeMs)}\0`)
    if (status.isSymbolicLink()) hash.update(await readlink(path))
    if (status.isFile()) hash.update(await readFile(path))
    if (status.isDirectory()) {
      for (const child of (await readdir(path)).sort()) await visit(join(name, child))
    }
  }
  for (const name of names) await visit(name)
  return { entries, sha256: hash.digest('hex') }
}
