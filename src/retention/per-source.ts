import type { RetentionPolicy } from '../model/config.ts'
import { settle, type RetentionDecision } from './apply.ts'
import { counted, judge, type RetentionInput, type Verdict } from './judge.ts'

/** A snapshot with the sources whose archives it still has. */
export interface SourceRetentionInput extends RetentionInput {
  readonly sources: readonly {
    readonly name: string
    /** Ids of the snapshots that this source's archives need. */
    readonly parents: readonly string[]
  }[]
}

/** The policies of one host. */
export interface HostPolicies {
  readonly host: RetentionPolicy
  /** The policies of sources that have one of their own. */
  readonly sources: ReadonlyMap<string, RetentionPolicy>
  /** The policies of schedules that have one for the snapshots that they make. They only keep. */
  readonly schedules?: ReadonlyMap<string, RetentionPolicy> | undefined
}

/** The archives of one source that may go from a snapshot that stays. */
export interface ArchiveDecision {
  readonly id: string
  readonly source: string
  readonly reasons: readonly string[]
}

/**
 * `applyRetention` for a host whose sources may have policies of their own: a snapshot stays when the host's
 * policy or that of one of its sources keeps it.
 */
export function applyPolicies(
  snapshots: readonly SourceRetentionInput[],
  policies: HostPolicies,
  now: Date,
  goodRestores: readonly Date[] = [],
): RetentionDecision[] {
  const verdicts = judge(snapshots, policies.host, now, goodRestores)
  for (const [source, policy] of policies.sources) {
    for (const [id, verdict] of judgeSource(snapshots, source, policy, now)) {
      if (verdict.keep && verdicts.get(id)?.keep === false) {
        verdicts.set(id, { keep: true, reasons: verdict.reasons.map((why) => `${source}: ${why}`) })
      }
    }
  }
  for (const [id, reasons] of keptBySchedule(snapshots, policies, now)) {
    if (verdicts.get(id)?.keep === false) verdicts.set(id, { keep: true, reasons })
  }
  return settle(snapshots, verdicts)
}

/**
 * What the policies of schedules keep, with the reasons. Each looks only at the snapshots of its schedule, and among these
 * at those that hold all that the schedule asks for: its `--source` makes none that is complete.
 */
function keptBySchedule(
  snapshots: readonly SourceRetentionInput[],
  { schedules = new Map() }: HostPolicies,
  now: Date,
): Map<string, string[]> {
  const kept = new Map<string, string[]>()
  for (const [schedule, policy] of schedules) {
    const own = snapshots
      .filter((one) => one.schedule === schedule)
      .map((one) => ({ ...one, complete: one.complete || one.asAsked === true, group: undefined }))
    for (const [id, { keep, reasons }] of judge(counted(own, now), policy, now)) {
      if (keep)
        kept.set(
          id,
          reasons.map((why) => `schedule ${schedule}: ${why}`),
        )
    }
  }
  return kept
}

/**
 * Which archives may go from snapshots that stay, by source:
 *
 * - of kept snapshots those that their source's policy (or the host's, for sources without one) does not keep, where
 *   any source has a policy. Only archives of complete pulls that no schedule keeps; never the newest of a source, and never one that a kept
 *   snapshot's incremental of that source needs;
 * - of retired snapshots those that no kept snapshot needs: a retired one is there for what it is needed for.
 *
 * Newest first, so that no incremental outlives what it needs.
 */
export function applySourceRetention(
  snapshots: readonly SourceRetentionInput[],
  decisions: readonly RetentionDecision[],
  policies: HostPolicies,
  now: Date,
): ArchiveDecision[] {
  const idsOf = (wanted: RetentionDecision['action']) =>
    new Set(decisions.filter(({ action }) => action === wanted).map(({ id }) => id))
  const [removed, kept, retired] = [idsOf('remove'), idsOf('keep'), idsOf('retire')]
  const left = snapshots.filter(({ id }) => !removed.has(id))
  const whole = keptBySchedule(snapshots, policies, now)
  const names = new Set(left.flatMap(({ sources }) => sources.map(({ name }) => name)))
  return [...names].sort().flatMap((source) => {
    const own = policies.sources.size === 0 ? undefined : (policies.sources.get(source) ?? policies.host)
    const verdicts = own === undefined ? [] : [...judgeSource(left, source, own, now)]
    const dropped = new Map(verdicts.filter(([id, { keep }]) => !keep && kept.has(id) && !whole.has(id)))
    const having = left.filter(({ sources }) => sources.some(({ name }) => name === source))
    const needed = neededOf(
      having.filter(({ id }) => kept.has(id) && !dropped.has(id)),
      source,
    )
    return having
      .toReversed()
      .filter(({ id }) => (dropped.has(id) || retired.has(id)) && !needed.has(id))
      .map(({ id }) => ({ id, source, reasons: dropped.get(id)?.reasons ?? ['nothing needs it any more'] }))
  })
}

/** The verdicts on the counted snapshots that have this source. */
function judgeSource(
  snapshots: readonly SourceRetentionInput[],
  source: string,
  policy: RetentionPolicy,
  now: Date,
): Map<string, Verdict> {
  const having = snapshots.filter(({ sources }) => sources.some(({ name }) => name === source))
  return judge(counted(having, now), policy, now)
}

/** What the archives of this source that stay need of it; parents are all that a source needs. */
function neededOf(staying: readonly SourceRetentionInput[], source: string): Set<string> {
  return new Set(staying.flatMap(({ sources }) => sources.find(({ name }) => name === source)?.parents ?? []))
}
