import type { Damage, Snapshot, Vault } from '../vault/contract.ts'
import { resolveSnapshot } from '../vault/resolve-snapshot.ts'
import { storedBytes } from '../model/snapshot.ts'

/** All that the vault knows of one snapshot. */
export interface ShownSnapshot {
  readonly snapshot: Snapshot
  /** Of its files that are still there. */
  readonly bytes: number
  /** Sources that were asked for and are not in it. */
  readonly missing: readonly string[]
  readonly damage: readonly Damage[]
}

/** Looks up a snapshot by its reference (`prod/latest`). Throws UsageError for one that there is not. */
export async function showSnapshot(vault: Vault, reference: string): Promise<ShownSnapshot> {
  const snapshot = await resolveSnapshot(vault, reference)
  const { manifest, damage = [] } = snapshot
  const made = new Set(manifest.sources.map(({ name }) => name))
  const missing = manifest.selection.filter((name) => !made.has(name))
  return { snapshot, bytes: storedBytes(snapshot), missing, damage }
}
