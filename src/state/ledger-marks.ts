import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { VaultError } from '../errors.ts'
import { stateDirectory } from './directory.ts'
import { putJson } from './put-file.ts'

/** How far a ledger had come: the hash of its last line, and how many there were. */
interface Mark {
  readonly lines: number
  readonly hash: string
}

/**
 * A host's ledger, or without a host the audit log, in the vault that lies at a path. A copy elsewhere may be older, so
 * it has marks of its own.
 */
interface Place {
  readonly vault: string
  readonly path: string
  readonly host: string | undefined
}

/**
 * Marks of ledgers, kept outside of their vaults, so that a vault that was set back as a whole is noticed: files of
 * mode 0600 under `$XDG_STATE_HOME/relay-backup/ledgers`. A file that is not there or makes no sense is no mark. Throws
 * VaultError `marks-unreadable` for one that can't be read: without it nobody would notice.
 */
export function openLedgerMarks(env: NodeJS.ProcessEnv): {
  recall(place: Place): Promise<Mark | undefined>
  remember(place: Place, mark: Mark): Promise<void>
  hosts(place: Omit<Place, 'host'>): Promise<readonly string[]>
} {
  const directoryOf = ({ vault, path }: Omit<Place, 'host'>): string => {
    const where = createHash('sha256').update(path).digest('hex').slice(0, 16)
    return join(stateDirectory(env), 'ledgers', encodeURIComponent(vault), where)
  }
  const fileOf = (place: Place): string =>
    join(
      directoryOf(place),
      // No host's file ends like this.
      place.host === undefined ? 'audit.mark' : `${encodeURIComponent(place.host)}.json`,
    )
  return {
    hosts: async (place) => {
      const directory = directoryOf(place)
      const names = (await unlessMissing(directory, readdir(directory))) ?? []
      return names.flatMap((name) => (name.endsWith('.json') ? (hostOf(name.slice(0, -5)) ?? []) : []))
    },
    recall: async (place) => {
      const file = fileOf(place)
      const text = await unlessMissing(file, readFile(file, 'utf8'))
      if (text === undefined) return undefined
      try {
        const mark = JSON.parse(text) as Partial<Mark> | null
        const isMark = typeof mark?.lines === 'number' && typeof mark.hash === 'string'
        return isMark ? (mark as Mark) : undefined
      } catch {
        return undefined
      }
    },
    remember: (place, { lines, hash }) => putJson(fileOf(place), { lines, hash }),
  }
}

/** What was read; undefined where there is nothing. */
async function unlessMissing<T>(path: string, reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    const message = `What this computer remembers of the vault can't be read (${code ?? 'unknown error'}: ${path}), so nobody knows whether the vault was set back`
    throw new VaultError('marks-unreadable', message, {
      next: `Make it readable for you: ls -ld ${path}`,
      cause,
    })
  }
}

/** The host that a mark is of; undefined for a file that is none of ours. */
function hostOf(name: string): string | undefined {
  try {
    const host = decodeURIComponent(name)
    return encodeURIComponent(host) === name ? host : undefined
  } catch {
    return undefined
  }
}
