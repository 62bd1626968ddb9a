import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { RelayError } from '../errors.ts'
import type { Manifest } from '../model/snapshot.ts'
import type { Snapshot } from './contract.ts'
import { DamageBook } from './damage.ts'
import { onDisk } from './disk-error.ts'
import { ifPresent } from './durable.ts'
import { isOtherFormat } from './format.ts'
import { readLedger } from './ledger.ts'
import { ledgerState } from './ledger-state.ts'
import { hashOf, parseManifest } from './manifest.ts'
import { isSnapshotName, ledgerFile, MANIFEST_FILE, MOST_BYTES, snapshotDirectory } from './paths.ts'
import { asRekeyed } from './rekeyed.ts'
import { insistOnDirectory, readRegular } from './regular-file.ts'

/** Manifests read at the same time: enough to keep a disk busy, far from the limit of open files. */
const READERS = 32

/**
 * Every committed snapshot of a host in the order they were made, which the ledger knows and no clock, retired ones
 * included; needs no lock. Directories first, the ledger after: what is removed in between is then known to be. A
 * directory without a readable manifest is not shown; `check` reports it. Throws VaultError for a manifest or ledger of
 * another format.
 */
export async function readSnapshots(hostDir: string, host: string): Promise<Snapshot[]> {
  return onDisk(hostDir, async () => {
    await insistOnDirectory(hostDir)
    const names = directoryNames((await ifPresent(readdir(hostDir, { withFileTypes: true }))) ?? [])
    const {
      snapshots: known,
      newestManifest,
      damageAccepted,
    } = ledgerState((await readLedger(ledgerFile(hostDir))).records)
    const damaged = await DamageBook.read(hostDir)
    const ids = names.filter((name) => isSnapshotName(name) && known.get(name)?.removed !== true)
    const limit = pLimit(READERS)
    const read = await limit.map(ids, async (id): Promise<Snapshot | undefined> => {
      const stored = await readManifest(snapshotDirectory(hostDir, id)).catch((error: unknown) => {
        if (error instanceof RelayError && !isOtherFormat(error)) return undefined
        throw error
      })
      if (stored === undefined || stored.manifest.id !== id) return undefined
      const entry = known.get(id)
      const damage = damaged.of(id)
      const needed = [id, ...stored.manifest.sources.flatMap(({ parents }) => parents)]
      return {
        host,
        id,
        manifest: asRekeyed(stored.manifest, entry?.forms ?? new Map()),
        manifestHash: stored.manifestHash,
        removedFiles: entry?.removedFiles ?? new Set(),
        retired: entry?.retired ?? false,
        ...(entry === undefined ? { unrecorded: true } : {}),
        ...(damage.length === 0 ? {} : { damage }),
        ...(needed.some((one) => damageAccepted.has(one)) ? { lossAccepted: true } : {}),
      }
    })
    const place = new Map([...known.keys()].map((id, at) => [id, at]))
    return inOrder(
      read.filter((snapshot) => snapshot !== undefined),
      place,
      newestManifest,
    )
  })
}

/**
 * Snapshots that the ledger does not know come first, by their dates, so that a directory that was copied in is never
 * the newest. But a snapshot that names the ledger's last one as its predecessor was made after it, and so on.
 */
function inOrder(
  snapshots: readonly Snapshot[],
  place: ReadonlyMap<string, number>,
  newestManifest: string | null,
): Snapshot[] {
  const recorded = snapshots
    .filter(({ unrecorded }) => unrecorded !== true)
    .sort((a, b) => (place.get(a.id) ?? 0) - (place.get(b.id) ?? 0))
  const others = snapshots
    .filter(({ unrecorded }) => unrecorded === true)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  const following: Snapshot[] = []
  for (let last = newestManifest; ;) {
    const next = others.findIndex(({ manifest }) => manifest.previous === last)
    const [found] = next === -1 ? [] : others.splice(next, 1)
    if (found === undefined) return [...others, ...recorded, ...following]
    following.push(found)
    last = found.manifestHash
  }
}

/** Names of directories; links to directories are left out. */
export function directoryNames(entries: readonly Dirent[]): string[] {
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
}

/** A directory's manifest and its hash; undefined when there is none. Throws as `parseManifest` does. */
export async function readManifest(
  directory: string,
): Promise<{ readonly manifest: Manifest; readonly manifestHash: string } | undefined> {
  const bytes = await ifPresent(readRegular(join(directory, MANIFEST_FILE), MOST_BYTES.manifest))
  return bytes === undefined ? undefined : { manifest: parseManifest(bytes), manifestHash: hashOf(bytes) }
}
