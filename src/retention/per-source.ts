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
  /** Of sources that have one of their own. */
  readonly sources: ReadonlyMap<string, RetentionPolicy>
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
  return settle(snapshots, verdicts)
}

/**
 * Which archives of kept snapshots may go because their source's policy (or the host's, for sources without
 * one) does not keep them. Only archives of complete pulls; never the newest of a source, and never one that
 * another snapshot's incremental of that source needs. Newest first, so that no incremental outlives what it
 * needs. Without policies of sources the answer is empty.
 */
export function applySourceRetention(
  snapshots: readonly SourceRetentionInput[],
  decisions: readonly RetentionDecision[],
  policies: HostPolicies,
  now: Date,
): ArchiveDecision[] {
  if (policies.sources.size === 0) return []
  const removed = new Set(decisions.filter(({ action }) => action === 'remove').map(({ id }) => id))
  const kept = new Set(decisions.filter(({ action }) => action === 'keep').map(({ id }) => id))
  const left = snapshots.filter(({ id }) => !removed.has(id))
  const names = new Set(left.flatMap(({ sources }) => sources.map(({ name }) => name)))
  return [...names].sort().flatMap((source) => {
    const verdicts = judgeSource(left, source, policies.sources.get(source) ?? policies.host, now)
    const dropped = [...verdicts].filter(([id, { keep }]) => !keep && kept.has(id))
    const needed = neededOf(left, source, new Set(dropped.map(([id]) => id)))
    return dropped.filter(([id]) => !needed.has(id)).map(([id, { reasons }]) => ({ id, source, reasons }))
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

/** What the archives of this source that stay need of it, directly or not. */
function neededOf(
  snapshots: readonly SourceRetentionInput[],
  source: string,
  dropped: ReadonlySet<string>,
): Set<string> {
  const parentsOf = new Map(
    snapshots.map(({ id, sources }) => [id, sources.find(({ name }) => name === source)?.parents ?? []]),
  )
  const needed = new Set<string>()
  const open = [...parentsOf.keys()].filter((id) => !dropped.has(id))
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    for (const parent of parentsOf.get(id) ?? []) {
      if (needed.has(parent)) continue
      needed.add(parent)
      open.push(parent)
    }
  }
  return needed
}
