/** What a name on a server can be. A hard link is a further name of a file. */
export type ServerType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'hardlink'
  | 'fifo'
  | 'socket'
  | 'character-device'
  | 'block-device'
  | 'other'

/**
 * The one table of what belongs to a backup: what capture takes, restore puts back, and nothing else. Of a socket and
 * of what Linux does not have (doors, whiteouts of other systems) no tar holds anything. A device node is made by the
 * system, not by an app, and one that somebody else put into an archive would open the disk of whoever unpacks it.
 */
const KEPT: Readonly<Record<ServerType, boolean>> = {
  file: true,
  directory: true,
  symlink: true,
  hardlink: true,
  fifo: true,
  socket: false,
  'character-device': false,
  'block-device': false,
  other: false,
}

/** Whether an entry of this type is captured and restored. */
export function isKept(type: ServerType): boolean {
  return KEPT[type]
}
