import { describe, expect, test } from 'vitest'
import type { RetentionPolicy } from '../../../src/model/config.ts'
import { snapshotId } from '../../../src/model/names.ts'
import type { Purpose } from '../../../src/model/snapshot.ts'
import { applyRetention } from '../../../src/retention/apply.ts'
import { describeRules, newestFirst, type RetentionInput } from '../../../src/retention/judge.ts'
import { applyPolicies, applySourceRetention } from '../../../src/retention/per-source.ts'

const DAY = 86_400_000
const now = new Date('2025-11-20T02:00:00Z')
const daysAgo = (days: number) => new Date(now.getTime() - days * DAY)

const snapshot = (days: number, changes: Partial<RetentionInput> = {}): RetentionInput => ({
  id: snapshotId(daysAgo(days)),
  time: daysAgo(days),
  purpose: 'pull',
  complete: true,
  parents: [],
  ...changes,
})
const policy = (rules: Partial<RetentionPolicy>): RetentionPolicy => ({ safety: 14 * DAY, ...rules })

/** `keep: reason; reason` by the age in days, as it is told to a person. */
function told(
  snapshots: readonly RetentionInput[],
  rules: Partial<RetentionPolicy>,
  goodRestores: readonly Date[] = [],
): string[] {
  return applyRetention(snapshots, policy(rules), now, goodRestores).map(
    ({ action, reasons }) => `${action}: ${reasons.join('; ')}`,
  )
}

describe('a person is told why', () => {
  test('complete snapshots stay or go', () => {
    expect(told([snapshot(3), snapshot(2), snapshot(1)], { last: 1, within: 2 * DAY, daily: 1 })).toEqual([
      'remove: outside of last 1, daily 1, within 2d',
      'keep: within 2d of the newest',
      'keep: last 1 of 1; newest of day 2025-11-19 (daily 1 of 1); within 2d of the newest',
    ])
    expect(told([snapshot(1)], {})).toEqual(['keep: the policy has no rule'])
    expect(told([snapshot(2), snapshot(1)], { last: 0 })).toEqual([
      'remove: outside of last 0',
      'keep: the newest complete snapshot always stays',
    ])
    expect(told([snapshot(1), snapshot(0.9)], { monthly: 2 })).toEqual([
      'keep: the oldest (monthly 2 of 2)',
      'keep: newest of month 2025-11 (monthly 1 of 2)',
    ])
  })

  test('snapshots in part', () => {
    const partial = (days: number) => snapshot(days, { complete: false })
    expect(told([partial(9), partial(3), snapshot(2), partial(1)], { last: 1, within: 5 * DAY })).toEqual([
      'remove: not complete, and a newer complete snapshot exists',
      'keep: within 5d of the newest',
      'keep: last 1 of 1; within 5d of the newest',
      'keep: no newer complete snapshot yet',
    ])
    expect(told([partial(3), snapshot(2)], { last: 1 })[0]).toMatch(/^remove: not complete/)
    expect(told([partial(7), snapshot(2)], { within: 5 * DAY })[0]).toMatch(/^remove: not complete/)
    expect(told([partial(3)], {})).toEqual(['keep: the policy has no rule'])
  })

  test.each(['safety', 'cutover'] as const)('a %s snapshot', (purpose: Purpose) => {
    const other = (days: number) => snapshot(days, { purpose })
    expect(told([other(15), other(14), other(1)], { last: 1 })).toEqual([
      `keep: ${purpose}, and no later good run exists`,
      `keep: ${purpose}, younger than 14d`,
      `keep: ${purpose}, younger than 14d`,
    ])
    expect(told([other(15), snapshot(1)], { last: 1 })[0]).toBe(
      `remove: ${purpose}, older than 14d, and a later good run exists`,
    )
    const restored = purpose === 'safety' ? 'remove' : 'keep'
    expect(told([other(15)], { last: 1 }, [daysAgo(14.5)])[0]).toMatch(new RegExp(`^${restored}: `))
    // Of the same moment is not after it.
    expect(told([other(15)], { last: 1 }, [daysAgo(15)])[0]).toMatch(/^keep: /)
    expect(told([other(15), snapshot(15)], { last: 1 })[0]).toMatch(/^keep: /)
  })

  test('what is held, was dropped before, or is dated in the future', () => {
    expect(
      told(
        [
          snapshot(3, { held: 'the ledger does not know it' }),
          snapshot(2, { retired: true }),
          snapshot(1),
          snapshot(-1),
        ],
        { last: 1 },
      ),
    ).toEqual([
      'keep: the ledger does not know it',
      'remove: dropped before',
      'keep: last 1 of 1',
      'keep: dated in the future',
    ])
    expect(told([snapshot(1), snapshot(0)], { last: 1 })).toEqual([
      'remove: outside of last 1',
      'keep: last 1 of 1',
    ])
    const future = snapshot(-1, { purpose: 'safety' })
    expect(told([future], { last: 1 })).toEqual(['keep: dated in the future'])
    expect(told([snapshot(0, { purpose: 'safety' })], { last: 1 })[0]).toMatch(/younger/)
  })

  test('what others need', () => {
    const full = snapshot(3)
    const child = (days: number) => snapshot(days, { parents: [full.id, full.id] })
    expect(told([full, child(2)], { last: 1 })[0]).toBe(
      `retire: outside of last 1; needed by ${snapshotId(daysAgo(2))}`,
    )
    expect(told([full, child(2), child(1)], { last: 2 })[0]).toBe(
      `retire: outside of last 2; needed by ${snapshotId(daysAgo(2))} and 1 more`,
    )
  })
})

