import { expect, test } from 'vitest'
import type { AlertsConfig } from '../../../src/model/config.ts'
import type { RunOutcome, RunRecord } from '../../../src/model/run-record.ts'
import { anomalies, type Past } from '../../../src/status/anomaly.ts'
import { judgeHost, type HostFacts } from '../../../src/status/judge-host.ts'
import type { Snapshot } from '../../../src/vault/contract.ts'

const HOUR = 3_600_000
const now = new Date('2026-03-03T12:00:00Z')
const alerts: AlertsConfig = {
  overdueAfter: 25 * HOUR,
  afterFailures: 1,
  disk: 0.85,
  remindEvery: 24 * HOUR,
  anomaly: { size: 3, duration: 5 },
  health: { connections: 0.9, memory: 0.9, hitRate: 0.7, query: 300_000, lag: 300_000, clock: 60_000 },
}

function snapshot(id: string, more: object = {}, manifest: object = {}): Snapshot {
  const at = `${id.slice(0, 4)}-${id.slice(4, 6)}-${id.slice(6, 8)}T${id.slice(9, 11)}:${id.slice(11, 13)}:00Z`
  return {
    host: 'prod',
    id,
    retired: false,
    removedFiles: new Set(),
    manifest: {
      purpose: 'pull',
      complete: true,
      createdAt: at,
      sources: [{ name: 'data', facts: { kind: 'files', bytes: Number(id.slice(6, 8)) }, archives: [] }],
      files: [],
      ...manifest,
    },
    ...more,
  } as unknown as Snapshot
}

function run(
  operation: RunRecord['operation'],
  outcome: RunOutcome,
  more: Partial<RunRecord> = {},
): RunRecord {
  return { operation, outcome, at: '2026-03-03T10:59:00Z', finishedAt: '2026-03-03T11:00:00Z', ...more }
}

const judge = (facts: Partial<HostFacts>, limits: Partial<AlertsConfig> = {}) =>
  judgeHost({ host: 'prod', snapshots: [], runs: [], ...facts }, { ...alerts, ...limits }, now)
const codes = (facts: Partial<HostFacts>, limits: Partial<AlertsConfig> = {}) =>
  judge(facts, limits).troubles.map(({ code }) => code)

const fresh = snapshot('20260303T020000Z')
const old = snapshot('20260301T020000Z')
const failed = { error: { code: 'x', message: 'no route' } }

test.each<[string, Partial<HostFacts>, string[]]>([
  ['nothing at all', {}, ['never']],
  ['a fresh one', { snapshots: [fresh], runs: [run('pull', 'done')] }, []],
  ['an old one', { snapshots: [old] }, ['overdue']],
  ['one of the future', { snapshots: [snapshot('20270303T020000Z')] }, ['overdue']],
  ['one that is just not too old', { snapshots: [snapshot('20260302T110000Z')] }, []],
  [
    'the only one is not complete',
    { snapshots: [snapshot('20260303T020000Z', {}, { complete: false })] },
    ['never'],
  ],
  [
    'a safety copy is no backup',
    { snapshots: [snapshot('20260303T020000Z', {}, { purpose: 'safety' })] },
    ['never'],
  ],
  [
    'the newest is damaged',
    { snapshots: [old, snapshot('20260303T020000Z', { damage: [{}] })] },
    ['overdue', 'damaged'],
  ],
  [
    'a damaged one that was given up',
    { snapshots: [snapshot('20260302T020000Z', { damage: [{}], lossAccepted: true }), fresh] },
    [],
  ],
  ['the last pull failed', { snapshots: [fresh], runs: [run('pull', 'failed', failed)] }, ['failing']],
  ['the last pull died', { snapshots: [fresh], runs: [run('pull', 'lost')] }, ['failing']],
  ['the last pull was in part', { snapshots: [fresh], runs: [run('pull', 'partial')] }, ['failing']],
  ['a person stopped it', { snapshots: [fresh], runs: [run('pull', 'interrupted')] }, []],
  [
    'failed, and then done',
    { snapshots: [fresh], runs: [run('pull', 'failed', failed), run('pull', 'done')] },
    [],
  ],
  ['a verification found damage', { snapshots: [fresh], runs: [run('verify', 'failed')] }, ['verify-failed']],
  ['and then none', { snapshots: [fresh], runs: [run('verify', 'failed'), run('verify', 'done')] }, []],
  ['a restore died', { snapshots: [fresh], runs: [run('restore', 'lost')] }, ['cut-off']],
  [
    'and was rolled back',
    { snapshots: [fresh], runs: [run('restore', 'lost'), run('rollback', 'done')] },
    [],
  ],
  ['rotation waits', { snapshots: [fresh], rotationPaused: 'it shrank' }, ['rotation-paused']],
  ['set back', { snapshots: [fresh], setBack: 'it had more' }, ['set-back']],
])('what needs a person: %s', (_name, facts, expected) => {
  expect(codes(facts)).toEqual(expected)
})

test('so many failures in a row as the config says', () => {
  const runs = [run('pull', 'done'), run('pull', 'failed', failed), run('pull', 'failed', failed)]
  expect(codes({ snapshots: [fresh], runs }, { afterFailures: 3 })).toEqual([])
  expect(codes({ snapshots: [fresh], runs }, { afterFailures: 2 })).toEqual(['failing'])
  expect(judge({ snapshots: [fresh], runs }).failuresInARow).toBe(2)
  expect(judge({ runs: [run('pull', 'failed')] }).failuresInARow).toBe(1)
  expect(judge({ snapshots: [fresh], runs }).troubles[0]?.message).toBe(
    'the last pull, 1h ago, failed: no route, 2 pulls in a row without a complete backup',
  )
})

