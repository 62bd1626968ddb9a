import { expect, test } from 'vitest'
import {
  applyPolicies,
  applySourceRetention,
  type SourceRetentionInput,
} from '../../../src/retention/per-source.ts'

const now = new Date('2026-06-10T00:00:00Z')
const snapshot = (day: string, more: Partial<SourceRetentionInput> = {}): SourceRetentionInput => ({
  id: day,
  time: new Date(`${day}T02:00:00Z`),
  purpose: 'pull',
  complete: true,
  parents: [],
  sources: [
    { name: 'logs', parents: [] },
    { name: 'data', parents: [] },
  ],
  ...more,
})
const host = { last: 2, safety: 0 }
const kept = (
  snapshots: readonly SourceRetentionInput[],
  schedules: ReadonlyMap<string, typeof host & object>,
) =>
  applyPolicies(snapshots, { host, sources: new Map(), schedules }, now).flatMap(({ id, action }) =>
    action === 'keep' ? [id] : [],
  )

const nightly = ['2026-06-05', '2026-06-06', '2026-06-07', '2026-06-08', '2026-06-09'].map((day) =>
  snapshot(day),
)
const archive = ['2026-03-01', '2026-04-01', '2026-05-01', '2026-06-01'].map((day) =>
  snapshot(day, { schedule: 'archive' }),
)

test('a snapshot stays when the policy of the schedule that made it keeps it, and only its own count', () => {
  const all = [...archive, ...nightly]
  expect(kept(all, new Map())).toEqual(['2026-06-08', '2026-06-09'])
  expect(kept(all, new Map([['archive', { last: 3, safety: 0 }]]))).toEqual([
    '2026-04-01',
    '2026-05-01',
    '2026-06-01',
    '2026-06-08',
    '2026-06-09',
  ])
})

test('what a schedule with some sources makes is kept by its policy, unless a source of these is missing', () => {
  const weekly = ['2026-05-20', '2026-05-27', '2026-06-03'].map((day, at) =>
    snapshot(day, { schedule: 'weekly', complete: false, asAsked: at !== 1 }),
  )
  const policies = new Map([['weekly', { last: 2, safety: 0 }]])
  expect(kept([...weekly, ...nightly], policies)).toEqual([
    '2026-05-20',
    '2026-06-03',
    '2026-06-08',
    '2026-06-09',
  ])
})

test('a source with a shorter policy loses no archive of a snapshot that its schedule keeps', () => {
  const all = [...archive, ...nightly]
  const policies = {
    host: { last: 9, safety: 0 },
    sources: new Map([['logs', { last: 1, safety: 0 }]]),
    schedules: new Map([['archive', { last: 2, safety: 0 }]]),
  }
  const decisions = applyPolicies(all, policies, now)
  const gone = applySourceRetention(all, decisions, policies, now).map(({ id }) => id)
  expect(gone).toContain('2026-04-01')
  expect(gone).not.toContain('2026-05-01')
  expect(gone).not.toContain('2026-06-01')
})
