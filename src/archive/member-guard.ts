import { DamageError } from '../errors.ts'
import { isKept } from '../model/entry-types.ts'
import { printable } from '../model/path-bytes.ts'
import type { TarEntry } from './contract.ts'
import { NameTable } from './name-table.ts'

const SLASH = 0x2f

/**
 * Refuses the members by which a tar could reach outside the directory it is unpacked in, or change under the
 * reader's eyes. One guard sees all members of one tar, in order. Memory: a hash a member, and the names of its
 * symlinks.
 */
export class MemberGuard {
  readonly #seen = new NameTable()
  readonly #symlinks = new Set<string>()

  /** Throws DamageError `hostile-…` that names the member. */
  check(entry: TarEntry): void {
    const name = checkName(entry.path, entry.path)
    if (this.#seen.get(entry.path) !== 0)
      throw refused('duplicate', entry.path, 'stands in the archive twice')
    this.#seen.set(entry.path, 1)
    if (this.#symlinks.size > 0) this.#checkParents(name, entry.path)
    if (!isKept(entry.type)) throw refused('device', entry.path, 'is a device node')
    if (entry.type === 'symlink') this.#symlinks.add(name)
    if (entry.type === 'hardlink') this.#checkHardlink(entry)
  }

  #checkParents(name: string, path: Buffer): void {
    for (let slash = name.indexOf('/'); slash !== -1; slash = name.indexOf('/', slash + 1)) {
      if (this.#symlinks.has(name.slice(0, slash))) {
        throw refused('below-symlink', path, 'would be written through a symbolic link')
      }
    }
  }

  /** GNU tar links to a member it has written before; anything else points out of the archive. */
  #checkHardlink(entry: TarEntry): void {
    const target = entry.linkPath ?? Buffer.alloc(0)
    checkName(target, entry.path)
    if (this.#seen.get(target) === 0)
      throw refused('hardlink', entry.path, 'is a hard link to what is not in the archive')
  }
}

/** The name in latin1 (a char a byte), when it stays below the directory it is unpacked in. */
function checkName(path: Buffer, member: Buffer): string {
  if (path.length === 0 || path[0] === SLASH)
    throw refused('absolute', member, 'has an absolute or empty name')
  const name = path.toString('latin1')
  if (name.split('/').some((part) => part === '..' || part === '.' || part === '')) {
    throw refused('dot-dot', member, "has '..' or an empty part in its name")
  }
  return name
}

function refused(kind: string, path: Buffer, what: string): DamageError {
  return new DamageError(`hostile-${kind}`, `The member ${printable(path)} ${what}; it is refused`, {
    next: 'relay-backup writes no such archive. Find out who could write to the vault before you trust it.',
  })
}
