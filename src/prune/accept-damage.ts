import { VaultError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type { HostLock, Vault } from '../vault/contract.ts'
import { damageOf } from './damage.ts'

/**
 * Writes down that a person goes on without these snapshots of the lock's host. Throws VaultError `not-damaged`, and
 * writes nothing, when one of them is whole or was never made: a good backup is not given up by a slip of the keyboard.
 */
export async function acceptDamage(
  vault: Vault,
  lock: HostLock,
  ids: readonly string[],
  at: Date,
): Promise<void> {
  const { host } = lock
  const all = await vault.snapshots(host, { retired: true })
  const damaged = new Set((await damageOf(vault, host, all, all)).map(({ snapshot }) => snapshot))
  const whole = ids.find((id) => !damaged.has(id))
  if (whole !== undefined) {
    throw new VaultError(
      'not-damaged',
      `No damage is known of ${printable(`${host}/${whole}`)}, so it is not given up`,
      {
        next: `See what is damaged with: relay-backup verify ${host}`,
      },
    )
  }
  await vault.acceptDamage(lock, [...new Set(ids)], 'prune --accept-loss', at)
}
