import type { ServerType } from '../../model/entry-types.ts'

/** The entries of a source that are no part of a backup (model/entry-types.ts). Names are members', in latin1. */
export class LeftOut {
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
    for (const names of [this.sockets, this.devices, this.others]) names.length = 0
  }
}
