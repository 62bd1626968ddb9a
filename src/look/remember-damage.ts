import { DamageError } from '../errors.ts'
import type { Snapshot } from '../vault/contract.ts'
import type { LookDependencies } from './dependencies.ts'

/**
 * Has the vault look at files in which damage was met, so that it remembers what is damaged. A vault that can't be
 * written to forgets it.
 */
export async function rememberDamage(
  files: readonly { readonly snapshot: Snapshot; readonly file: string }[],
  met: unknown,
  { vault }: Pick<LookDependencies, 'vault'>,
  signal: AbortSignal,
): Promise<void> {
  if (!(met instanceof DamageError)) return
  for (const { snapshot, file } of files) {
    await vault
      .check(snapshot.host, { snapshots: [snapshot.id], files: new Set([file]), hashes: true, signal })
      .catch(() => undefined)
  }
}
