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
 * The one table of what belongs to a backup. A capture takes these types and a restore puts them back; both leave out
 * all others. No tar can hold a socket, or what Linux does not have (doors, whiteouts of other systems). The system
 * makes device nodes, an app does not; and a device node that somebody put into an archive would open the disk of
 * whoever unpacks it.
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
