import type { RetentionPolicy } from '../model/config.ts'
import type { Purpose } from '../model/snapshot.ts'
import { formatDuration } from '../model/units.ts'
import { PERIODS } from './periods.ts'

/** A snapshot as retention sees it. */
export interface RetentionInput {
  readonly id: string
  readonly time: Date
  readonly purpose: Purpose
  readonly complete: boolean
  /** Snapshots of schemas or data alone count among those of the same group, and push out no others. */
  readonly group?: string | undefined
  /** Ids of all snapshots that its incremental archives need. */
  readonly parents: readonly string[]
  /** Retention dropped it before, and a part of it is gone. It is on disk only because another snapshot needs it. */
  readonly retired?: boolean
  /** Why it stays whatever the policy says. Such a snapshot counts for no rule. */
  readonly held?: string | undefined
  /**
   * A person knows that it is damaged. It uses up no place of a good one. It stays as long as the policy would keep it
   * if it were whole.
   */
  readonly damaged?: boolean | undefined
  /** The schedule that made it. */
  readonly schedule?: string | undefined
  /** All that was asked for is in it, which may be less than what is configured. */
  readonly asAsked?: boolean | undefined
}

export interface Verdict {
  readonly keep: boolean
  readonly reasons: readonly string[]
}

const PERIOD_NAMES = { daily: 'day', weekly: 'week', monthly: 'month', yearly: 'year' } as const
type Period = keyof typeof PERIODS
const PERIOD_RULES = Object.keys(PERIODS) as Period[]

/** True when the policy has a rule of its own; without one everything stays. */
export function hasRules(policy: RetentionPolicy): boolean {
  return describeRules(policy) !== ''
}

/** `last 7, daily 14, within 30d`; '' when there is no rule. */
export function describeRules(policy: RetentionPolicy): string {
  const counts = (['last', ...PERIOD_RULES] as const).flatMap((rule) => {
    const count = policy[rule]
    return count === undefined ? [] : [`${rule} ${count}`]
  })
  return [
    ...counts,
    ...(policy.within === undefined ? [] : [`within ${formatDuration(policy.within)}`]),
  ].join(', ')
}

/**
 * What the rules are applied to: complete pulls that are not dropped, not held, and not dated in the future. A damaged
 * one is among them, and {@link judge} gives it no place of a good one.
 */
export function counted<T extends RetentionInput>(snapshots: readonly T[], now: Date): T[] {
  return snapshots
    .filter(
      (one) =>
        one.purpose === 'pull' &&
        (one.complete || one.group !== undefined) &&
        one.retired !== true &&
        one.held === undefined &&
        one.time.getTime() <= now.getTime(),
    )
    .sort(newestFirst)
}

/**
 * Which snapshots the policy keeps, each by itself. What a snapshot needs of others is not looked at here. The rules
 * are those of `applyRetention`.
 */
export function judge(
  snapshots: readonly RetentionInput[],
  policy: RetentionPolicy,
  now: Date,
  goodRestores: readonly Date[] = [],
): Map<string, Verdict> {
  const all = counted(snapshots, now)
  const full = all.filter(({ complete }) => complete)
  const verdicts = judgeAmong(snapshots, full, { policy, now, goodRestores })
  for (const group of new Set(all.flatMap((one) => (one.complete ? [] : (one.group ?? []))))) {
    const own = all.filter((one) => !one.complete && one.group === group)
    for (const [id, { keep, reasons }] of judgeAmong(own, own, { policy, now, goodRestores }))
      verdicts.set(id, { keep, reasons: reasons.map((why) => `${group}: ${why}`) })
  }
  return verdicts
}

/** The verdicts on snapshots, where the rules are applied to these candidates. */
function judgeAmong(
  snapshots: readonly RetentionInput[],
  candidates: readonly RetentionInput[],
  {
    policy,
    now,
    goodRestores,
  }: { readonly policy: RetentionPolicy; readonly now: Date; readonly goodRestores: readonly Date[] },
): Map<string, Verdict> {
  const good = candidates.filter(({ damaged }) => damaged !== true)
  const reasons = countedReasons(good, policy)
  const newest = good[0]
  const context = { policy, now, newestComplete: newest?.time, goodRestores }
  const ifWhole = good.length === candidates.length ? reasons : countedReasons(candidates, policy)
  return new Map(
    snapshots.map((one) => {
      const own = reasons.get(one.id)
      const damaged = own === undefined ? ifWhole.get(one.id) : undefined
      if (damaged !== undefined)
        return [
          one.id,
          judgeDamaged(damaged, newest !== undefined && newest.time.getTime() > one.time.getTime()),
        ]
      return [one.id, own === undefined ? judgeOther(one, context) : judgeCounted(own, policy)]
    }),
  )
}

