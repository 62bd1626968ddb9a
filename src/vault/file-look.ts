import { lstat } from 'node:fs/promises'
import { ifPresent } from './durable.ts'

/**
 * Size, times and inode of a file, as text to compare. Only a change of the clock sets the time of change (ctime) back,
 * so every write to the file leaves a trace in it. The device is left out, because its number changes with each mount.
 */
export async function fileLook(path: string): Promise<string | undefined> {
  const stat = await ifPresent(lstat(path, { bigint: true }))
  return stat && `${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.ino}`
}
