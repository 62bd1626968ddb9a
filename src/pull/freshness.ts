import { snapshotTime } from '../model/names.ts'
import { completePulls, type Snapshot } from '../vault/contract.ts'

/**
 * The age in ms of the newest complete pull snapshot when it is younger than `ifOlderThan` ms, so that a pull can
 * be skipped; undefined when a pull is due. A snapshot dated in the future counts as stale: a wrong clock must
 * not stop backups.
 */
export function freshEnough(
  snapshots: readonly Snapshot[],
  ifOlderThan: number,
  now: Date,
): number | undefined {
  const ages = completePulls(snapshots)
    .map((snapshot) => now.getTime() - snapshotTime(snapshot.id).getTime())
    .filter((age) => age >= 0)
  const youngest = Math.min(...ages)
  return youngest < ifOlderThan ? youngest : undefined
}
