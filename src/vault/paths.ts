import { join } from 'node:path'
import { decodeFileName, encodeFileName, SNAPSHOT_ID_PATTERN } from '../model/names.ts'

/** Where things are in a vault (docs/design/vault.md). Absolute when the vault's path is. */
export const MANIFEST_FILE = 'manifest.json'
export const SUMS_FILE = 'SHA256SUMS'
export const LEDGER_FILE = 'ledger.jsonl'
export const RUNS_FILE = 'runs.jsonl'
export const DAMAGE_FILE = 'damage.jsonl'
export const PARTIAL_PREFIX = '.partial-'
export const REMOVING_PREFIX = '.removing-'
export const REKEYING_PREFIX = '.rekeying-'
/** Scratch files of a pending snapshot; no archive's name begins with a dot. */
export const SCRATCH_PREFIX = '.scratch-'

/** The most bytes that a file of each kind may have. A larger file is not read into memory. */
export const MOST_BYTES = { vault: 2 ** 20, manifest: 2 ** 26, sums: 2 ** 26, lines: 2 ** 28 } as const

/** Archive and index files: what `encodeFileName` yields plus extensions, never hidden and never a path. */
export const FILE_NAME_PATTERN = /^[A-Za-z0-9_%-][A-Za-z0-9_%.-]{0,254}$/

export const vaultFile = (vault: string) => join(vault, 'vault.json')
export const auditFile = (vault: string) => join(vault, 'audit.jsonl')
export const hostDirectory = (vault: string, host: string) => join(vault, encodeFileName(host))
export const ledgerFile = (hostDir: string) => join(hostDir, LEDGER_FILE)
export const runsFile = (hostDir: string) => join(hostDir, RUNS_FILE)
export const damageFile = (hostDir: string) => join(hostDir, DAMAGE_FILE)
/** Room that a full disk takes back (`reserve.ts`). */
export const reserveFile = (hostDir: string) => join(hostDir, '.reserve')
export const lockFile = (hostDir: string) => join(hostDir, '.lock')
export const snapshotDirectory = (hostDir: string, id: string) => join(hostDir, id)
export const partialDirectory = (hostDir: string, id: string) => join(hostDir, PARTIAL_PREFIX + id)
export const removingDirectory = (hostDir: string, id: string) => join(hostDir, REMOVING_PREFIX + id)
export const rekeyingDirectory = (hostDir: string, id: string) => join(hostDir, REKEYING_PREFIX + id)
export const removedDirectory = (hostDir: string) => join(hostDir, 'removed')
export const removedManifest = (hostDir: string, id: string) => join(hostDir, 'removed', `${id}.json`)

/** The host a directory of the vault belongs to; undefined when it is no host's. */
export function hostOfDirectory(name: string): string | undefined {
  if (name.startsWith('.')) return undefined
  try {
    const host = decodeFileName(name)
    return encodeFileName(host) === name ? host : undefined
  } catch {
    return undefined
  }
}

/** True for a directory name that is a committed snapshot's. */
export function isSnapshotName(name: string): boolean {
  return SNAPSHOT_ID_PATTERN.test(name)
}
