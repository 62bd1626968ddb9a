import { RelayError, VaultError } from '../errors.ts'
import { ClosedEarlyError } from './pump.ts'

const FULL = new Set(['ENOSPC', 'EDQUOT'])
const NOT_WRITABLE = new Set(['EACCES', 'EPERM', 'EROFS'])

/** What writing into the vault failed with, as a VaultError with the next step; a defect stays what it is. */
export function explainDisk(error: unknown): unknown {
  if (error instanceof RelayError || !(error instanceof Error)) return error
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (FULL.has(code)) {
    return new VaultError('vault-full', 'The disk that holds the vault is full', {
      next: 'Free space on it, or remove old snapshots: relay-backup prune',
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
