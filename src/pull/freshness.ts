import { snapshotTime } from '../model/names.ts'
import { completePulls, type Snapshot } from '../vault/contract.ts'

/**
 * The age in ms of the complete pull snapshot that was made last when it is younger than `ifOlderThan` ms, so that a
 * pull can be skipped; undefined when a pull is due. A snapshot dated in the future counts as stale: a wrong clock
 * must not stop backups.
 *
 * @param snapshots in the order they were made
 */
export function freshEnough(
  snapshots: readonly Snapshot[],
  ifOlderThan: number,
  now: Date,
): number | undefined {
  const last = completePulls(snapshots).at(-1)
  const age = last === undefined ? -1 : now.getTime() - snapshotTime(last.id).getTime()
  return age >= 0 && age < ifOlderThan ? age : undefined
}
