import { lstat, readFile, readdir, readlink } from 'node:fs/promises'

/** A tree as text: type, mode, mtime in ns, links among its names, content. */
export async function treeOf(root: string, top = 'data'): Promise<Map<string, string>> {
  const seen = new Map<string, string>()
  const inodes = new Map<bigint, string>()
  async function walk(path: Buffer): Promise<void> {
    const full = Buffer.concat([Buffer.from(`${root}/`), path])
    const stat = await lstat(full, { bigint: true })
    const name = path.toString('latin1')
    const content = stat.isFile()
      ? await readFile(full)
      : stat.isSymbolicLink()
        ? await readlink(full, 'buffer')
        : Buffer.alloc(0)
    const first = inodes.get(stat.ino) ?? name
    inodes.set(stat.ino, first)
    seen.set(
      name,
      `${stat.mode.toString(8)} ${stat.mtimeNs} ${stat.isFile() ? first : ''} ${content.toString('latin1')}`,
    )
    if (!stat.isDirectory()) return
    const names = (await readdir(full, { encoding: 'buffer' })).sort(Buffer.compare)
    for (const each of names) await walk(Buffer.concat([path, Buffer.from('/'), each]))
  }
  await walk(Buffer.from(top))
  return seen
}
