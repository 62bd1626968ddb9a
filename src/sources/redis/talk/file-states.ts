import type { ListedEntry } from '../../../model/listing.ts'

/** What tells a file from another one that took its name. */
export interface FileState {
  readonly inode: string
  /** When it was changed last: seconds since the epoch, with nine digits behind a point where the server has them. */
  readonly changed: string
  /** Bytes. */
  readonly size: number
}

/** The regular files directly in a directory, by name. */
export type FileStates = ReadonlyMap<string, FileState>

/** As `look.sh` tells it: inode, time and size; undefined for a file that is gone. */
export function parseFileState(text: string): FileState | undefined {
  const [inode = '', changed = '', size = ''] = text.split(' ')
  return /^\d+$/.test(inode) && /^\d+$/.test(size) ? { inode, changed, size: Number(size) } : undefined
}

/** The same of an entry of a listing. */
export function listedState({ stat }: ListedEntry): FileState {
  const { inode, ctimeNs, size } = stat
  return { inode, changed: `${ctimeNs.slice(0, -9)}.${ctimeNs.slice(-9)}`, size }
}

/** Both are one file that nobody has touched. */
export function sameFile(one: FileState | undefined, other: FileState | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  const isFine = one.changed.includes('.') && other.changed.includes('.')
  const [a, b] = [one, other].map(({ changed }) => (isFine ? changed : changed.replace(/\..*/, '')))
  return one.inode === other.inode && one.size === other.size && a === b
}
