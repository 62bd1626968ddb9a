import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RetentionPolicy } from '../../../src/model/config.ts'
import { snapshotId } from '../../../src/model/names.ts'
import { applyRetention } from '../../../src/retention/apply.ts'
import type { RetentionInput } from '../../../src/retention/judge.ts'
import {
  applyPolicies,
  applySourceRetention,
  type HostPolicies,
  type SourceRetentionInput,
} from '../../../src/retention/per-source.ts'
import { PERIODS } from '../../../src/retention/periods.ts'

const DAY = 86_400_000
const now = new Date('2025-11-20T12:00:00Z')

function snapshot(time: string | Date, changes: Partial<RetentionInput> = {}): RetentionInput {
  const at = new Date(time)
  return { id: snapshotId(at), time: at, purpose: 'pull', complete: true, parents: [], ...changes }
}

function daysBack(count: number, changes: Partial<RetentionInput> = {}): RetentionInput[] {
  const last = Date.parse('2025-11-20T02:00:00Z')
  return Array.from({ length: count }, (_, index) =>
    snapshot(new Date(last - (count - 1 - index) * DAY), changes),
  )
}

const policy = (rules: Partial<RetentionPolicy>): RetentionPolicy => ({ safety: 14 * DAY, ...rules })

function kept(snapshots: readonly RetentionInput[], rules: Partial<RetentionPolicy>, restores: Date[] = []) {
  return applyRetention(snapshots, policy(rules), now, restores)
    .filter(({ action }) => action === 'keep')
    .map(({ id }) => id)
}

describe('rules', () => {
  test('last keeps the newest n, with reasons for both', () => {
    expect(applyRetention(daysBack(4), policy({ last: 2 }), now)).toEqual([
      { id: '20251117T020000Z', action: 'remove', reasons: ['outside of last 2'] },
      { id: '20251118T020000Z', action: 'remove', reasons: ['outside of last 2'] },
      { id: '20251119T020000Z', action: 'keep', reasons: ['last 2 of 2'] },
      { id: '20251120T020000Z', action: 'keep', reasons: ['last 1 of 2'] },
    ])
  })

  test('daily keeps the newest of each UTC day that has one, and gaps cost nothing', () => {
    const times = ['2025-11-10T01:00Z', '2025-11-10T23:59:59Z', '2025-11-15T00:00Z', '2025-11-20T01:00Z']
    expect(
      kept(
        times.map((time) => snapshot(time)),
        { daily: 3 },
      ),
    ).toEqual(['20251110T235959Z', '20251115T000000Z', '20251120T010000Z'])
  })

  test('while there are fewer periods than asked for, the oldest stays as well', () => {
    const times = ['2025-11-10T01:00Z', '2025-11-10T12:00Z', '2025-11-20T01:00Z']
    const decisions = applyRetention(
      times.map((time) => snapshot(time)),
      policy({ monthly: 3 }),
      now,
    )
    expect(decisions.map(({ action, reasons }) => [action, reasons[0]])).toEqual([
      ['keep', 'the oldest (monthly 2 of 3)'],
      ['remove', 'outside of monthly 3'],
      ['keep', 'newest of month 2025-11 (monthly 1 of 3)'],
    ])
  })

  test('weeks are ISO weeks', () => {
    expect(PERIODS.weekly(new Date('2024-12-30T00:00Z'))).toBe('2025-W01')
    expect(PERIODS.weekly(new Date('2024-12-29T23:59Z'))).toBe('2024-W52')
    expect(PERIODS.weekly(new Date('2021-01-03T12:00Z'))).toBe('2020-W53')
    expect(PERIODS.weekly(new Date('2026-01-01T12:00Z'))).toBe('2026-W01')
    expect(kept(daysBack(20), { weekly: 2 })).toEqual(['20251116T020000Z', '20251120T020000Z'])
  })

  test('two years of daily pulls under a usual policy', () => {
    expect(kept(daysBack(730), { daily: 3, weekly: 2, monthly: 3, yearly: 3 })).toEqual([
      '20231231T020000Z',
      '20241231T020000Z',
      '20250930T020000Z',
      '20251031T020000Z',
      '20251116T020000Z',
      '20251118T020000Z',
      '20251119T020000Z',
      '20251120T020000Z',
    ])
  })

  test('within is measured from the newest snapshot, so a long silence costs no history', () => {
    const old = daysBack(5).map(({ time }) => snapshot(new Date(time.getTime() - 300 * DAY)))
    expect(kept(old, { within: 3 * DAY })).toEqual(old.slice(2).map(({ id }) => id))
  })

  test('a policy without a rule keeps everything', () => {
    const all = [...daysBack(9), snapshot('2020-01-01T00:00Z', { purpose: 'safety' })]
    expect(kept(all, {})).toHaveLength(10)
  })

  test('the last complete snapshot stays even when the policy counts to 0', () => {
    expect(kept(daysBack(3), { last: 0 })).toEqual(['20251120T020000Z'])
  })
})

