import { lstat } from 'node:fs/promises'
import { ifPresent } from './durable.ts'

/**
 * Size, times and inode of a file, as text to compare. Nobody sets the time of change (ctime) back but by the clock,
 * so whoever wrote to the file leaves a trace in it. The device is left out: its number is another after a mount.
 */
export async function fileLook(path: string): Promise<string | undefined> {
  const stat = await ifPresent(lstat(path, { bigint: true }))
  return stat && `${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.ino}`
}
