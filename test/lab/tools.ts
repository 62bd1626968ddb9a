import { mkdir, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Makes `folder` hold one link per program of this machine, but for those that `lacks` names, and returns it: as the
 * only PATH it makes a machine look like one without them (`startSshd({ path })`).
 */
export async function toolsWithout(folder: string, lacks: (name: string) => boolean): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const links = new Map<string, string>()
  for (const directory of ['/usr/sbin', '/usr/bin'])
    for (const name of await readdir(directory)) if (!lacks(name)) links.set(name, join(directory, name))
  await Promise.all([...links].map(([name, target]) => symlink(target, join(folder, name))))
  return folder
}
