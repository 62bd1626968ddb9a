import { contentOf, sourceFiles } from '../model/snapshot.ts'
import type { RunRecord } from '../model/run-record.ts'
import { heldBytes } from '../sources/held-bytes.ts'
import type { LedgerRecord, Snapshot } from '../vault/contract.ts'

// How much there is, and by how much it grows: functions of data alone.

const DAY = 86_400_000
/** What is usual is seen over so long, in ms. */
export const GROWTH_WINDOW = 30 * DAY

/** So many bytes at a time, in ms since the epoch. */
export interface SizePoint {
  readonly at: number
  readonly bytes: number
}

/** Bytes a day between the first and the last point of the window; undefined when they are less than a day apart. */
export function growthPerDay(points: readonly SizePoint[], now: Date): number | undefined {
  const own = points.filter(({ at }) => at >= now.getTime() - GROWTH_WINDOW && at <= now.getTime())
  const [first, last] = [own[0], own.at(-1)]
  if (first === undefined || last === undefined || last.at - first.at < DAY) return undefined
  return ((last.bytes - first.bytes) * DAY) / (last.at - first.at)
}

/** Days until so much is used up; undefined where nothing grows. */
export function daysUntilFull(free: number, growth: number | undefined): number | undefined {
  return growth === undefined || growth <= 0 ? undefined : Math.floor(free / growth)
}

/** What a source held at each of its backups, oldest first. Schemas or data alone are not the source. */
export function heldPoints(snapshots: readonly Snapshot[], source: string): SizePoint[] {
  return snapshots.flatMap(({ manifest }) => {
    const own = manifest.sources.find(({ name }) => name === source)
    if (manifest.purpose !== 'pull' || own === undefined || contentOf(own) !== 'all') return []
    return [{ at: Date.parse(manifest.createdAt), bytes: heldBytes(own) }]
  })
}

/** What a source takes in the vault. */
export function storedOf({ manifest, removedFiles }: Snapshot, source: string): number {
  return manifest.sources
    .filter(({ name }) => name === source)
    .flatMap(sourceFiles)
    .filter(({ file }) => !removedFiles.has(file))
    .reduce((sum, { bytes }) => sum + bytes, 0)
}

/**
 * By how many bytes a host's part of the vault grew a day: what was made, less what was removed, in the window or since
 * the first snapshot. Undefined when that is less than a day ago. How big a removed snapshot was is known from the run
 * that made it.
 */
export function vaultGrowth(
  ledger: readonly LedgerRecord[],
  runs: readonly RunRecord[],
  snapshots: readonly Snapshot[],
  now: Date,
): number | undefined {
  const sizes = new Map(
    runs.flatMap(({ operation, snapshot, sources = [] }) =>
      operation !== 'pull' || snapshot === undefined
        ? []
        : [[snapshot, sources.reduce((sum, { bytes }) => sum + bytes, 0)] as const],
    ),
  )
  for (const { id, manifest } of snapshots)
    sizes.set(
      id,
      manifest.sources.flatMap(sourceFiles).reduce((sum, { bytes }) => sum + bytes, 0),
    )
  const first = ledger.find(({ event }) => event === 'made')
  if (first === undefined) return undefined
  const from = Math.max(Date.parse(first.at), now.getTime() - GROWTH_WINDOW)
  const days = (now.getTime() - from) / DAY
  if (days < 1) return undefined
  let bytes = 0
  for (const line of ledger) {
    if (Date.parse(line.at) < from) continue
    if (line.event === 'made') bytes += sizes.get(line.snapshot) ?? 0
    if (line.event === 'removed') bytes -= sizes.get(line.snapshot) ?? 0
  }
  return bytes / days
}
