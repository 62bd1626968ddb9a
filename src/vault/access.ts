import type { Stats } from 'node:fs'
import { lstat, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import { shellWord } from '../model/shell-word.ts'
import { onDisk } from './disk-error.ts'
import { ifPresent } from './durable.ts'
import { hostOfDirectory, vaultFile } from './paths.ts'

const OTHERS_WRITE = 0o022

/**
 * Warnings about who else may write to a vault, with the command that mends it. Whoever can write to it can take
 * snapshots away or put others there. Nothing where the system has no owners.
 *
 * @param uid of this process; undefined on Windows
 */
export async function accessFindings(vault: string, uid: number | undefined): Promise<Finding[]> {
  if (uid === undefined) return []
  return onDisk(vault, async () => {
    const names = (await ifPresent(readdir(vault))) ?? []
    const hosts = names.filter((name) => hostOfDirectory(name) !== undefined).map((name) => join(vault, name))
    const found: { path: string; stat: Stats }[] = []
    for (const path of [vault, vaultFile(vault), ...hosts]) {
      // Only the vault itself may be reached by a link, whose own mode says nothing.
      const state = await ifPresent(path === vault ? stat(path) : lstat(path))
      if (state !== undefined && !state.isSymbolicLink()) found.push({ path, stat: state })
    }
    const open = found.find(({ stat }) => (stat.mode & OTHERS_WRITE) !== 0)
    const foreign = found.find(({ stat }) => stat.uid !== uid)
    return [
      ...(open ? [othersWrite(open, vault)] : []),
      ...(foreign ? [otherOwner(foreign, vault, uid)] : []),
    ]
  })
}

function othersWrite({ path, stat }: { path: string; stat: Stats }, vault: string): Finding {
  const who = (stat.mode & 0o002) === 0 ? 'its group' : 'every user of this computer'
  return {
    check: 'vault-writable',
    outcome: 'warning',
    message: `${printable(path)} can be written to by ${who} (mode ${(stat.mode & 0o777).toString(8)}): they can take snapshots away, or put others there`,
    next: `chmod -R go-rwx ${shellWord(vault)} (where the file system keeps no modes, mount it with umask=077)`,
  }
}

function otherOwner({ path, stat }: { path: string; stat: Stats }, vault: string, uid: number): Finding {
  const command = `chown -R ${uid} ${shellWord(vault)}`
  return {
    check: 'vault-owner',
    outcome: 'warning',
    message: `${printable(path)} belongs to the user ${stat.uid}, and this runs as the user ${uid}`,
    next: `Run as that user, or make it yours: ${uid === 0 ? command : `sudo ${command}`}`,
  }
}