function judgeCounted(reasons: readonly string[], policy: RetentionPolicy): Verdict {
  if (reasons.length > 0) return { keep: true, reasons }
  return { keep: false, reasons: [`outside of ${describeRules(policy)}`] }
}

/** By the rules that would keep a damaged one if it were whole. It never goes before a later good one is there. */
function judgeDamaged(reasons: readonly string[], hasLaterGood: boolean): Verdict {
  if (!hasLaterGood) return { keep: true, reasons: ['damaged, and there is no newer good one'] }
  if (reasons.length > 0) return { keep: true, reasons: reasons.map((why) => `damaged, ${why}`) }
  return { keep: false, reasons: ['damaged, and its time is over'] }
}

/** The rules that keep each counted snapshot; newest first in, possibly none out. */
function countedReasons(
  candidates: readonly RetentionInput[],
  policy: RetentionPolicy,
): Map<string, string[]> {
  const reasons = new Map(candidates.map((one) => [one.id, [] as string[]]))
  const keep = (one: RetentionInput, why: string) => reasons.get(one.id)?.push(why)
  const [newest] = candidates
  if (newest === undefined) return reasons
  if (!hasRules(policy)) {
    for (const one of candidates) keep(one, 'the policy has no rule')
    return reasons
  }
  candidates
    .slice(0, policy.last ?? 0)
    .forEach((one, index) => keep(one, `last ${index + 1} of ${policy.last}`))
  for (const rule of PERIOD_RULES) {
    for (const { one, why } of periodKeeps(candidates, rule, policy[rule] ?? 0)) keep(one, why)
  }
  // Measured from the newest one, not from now: a server that was away for long must not cost its history.
  const oldest = newest.time.getTime() - (policy.within ?? 0)
  for (const one of policy.within === undefined ? [] : candidates) {
    if (one.time.getTime() > oldest) keep(one, `within ${formatDuration(policy.within ?? 0)} of the newest`)
  }
  if (reasons.get(newest.id)?.length === 0) keep(newest, 'the newest complete snapshot always stays')
  return reasons
}

/**
 * The newest of each of the last `count` periods that have a snapshot. While fewer periods than that have
 * passed, the very oldest stays too, so that the history reaches back as far as it can.
 */
function periodKeeps(
  candidates: readonly RetentionInput[],
  rule: Period,
  count: number,
): { readonly one: RetentionInput; readonly why: string }[] {
  const kept: { one: RetentionInput; why: string }[] = []
  let last: string | undefined
  for (const one of candidates) {
    if (kept.length >= count) break
    const period = PERIODS[rule](one.time)
    const number = `${rule} ${kept.length + 1} of ${count}`
    if (period !== last) kept.push({ one, why: `newest of ${PERIOD_NAMES[rule]} ${period} (${number})` })
    else if (one === candidates.at(-1)) kept.push({ one, why: `the oldest (${number})` })
    last = period
  }
  return kept
}

/** Snapshots that count for no rule. */
function judgeOther(
  one: RetentionInput,
  context: {
    readonly policy: RetentionPolicy
    readonly now: Date
    readonly newestComplete: Date | undefined
    readonly goodRestores: readonly Date[]
  },
): Verdict {
  const { policy, now, newestComplete, goodRestores } = context
  const keep = (why: string): Verdict => ({ keep: true, reasons: [why] })
  const drop = (why: string): Verdict => ({ keep: false, reasons: [why] })
  if (one.held !== undefined) return keep(one.held)
  if (one.retired === true) return drop('dropped before')
  if (one.time.getTime() > now.getTime()) return keep('dated in the future')
  if (!hasRules(policy)) return keep('the policy has no rule')
  const laterPull = newestComplete !== undefined && newestComplete.getTime() > one.time.getTime()
  if (one.purpose === 'pull') {
    if (!laterPull) return keep('no newer complete snapshot yet')
    const oldest = newestComplete.getTime() - (policy.within ?? 0)
    if (policy.within !== undefined && one.time.getTime() > oldest) {
      return keep(`within ${formatDuration(policy.within)} of the newest`)
    }
    return drop('not complete, and a newer complete snapshot exists')
  }
  const age = formatDuration(policy.safety)
  if (now.getTime() - one.time.getTime() <= policy.safety) return keep(`${one.purpose}, younger than ${age}`)
  const laterRestore =
    one.purpose === 'safety' && goodRestores.some((at) => at.getTime() > one.time.getTime())
  if (laterPull || laterRestore) return drop(`${one.purpose}, older than ${age}, and a later good run exists`)
  return keep(`${one.purpose}, and no later good run exists`)
}

export function newestFirst(a: { readonly time: Date; readonly id: string }, b: typeof a): number {
  return b.time.getTime() - a.time.getTime() || (a.id < b.id ? 1 : -1)
}
