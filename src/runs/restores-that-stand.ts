import { SNAPSHOT_ID_PATTERN, snapshotTime } from '../model/names.ts'
import type { RunRecord } from '../model/run-record.ts'

/**
 * When the good restores of a history began. One that went beside what is live replaced nothing, and does not count. Nor
 * does one that was rolled back later: what it replaced is there again. A restore's id is the second in which it was planned, so it is the restore that ran then: two of a host do not
 * run at once.
 */
export function restoresThatStand(runs: readonly RunRecord[]): Date[] {
  const undone = runs.flatMap(({ operation, outcome, undoes }) =>
    operation === 'rollback' && outcome !== 'failed' && SNAPSHOT_ID_PATTERN.test(undoes ?? '')
      ? [snapshotTime(undoes ?? '').getTime()]
      : [],
  )
  return runs
    .filter(
      ({ operation, outcome, beside }) => operation === 'restore' && outcome === 'done' && beside !== true,
    )
    .filter(({ at, finishedAt }) => {
      const began = Math.floor(Date.parse(at) / 1000) * 1000
      return !undone.some((time) => began <= time && time <= Date.parse(finishedAt))
    })
    .map(({ at }) => new Date(at))
}
