import type { ServerType } from '../../model/entry-types.ts'

/** What was found in a source and is not in a backup of it. Names are members', in latin1. */
export class LeftOut {
  /** Files that may not be read, and directories that may not be looked into. */
  readonly unreadable = new Set<string>()
  // No part of a backup (model/entry-types.ts).

  readonly sockets: string[] = []
  readonly devices: string[] = []
  readonly others: string[] = []

  add(name: string, type: ServerType): void {
    if (type === 'socket') this.sockets.push(name)
    else if (type === 'other') this.others.push(name)
    else this.devices.push(name)
  }

  /** Forgets all, for another listing. */
  clear(): void {
    this.unreadable.clear()
    for (const names of [this.sockets, this.devices, this.others]) names.length = 0
  }
}
