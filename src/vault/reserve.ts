import { randomBytes } from 'node:crypto'
import { lstat, unlink } from 'node:fs/promises'
import { isVaultFull } from './disk-error.ts'
import { ifPresent, writeNewFile } from './durable.ts'
import { reserveFile } from './paths.ts'

/** Room for a hundred lines of a ledger. */
const RESERVE_BYTES = 32 * 1024

/**
 * Keeps some room for the line that the ledger must get before anything can be removed: on a full disk this file makes
 * way for it. Where there is no room for this file, that is no error. The caller holds the host's lock.
 */
export async function keepReserve(hostDir: string): Promise<void> {
  const path = reserveFile(hostDir)
  if ((await ifPresent(lstat(path)))?.size === RESERVE_BYTES) return
  await ifPresent(unlink(path))
  try {
    // Random, so that no file system compresses it away.
    await writeNewFile(path, randomBytes(RESERVE_BYTES))
  } catch (error) {
    if (!isVaultFull(error)) throw error
    await ifPresent(unlink(path))
  }
}

/** Gives the room free. False when there is none to give. */
export async function spendReserve(hostDir: string): Promise<boolean> {
  return (await ifPresent(unlink(reserveFile(hostDir)).then(() => true))) ?? false
}
