/** The type that `find` gives a file system entry. Sockets and doors are not listed, because they can't be packed. */
export type ListedType = 'file' | 'directory' | 'symlink' | 'fifo' | 'character-device' | 'block-device'

/** An entry's stat, as far as it tells whether the entry changed. Large numbers are decimal text. */
export interface FileStat {
  readonly type: ListedType
  /** Bytes. */
  readonly size: number
  /** ns since the epoch. */
  readonly mtimeNs: string
  /** ns since the epoch. Nobody can set this time back without setting the server's clock back. */
  readonly ctimeNs: string
  readonly inode: string
  /** Names this inode has. */
  readonly links: number
  /** Permission bits incl. setuid, setgid and sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** One entry of a source as listed on the server. */
export interface ListedEntry {
  /** Member name. */
  readonly path: Buffer
  readonly stat: FileStat
  /**
   * False when the entry was written to so close to the listing (or after it, by its date) that a later change may
   * leave the same stat. The entry then counts as changed next time.
   */
  readonly settled: boolean
}

/** True when both stats are the same: nothing about the entry changed. */
export function sameStat(a: FileStat, b: FileStat): boolean {
  return (
    a.type === b.type &&
    a.size === b.size &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeNs === b.ctimeNs &&
    a.inode === b.inode &&
    // A hard link that came or went leaves its trace in ctime, but for a server's clock that was set back.
    a.links === b.links &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid
  )
}
