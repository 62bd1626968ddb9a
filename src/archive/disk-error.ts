import { RelayError, VaultError } from '../errors.ts'
import { diskFullMessage, freeSpace, isDiskFull } from '../model/disk-full.ts'
import { ClosedEarlyError } from './pump.ts'

const NOT_WRITABLE = new Set(['EACCES', 'EPERM', 'EROFS'])

/**
 * Turns an error of writing into the vault into a VaultError with the next step; a defect stays as it is. `path` is the
 * scratch file that was written, `next` the bytes that it was to take.
 */
export function explainDisk(error: unknown, path?: string, next?: number): unknown {
  if (error instanceof RelayError || !(error instanceof Error)) return error
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (isDiskFull(error)) {
    const place = path ?? (error as NodeJS.ErrnoException).path
    const message =
      place === undefined
        ? 'disk full: that of the vault'
        : diskFullMessage({ path: place, what: 'scratch data in the vault', free: freeSpace(place), next })
    return new VaultError('disk-full', message, {
      stderr: error.message,
      next: 'Free some space there, remove old snapshots (relay-backup prune), or set `vault` to a directory on a larger disk, and run again.',
      cause: error,
    })
  }
  if (NOT_WRITABLE.has(code)) {
    return new VaultError('vault-not-writable', `The vault can't be written to: ${error.message}`, {
      next: 'Check the permissions of the vault directory and that its disk is not read-only.',
      cause: error,
    })
  }
  if (error instanceof ClosedEarlyError || /^E[A-Z0-9]+$/.test(code)) {
    return new VaultError('vault-write', `Writing to the vault failed: ${error.message}`, {
      next: 'Check the disk that holds the vault.',
      cause: error,
    })
  }
  return error
}