describe('what does not count', () => {
  test('partial snapshots never push a good one out, and go when a newer complete one exists', () => {
    const good = daysBack(2)
    const partial = ['2025-11-19T12:00Z', '2025-11-20T03:00Z', '2025-11-20T04:00Z'].map((time) =>
      snapshot(time, { complete: false }),
    )
    expect(kept([...good, ...partial], { last: 2 })).toEqual([
      '20251119T020000Z',
      '20251120T020000Z',
      '20251120T030000Z',
      '20251120T040000Z',
    ])
    expect(kept([...good, ...partial], { last: 2, within: DAY })).toContain('20251119T120000Z')
  })

  test('a safety snapshot goes after its time and a later good run, not before both', () => {
    const safety = snapshot('2025-10-01T00:00Z', { purpose: 'safety' })
    const before = snapshot('2025-09-30T00:00Z')
    expect(kept([before, safety], { last: 1 })).toHaveLength(2)
    expect(kept([before, safety], { last: 1 }, [new Date('2025-09-30T23:00Z')])).toHaveLength(2)
    expect(kept([before, safety], { last: 1 }, [new Date('2025-10-02T00:00Z')])).toEqual([before.id])
    expect(kept([safety, ...daysBack(1)], { last: 1 })).toEqual(['20251120T020000Z'])
    const young = snapshot('2025-11-10T00:00Z', { purpose: 'safety' })
    expect(kept([young, ...daysBack(1)], { last: 1 })).toContain(young.id)
  })

  test('a cutover snapshot stays until a later complete pull, whatever was restored', () => {
    const cutover = snapshot('2025-10-01T00:00Z', { purpose: 'cutover' })
    expect(kept([cutover], { last: 1 }, [new Date('2025-10-02T00:00Z')])).toEqual([cutover.id])
    expect(kept([cutover, ...daysBack(1)], { last: 1 })).toEqual(['20251120T020000Z'])
  })

  test('a snapshot dated in the future stays and takes no place', () => {
    const future = snapshot('2031-01-01T00:00Z')
    expect(kept([...daysBack(3), future], { last: 2 })).toEqual([
      '20251119T020000Z',
      '20251120T020000Z',
      future.id,
    ])
    const partial = snapshot('2025-11-20T03:00Z', { complete: false })
    expect(kept([...daysBack(1), partial, future], { last: 1 })).toContain(partial.id)
  })

  test('what is held stays and takes no place', () => {
    const held = snapshot('2025-11-20T03:00Z', { held: 'the ledger does not know it' })
    expect(kept([...daysBack(2), held], { last: 1 })).toEqual(['20251120T020000Z', held.id])
  })
})

describe('chains', () => {
  const chain = (length: number) => {
    const all = daysBack(length)
    return all.map((one, index) => ({ ...one, parents: all.slice(0, index).map(({ id }) => id) }))
  }

  test('what kept incrementals need is retired, and why is said', () => {
    const all = chain(4)
    expect(applyRetention(all, policy({ last: 1 }), now).map(({ action }) => action)).toEqual([
      'retire',
      'retire',
      'retire',
      'keep',
    ])
    expect(applyRetention(all, policy({ last: 1 }), now)[0]?.reasons).toEqual([
      'outside of last 1',
      `needed by ${all[3]?.id}`,
    ])
    expect(applyRetention(all, policy({ last: 2 }), now)[0]?.reasons[1]).toBe(
      `needed by ${all[2]?.id} and 1 more`,
    )
  })

  test('what only a retired one needed goes', () => {
    const all = chain(4).map((one, index, list) => ({
      ...one,
      parents: index === 0 ? [] : [list[index - 1]?.id ?? ''],
    }))
    expect(applyRetention(all, policy({ last: 1 }), now).map(({ action }) => action)).toEqual([
      'remove',
      'remove',
      'retire',
      'keep',
    ])
  })

  test('of a retired one only the archives that are needed stay, with policies of sources or without', () => {
    const all = chain(3).map((one) => ({
      ...one,
      sources: [
        { name: 'logs', parents: one.parents },
        { name: 'redis_data', parents: [] },
      ],
    }))
    const [first, second] = all.map(({ id }) => id)
    const reasons = ['nothing needs it any more']
    const expected = [
      { id: second, source: 'redis_data', reasons },
      { id: first, source: 'redis_data', reasons },
    ]
    for (const sources of [new Map(), new Map([['logs', policy({ last: 1 })]])]) {
      const policies = { host: policy({ last: 1 }), sources }
      const decisions = applyPolicies(all, policies, now)
      expect(decisions.map(({ action }) => action)).toEqual(['retire', 'retire', 'keep'])
      expect(applySourceRetention(all, decisions, policies, now)).toEqual(expected)
    }
  })

  test('retired ones go as soon as nothing needs them, and never count', () => {
    const [first, second, third] = daysBack(3)
    if (!first || !second || !third) throw new Error('no snapshot')
    const all = [{ ...first, retired: true }, { ...second, retired: true, parents: [first.id] }, third]
    expect(applyRetention(all, policy({ last: 3 }), now).map(({ action }) => action)).toEqual([
      'remove',
      'remove',
      'keep',
    ])
  })
})

