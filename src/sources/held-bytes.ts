import type { ManifestSource } from '../model/snapshot.ts'
import { findKind } from './registry.ts'

/**
 * Bytes of what a source held when it was captured. Of an incremental that is more than what is in its own archives, so
 * its facts say it.
 */
export function heldBytes({ facts, archives }: Pick<ManifestSource, 'facts' | 'archives'>): number {
  const told = findKind(facts.kind)?.facts?.amount(facts)
  if (told?.unit === 'bytes') return told.amount
  return archives.reduce((sum, { plainBytes }) => sum + plainBytes, 0)
}
