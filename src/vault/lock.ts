import type { FileHandle } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { LockedError, RelayError, VaultError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type { HostLock } from './contract.ts'
import { isVaultFull } from './disk-error.ts'
import { FILE_MODE } from './durable.ts'
import { openRegular } from './regular-file.ts'

/** A lock without a note may be a look that is over in a moment. */
const MOST_TRIES = 3
const LOOK_MS = 50

/** What the holder writes into the lock file, for people. */
export interface LockOwner {
  readonly pid: number
  readonly machine: string
  /** ISO 8601, UTC. */
  readonly since: string
  readonly command: string
}

/**
 * A kernel lock of an open file: it ends with the process, however that dies, so no lock is ever stale
 * (docs/decisions/0002-kernel-file-lock.md). Two holders in one process exclude each other too.
 */
export class HeldLock implements HostLock {
  readonly host: string
  readonly #handle: FileHandle
  #held = true
  /** Called before the lock is given back. An error that it throws is dropped. */
  beforeRelease: (() => Promise<void>) | undefined

  private constructor(host: string, handle: FileHandle) {
    this.host = host
    this.#handle = handle
  }

  get held(): boolean {
    return this.#held
  }

  /** Takes the lock at once. Throws LockedError that says who holds it. */
  static async take(file: string, host: string, owner: { since: Date; command: string }): Promise<HeldLock> {
    const tryLock = await loadTryLock()
    // The lock file is never removed: a name that comes and goes could be locked twice.
    const handle = await openRegular(file, 'append')
    try {
      for (let tries = 1; !tryLock(handle.fd); tries += 1) {
        const by = await readOwner(handle)
        // Whoever just looks holds it for a moment, and leaves no note.
        if (by.pid !== undefined || tries === MOST_TRIES) throw lockedBy(host, by)
        await sleep(LOOK_MS)
      }
      await handle.chmod(FILE_MODE)
      await handle.truncate(0)
      const note: LockOwner = {
        pid: process.pid,
        machine: hostname(),
        since: owner.since.toISOString(),
        command: owner.command,
      }
      // On a full disk there is no note: it is only for people, and pruning needs the lock.
      await handle.writeFile(`${JSON.stringify(note)}\n`).catch((error: unknown) => {
        if (!isVaultFull(error)) throw error
      })
      return new HeldLock(host, handle)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Throws LockedError when another run holds the lock. Changes nothing: the file is neither made nor written to. */
  static async look(file: string, host: string): Promise<void> {
    const tryLock = await loadTryLock()
    const handle = await openRegular(file, 'read').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    })
    if (handle === undefined) return
    try {
      if (!tryLock(handle.fd, { shared: true })) throw lockedBy(host, await readOwner(handle))
    } finally {
      await handle.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#held) return
    // The mark of the ledger stays where it was then: an older one is right as well. The lock must be given back.
    await this.beforeRelease?.().catch(() => undefined)
    this.#held = false
    // Who reads the note of a lock that nobody holds takes no notice of it.
    await this.#handle.truncate(0).catch(() => undefined)
    await this.#handle.close()
  }
}

/** Throws VaultError `no-file-lock`. */
export async function loadTryLock(): Promise<
  (fd: number, options?: { readonly shared: boolean }) => boolean
> {
  try {
    const { tryLock } = await import('fs-native-extensions')
    return tryLock
  } catch (cause) {
    if (cause instanceof RelayError) throw cause
    throw new VaultError('no-file-lock', 'File locks are not available on this system', {
      next: 'Install again with: npm ci (the package fs-native-extensions brings the locks).',
      cause,
    })
  }
}

async function readOwner(handle: FileHandle): Promise<Partial<LockOwner>> {
  try {
    const buffer = Buffer.alloc(4096)
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0)
    const note: unknown = JSON.parse(buffer.toString('utf8', 0, bytesRead))
    return typeof note === 'object' && note !== null ? note : {}
  } catch {
    // Between taking the lock and writing the note there is a moment without one.
    return {}
  }
}

function lockedBy(host: string, owner: Partial<LockOwner>): LockedError {
  const who =
    owner.pid === undefined
      ? 'another run'
      : `${printable(String(owner.command ?? 'relay-backup'))} (process ${owner.pid} on ${printable(String(owner.machine))}, since ${printable(String(owner.since))})`
  return new LockedError(`${host} is locked by ${who}`, {
    host,
    next: 'Wait until that run has ended, then run this again.',
  })
}
