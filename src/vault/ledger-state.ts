import type { LedgerRecord } from './contract.ts'
import type { FileForm } from './rekeyed.ts'

/** What the ledger knows of one snapshot. */
export interface LedgerSnapshot {
  readonly id: string
  /** Hex SHA-256 of its manifest. */
  readonly manifest: string
  /** The manifest hash of the snapshot made before it. */
  readonly previous: string | null
  retired: boolean
  removed: boolean
  readonly removedFiles: Set<string>
  /** What its files became with other keys. */
  readonly forms: Map<string, FileForm[]>
}

/** The sum of a host's ledger. */
export interface LedgerState {
  /** In the order they were made, removed ones included. */
  readonly snapshots: ReadonlyMap<string, LedgerSnapshot>
  /** Manifest hash of the snapshot made last, null before the first. */
  readonly newestManifest: string | null
  /** Why rotation is paused. */
  readonly paused: string | undefined
  /** Snapshots that something else knows and the ledger does not, which a person has accepted. */
  readonly accepted: ReadonlySet<string>
  /** Snapshots whose damage a person has accepted. */
  readonly damageAccepted: ReadonlySet<string>
}

export function ledgerState(records: readonly LedgerRecord[]): LedgerState {
  const snapshots = new Map<string, LedgerSnapshot>()
  let newestManifest: string | null = null
  let paused: string | undefined
  const accepted = new Set<string>()
  const damageAccepted = new Set<string>()
  for (const record of records) {
    switch (record.event) {
      case 'made':
        snapshots.set(record.snapshot, {
          id: record.snapshot,
          manifest: record.manifest,
          previous: newestManifest,
          retired: false,
          removed: false,
          removedFiles: new Set(),
          forms: new Map(),
        })
        newestManifest = record.manifest
        break
      case 'retired':
      case 'reinstated': {
        const known = snapshots.get(record.snapshot)
        if (known) known.retired = record.event === 'retired'
        break
      }
      case 'removed': {
        const known = snapshots.get(record.snapshot)
        if (known) known.removed = true
        break
      }
      case 'archives-removed':
        for (const file of record.files) snapshots.get(record.snapshot)?.removedFiles.add(file)
        break
      case 'rekeyed': {
        const forms = snapshots.get(record.snapshot)?.forms
        for (const file of record.files) {
          const form = { ...file, recipients: record.recipients }
          forms?.set(file.file, [...(forms.get(file.file) ?? []), form])
        }
        break
      }
      case 'rotation-paused':
        paused = record.why
        break
      case 'rotation-accepted':
        paused = undefined
        break
      case 'loss-accepted':
        for (const id of record.snapshots) accepted.add(id)
        for (const id of record.damaged ?? []) damageAccepted.add(id)
        break
    }
  }
  return { snapshots, newestManifest, paused, accepted, damageAccepted }
}