test('the last 30 pulls count, and those that a person stopped do not', () => {
  const many = Array.from({ length: 40 }, (_, at) => run('pull', at < 35 ? 'failed' : 'done'))
  expect(judge({ runs: [...many, run('pull', 'interrupted'), run('prune', 'failed')] }).pulls).toEqual({
    good: 5,
    of: 30,
  })
})

const part = (name: string, outcome: RunOutcome, more: Partial<RunRecord> = {}) =>
  run('pull', outcome, {
    only: { sources: [name] },
    complete: false,
    sources:
      outcome === 'lost'
        ? []
        : [{ name, outcome: outcome === 'done' ? 'done' : 'failed', bytes: 1, entries: 1 }],
    ...more,
  })

test.each<[string, RunRecord[], string | undefined]>([
  ['a good part clears no failed host', [run('pull', 'failed', failed), part('db', 'done')], 'no route'],
  ['a good whole does', [run('pull', 'failed', failed), part('db', 'done'), run('pull', 'done')], undefined],
  [
    'a failed part is told by its name',
    [run('pull', 'done'), part('db', 'failed', failed)],
    'the last pull of db, 1h ago, failed: no route',
  ],
  [
    'one that died, too',
    [run('pull', 'done'), part('db', 'lost')],
    'the last pull of db, 1h ago, was cut off',
  ],
  ['another part does not clear it', [part('db', 'failed', failed), part('web', 'done')], 'pull of db'],
  ['the same does', [part('db', 'failed', failed), part('db', 'done')], undefined],
  [
    'its schema alone does not',
    [part('db', 'failed', failed), part('db', 'done', { only: { sources: ['db'], type: 'schema' } })],
    'pull of db,',
  ],
  ['a good whole does', [part('db', 'failed', failed), run('pull', 'done')], undefined],
  [
    'schemas of all that never came',
    [run('pull', 'failed', { ...failed, only: { type: 'schema' } })],
    'all (schema)',
  ],
  [
    'and then did',
    [
      run('pull', 'failed', { ...failed, only: { type: 'schema' } }),
      run('pull', 'done', { only: { type: 'schema' }, complete: false }),
    ],
    undefined,
  ],
])('pulls of parts of a host: %s', (_name, runs, says) => {
  const { troubles } = judge({ snapshots: [fresh], runs })
  expect(troubles.map(({ code }) => code)).toEqual(says === undefined ? [] : ['failing'])
  if (says !== undefined) expect(troubles[0]?.message).toContain(says)
})

test('pulls of parts are no good runs of the host, also those that an older version wrote down', () => {
  const narrow = snapshot('20260303T030000Z', {}, { complete: false })
  const before = run('pull', 'done', { snapshot: narrow.id })
  const runs = [run('pull', 'failed', failed), part('db', 'done'), before]
  const found = judge({ snapshots: [fresh, narrow], runs })
  expect(found).toMatchObject({
    pulls: { good: 0, of: 1 },
    failuresInARow: 1,
    lastPull: { outcome: 'failed' },
  })
})

test('sizes are those of the last 14 complete backups', () => {
  const ids = Array.from({ length: 20 }, (_, at) => `202602${String(at + 1).padStart(2, '0')}T020000Z`)
  const found = judge({
    snapshots: [...ids.map((id) => snapshot(id)), snapshot('20260228T020000Z', {}, { complete: false })],
  })
  expect(found.sizes).toEqual([7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
  expect(found.size).toBe(20)
})

test('runs are counted from the beginning of the history', () => {
  const runs = [run('pull', 'done'), run('verify', 'failed'), run('pull', 'done'), run('pull', 'failed')]
  expect(judge({ runs }).runs).toEqual([
    { operation: 'pull', outcome: 'done', count: 2 },
    { operation: 'verify', outcome: 'failed', count: 1 },
    { operation: 'pull', outcome: 'failed', count: 1 },
  ])
})

test('what is far from usual is an anomaly, when it is large and enough is known', () => {
  const past = (values: readonly number[], newest: number) => [...values, newest]
  const usual = Array.from({ length: 14 }, (_, at) => (100 + at) * 2 ** 20)
  const none = { sizes: [], seconds: [] }
  const about = (given: Partial<Past>) =>
    anomalies('prod', { ...none, ...given }, alerts).map((one) => one.about)
  expect(about({ sizes: past(usual, 300 * 2 ** 20) })).toEqual([])
  expect(about({ sizes: past(usual, 400 * 2 ** 20) })).toEqual(['size'])
  expect(about({ sizes: past(usual, 20 * 2 ** 20) })).toEqual(['size'])
  expect(about({ sizes: past(usual.slice(0, 6), 2 ** 40) })).toEqual([])
  expect(
    about({
      sizes: past(
        Array.from({ length: 14 }, () => 1000),
        2 ** 20,
      ),
    }),
  ).toEqual([])
  expect(
    about({
      seconds: past(
        Array.from({ length: 14 }, () => 20),
        101,
      ),
    }),
  ).toEqual(['duration'])
  expect(
    about({
      seconds: past(
        Array.from({ length: 14 }, () => 2),
        50,
      ),
    }),
  ).toEqual([])
  expect(
    about({
      seconds: past(
        Array.from({ length: 14 }, () => 200),
        20,
      ),
    }),
  ).toEqual([])
})
