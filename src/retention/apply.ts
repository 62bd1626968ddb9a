import type { RetentionPolicy } from '../model/config.ts'
import { judge, type RetentionInput, type Verdict } from './judge.ts'

export interface RetentionDecision {
  readonly id: string
  /** `retire`: the policy drops it, but a kept incremental needs it. It is hidden, and stays on disk. */
  readonly action: 'keep' | 'retire' | 'remove'
  /** Why, for people; at least one. */
  readonly reasons: readonly string[]
}

/**
 * Decides for every snapshot of a host whether it stays. Pure: `now` comes in, nothing is touched. Decisions
 * are in the order of the input.
 *
 * - Only complete `pull` snapshots count. Partial ones, failed runs, safety and cutover snapshots never use up
 *   a place, and so never push a good one out. The newest complete one always stays.
 * - `last` keeps the newest n; `daily`, `weekly` (ISO), `monthly`, `yearly` the newest of each of the last n
 *   UTC periods that have one; `within` everything younger than that, measured from the newest. A snapshot
 *   stays when any rule keeps it. A policy without a rule keeps everything.
 * - A partial snapshot goes once a newer complete one exists, unless `within` keeps it.
 * - A safety snapshot goes when it is older than `safety` and a good restore began, or a complete pull was
 *   made, after it. A cutover snapshot likewise, but only a later complete pull counts.
 * - A snapshot dated in the future stays and counts for nothing: the clock was wrong then or is wrong now.
 * - What a kept incremental needs is retired instead of removed.
 */
export function applyRetention(
  snapshots: readonly RetentionInput[],
  policy: RetentionPolicy,
  now: Date,
  goodRestores: readonly Date[] = [],
): RetentionDecision[] {
  return settle(snapshots, judge(snapshots, policy, now, goodRestores))
}

/** Turns verdicts into decisions: parents of what is kept are never removed. */
export function settle(
  snapshots: readonly RetentionInput[],
  verdicts: ReadonlyMap<string, Verdict>,
): RetentionDecision[] {
  const kept = snapshots.filter(({ id }) => verdicts.get(id)?.keep !== false)
  const neededBy = neededFor(kept)
  return snapshots.map(({ id }) => {
    const verdict = verdicts.get(id)
    if (verdict?.keep !== false) return { id, action: 'keep', reasons: verdict?.reasons ?? ['not judged'] }
    const children = neededBy.get(id) ?? []
    const [first] = children
    if (first === undefined) return { id, action: 'remove', reasons: verdict.reasons }
    const others = children.length === 1 ? '' : ` and ${children.length - 1} more`
    return { id, action: 'retire', reasons: [...verdict.reasons, `needed by ${first}${others}`] }
  })
}

/**
 * Every snapshot that the kept ones need, with those that need it. A snapshot's parents are all that it needs, so it
 * does not matter what a parent once needed itself.
 */
function neededFor(kept: readonly RetentionInput[]): Map<string, string[]> {
  const neededBy = new Map<string, string[]>()
  for (const { id, parents } of kept) {
    for (const parent of new Set(parents)) neededBy.set(parent, [...(neededBy.get(parent) ?? []), id])
  }
  return neededBy
}
