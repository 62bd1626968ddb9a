import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { snapshotId } from '../model/names.ts'
import { ifPresent } from './durable.ts'
import type { LedgerState } from './ledger-state.ts'
import { removedDirectory } from './paths.ts'

/** Every id that a host has ever used, as far as disk and ledger know. */
export async function usedIds(hostDir: string, state: LedgerState): Promise<Set<string>> {
  const names = await readdir(hostDir)
  const removed = (await ifPresent(readdir(removedDirectory(hostDir)))) ?? []
  return new Set([
    ...state.snapshots.keys(),
    ...names.map((name) => name.replace(/^\.(partial|removing)-/, '')),
    ...removed.map((name) => name.replace(/\.json$/, '')),
  ])
}

/**
 * The time a new snapshot is begun at. When that second is taken already, it waits for the next one, so an id
 * never lies in the future. A clock that went backwards is no error: the id is then earlier than the newest id, and
 * unique all the same.
 */
export async function newSnapshotTime(
  used: ReadonlySet<string>,
  now: () => Date,
  signal: AbortSignal,
): Promise<Date> {
  let at = now()
  while (used.has(snapshotId(at))) {
    const next = new Date((Math.floor(at.getTime() / 1000) + 1) * 1000)
    await sleep(next.getTime() - at.getTime(), undefined, { signal })
    at = next
  }
  return at
}