describe('policies of sources', () => {
  const withSources = (count: number, names: readonly string[]): SourceRetentionInput[] =>
    daysBack(count).map((one) => ({ ...one, sources: names.map((name) => ({ name, parents: [] })) }))
  const policies = (host: Partial<RetentionPolicy>, own: Record<string, Partial<RetentionPolicy>>) =>
    ({
      host: policy(host),
      sources: new Map(Object.entries(own).map(([name, rules]) => [name, policy(rules)])),
    }) satisfies HostPolicies

  test('a source with a shorter policy loses archives, not the snapshot', () => {
    const all = withSources(3, ['data', 'logs'])
    const rules = policies({ last: 3 }, { logs: { last: 1 } })
    const decisions = applyPolicies(all, rules, now)
    expect(decisions.every(({ action }) => action === 'keep')).toBe(true)
    expect(applySourceRetention(all, decisions, rules, now)).toEqual([
      { id: '20251119T020000Z', source: 'logs', reasons: ['outside of last 1'] },
      { id: '20251118T020000Z', source: 'logs', reasons: ['outside of last 1'] },
    ])
  })

  test('a source with a longer policy keeps the snapshot, without the archives of the others', () => {
    const all = withSources(3, ['data', 'mysql'])
    const rules = policies({ last: 1 }, { mysql: { last: 2 } })
    const decisions = applyPolicies(all, rules, now)
    expect(decisions.map(({ action }) => action)).toEqual(['remove', 'keep', 'keep'])
    expect(decisions[1]?.reasons).toEqual(['mysql: last 2 of 2'])
    expect(applySourceRetention(all, decisions, rules, now)).toMatchObject([
      { id: '20251119T020000Z', source: 'data' },
    ])
  })

  test('never the newest archive of a source, nor one that its incremental needs', () => {
    const [first, second, third] = withSources(3, ['data', 'logs'])
    if (!first || !second || !third) throw new Error('no snapshot')
    const incremental = {
      ...second,
      sources: [
        { name: 'data', parents: [] },
        { name: 'logs', parents: [first.id] },
      ],
    }
    const withoutLogs = { ...third, sources: [{ name: 'data', parents: [] }] }
    const all = [first, incremental, withoutLogs]
    const rules = policies({ last: 3 }, { logs: { last: 1 } })
    expect(applySourceRetention(all, applyPolicies(all, rules, now), rules, now)).toEqual([])
  })
})