test('a policy is told with its rules in a fixed order', () => {
  expect(describeRules(policy({ within: 30 * DAY, yearly: 1, last: 7, weekly: 4 }))).toBe(
    'last 7, weekly 4, yearly 1, within 30d',
  )
  expect(describeRules(policy({}))).toBe('')
})

test('of two of the same moment the one with the later id is the newer', () => {
  const [one, other] = [
    { id: 'a', time: now },
    { id: 'b', time: now },
  ]
  expect([one, other].sort(newestFirst).map(({ id }) => id)).toEqual(['b', 'a'])
  expect([other, one].sort(newestFirst).map(({ id }) => id)).toEqual(['b', 'a'])
  expect([other, { id: 'c', time: daysAgo(1) }].sort(newestFirst).map(({ id }) => id)).toEqual(['b', 'c'])
})

describe('policies of sources', () => {
  const having = (days: number, ...names: string[]) => ({
    ...snapshot(days),
    sources: names.map((name) => ({ name, parents: [] })),
  })

  test("tell whose rule keeps a snapshot, and say nothing where the host's does", () => {
    const all = [having(3, 'logs'), having(2, 'logs'), having(1, 'logs')]
    const policies = { host: policy({ last: 1 }), sources: new Map([['logs', policy({ last: 2 })]]) }
    expect(applyPolicies(all, policies, now).map(({ action, reasons }) => [action, ...reasons])).toEqual([
      ['remove', 'outside of last 1'],
      ['keep', 'logs: last 2 of 2'],
      ['keep', 'last 1 of 1'],
    ])
  })

  test('are gone through by name, archives newest first, and those that go whole are left to that', () => {
    const all = [having(4, 'b', 'a'), having(3, 'b', 'a'), having(2, 'b', 'a'), having(1, 'a')]
    const policies = {
      host: policy({ last: 3 }),
      sources: new Map([
        ['b', policy({ last: 1 })],
        ['a', policy({ last: 1 })],
      ]),
    }
    const decisions = applyPolicies(all, policies, now)
    expect(decisions.map(({ action }) => action)).toEqual(['remove', 'keep', 'keep', 'keep'])
    const archives = applySourceRetention(all, decisions, policies, now)
    expect(archives.map(({ id, source, reasons }) => [id, source, ...reasons])).toEqual([
      [all[2]!.id, 'a', 'outside of last 1'],
      [all[1]!.id, 'a', 'outside of last 1'],
      [all[1]!.id, 'b', 'outside of last 1'],
    ])
  })

  test('where no source has one, only what retired snapshots hold for nobody goes', () => {
    const full = having(3, 'a', 'b')
    const child = {
      ...having(1, 'a', 'b'),
      parents: [full.id],
      sources: [
        { name: 'a', parents: [full.id] },
        { name: 'b', parents: [] },
      ],
    }
    const policies = { host: policy({ last: 1 }), sources: new Map<string, RetentionPolicy>() }
    const decisions = applyPolicies([full, child], policies, now)
    expect(decisions.map(({ action }) => action)).toEqual(['retire', 'keep'])
    expect(applySourceRetention([full, child], decisions, policies, now)).toEqual([
      { id: full.id, source: 'b', reasons: ['nothing needs it any more'] },
    ])
  })
})