describe('properties', () => {
  const inputs = fc
    .uniqueArray(fc.integer({ min: -800 * 24, max: 10 * 24 }), { maxLength: 60 })
    .chain((hours) =>
      fc.tuple(
        ...hours
          .toSorted((a, b) => a - b)
          .map((hour, index) =>
            fc.record({
              hour: fc.constant(hour),
              purpose: fc.constantFrom('pull', 'pull', 'pull', 'pull', 'safety', 'cutover'),
              complete: fc.boolean(),
              back: fc.integer({ min: 0, max: index }),
            }),
          ),
      ),
    )
    .map((drawn) => {
      const all = drawn.map(({ hour, purpose, complete }) =>
        snapshot(new Date(now.getTime() + hour * 3_600_000), { purpose: purpose as 'pull', complete }),
      )
      return all.map((one, index) => {
        const parent = all[index - (drawn[index]?.back ?? 0)]
        return parent === undefined || parent === one ? one : { ...one, parents: [parent.id] }
      })
    })
  const count = fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined })
  const rules = fc
    .record({
      last: count,
      daily: count,
      weekly: count,
      monthly: count,
      yearly: count,
      within: fc.option(fc.integer({ min: 1, max: 400 * DAY }), { nil: undefined }),
      safety: fc.integer({ min: 0, max: 30 * DAY }),
    })
    .filter((one) => Object.keys(one).some((key) => key !== 'safety' && one[key as 'last'] !== undefined))

  const check = (property: (all: RetentionInput[], policy: RetentionPolicy) => void) =>
    fc.assert(fc.property(inputs, rules, property), { numRuns: 300 })
  const staying = (all: readonly RetentionInput[], one: RetentionPolicy) =>
    applyRetention(all, one, now).filter(({ action }) => action !== 'remove')

  test('decides once about every snapshot, in order, with a reason', () => {
    check((all, one) => {
      const decisions = applyRetention(all, one, now)
      expect(decisions.map(({ id }) => id)).toEqual(all.map(({ id }) => id))
      expect(decisions.every(({ reasons }) => reasons.length > 0)).toBe(true)
    })
  })

  test('never removes the last complete snapshot, nor the newest one', () => {
    check((all, one) => {
      const ids = new Set(staying(all, one).map(({ id }) => id))
      const complete = all.filter(
        ({ purpose, complete, time }) => purpose === 'pull' && complete && time <= now,
      )
      if (complete.length > 0) expect(ids).toContain(complete.at(-1)?.id)
      const newest = all.findLast(({ purpose }) => purpose === 'pull')
      if (newest !== undefined) expect(ids).toContain(newest.id)
    })
  })

  test('whatever is kept has everything it needs', () => {
    check((all, one) => {
      const ids = new Set(staying(all, one).map(({ id }) => id))
      const kept = applyRetention(all, one, now).filter(({ action }) => action === 'keep')
      for (const { id } of kept)
        for (const parent of all.find((input) => input.id === id)?.parents ?? [])
          expect(ids).toContain(parent)
    })
  })

  test('applied again to what is left, it removes nothing more', () => {
    check((all, one) => {
      const action = new Map(applyRetention(all, one, now).map(({ id, action }) => [id, action]))
      const left = all
        .filter(({ id }) => action.get(id) !== 'remove')
        .map((input) => ({ ...input, retired: action.get(input.id) === 'retire' }))
      expect(staying(left, one)).toHaveLength(left.length)
    })
  })

  test('applied again to what is left, in which whole retired ones count again, it decides the same', () => {
    check((all, one) => {
      const decided = new Map(applyRetention(all, one, now).map(({ id, action }) => [id, action]))
      const left = all.filter(({ id }) => decided.get(id) !== 'remove')
      for (const { id, action } of applyRetention(left, one, now)) expect(action).toBe(decided.get(id))
    })
  })

  test('damaged ones take no place of good ones, and none goes before a later good one is there', () => {
    fc.assert(
      fc.property(inputs, rules, fc.array(fc.boolean(), { minLength: 60 }), (drawn, one, marks) => {
        const all = drawn.map((input, at) => ({ ...input, parents: [], damaged: marks[at] === true }))
        const good = all.filter(({ damaged }) => !damaged)
        const goodIds = new Set(good.map(({ id }) => id))
        const left = staying(all, one)
        expect(left.filter(({ id }) => goodIds.has(id))).toEqual(staying(good, one))
        const leftIds = new Set(left.map(({ id }) => id))
        const lastGood = good.findLast(
          ({ id, purpose, complete, time }) =>
            leftIds.has(id) && purpose === 'pull' && complete && time <= now,
        )
        for (const { id, time, purpose } of all) {
          if (purpose !== 'pull' || leftIds.has(id)) continue
          expect(lastGood!.time.getTime()).toBeGreaterThan(time.getTime())
        }
      }),
      { numRuns: 300 },
    )
  })

  test('keeping more of the last ones never removes more', () => {
    check((all, one) => {
      const few = staying(all, one).map(({ id }) => id)
      const more = new Set(staying(all, { ...one, last: (one.last ?? 0) + 3 }).map(({ id }) => id))
      for (const id of few) expect(more).toContain(id)
    })
  })

  test('partial, safety and cutover snapshots never change what happens to complete pulls', () => {
    check((all, one) => {
      const bare = all.map((input) => ({ ...input, parents: [] }))
      const isGood = ({ purpose, complete }: RetentionInput) => purpose === 'pull' && complete
      const good = bare.filter(isGood)
      const goodIds = new Set(good.map(({ id }) => id))
      const mixed = staying(bare, one).filter(({ id }) => goodIds.has(id))
      expect(mixed).toEqual(staying(good, one))
    })
  })
})

test('snapshots of schemas alone live by the same rules among themselves, and neither push out nor save a full one', () => {
  const part = { complete: false, group: 'schema of db' }
  const schemas = daysBack(4, part)
  const full = snapshot('2025-11-01T02:00Z')
  const decisions = applyRetention([full, ...schemas], policy({ last: 2 }), now)
  expect(decisions.map(({ action }) => action)).toEqual(['keep', 'remove', 'remove', 'keep', 'keep'])
  expect(decisions.at(-1)?.reasons).toEqual(['schema of db: last 1 of 2'])
  const later = daysBack(2)
  expect(kept([...schemas.slice(0, 2), ...later], { last: 2 })).toHaveLength(4)
  expect(
    kept([...schemas.slice(0, 1), ...daysBack(2, { ...part, group: 'data of db' })], { last: 1 }),
  ).toHaveLength(2)
})
