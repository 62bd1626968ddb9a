import { expect, test } from 'vitest'
import { LockedError, SourceError } from '../../../src/errors.ts'
import type { HostPullReport } from '../../../src/model/pull-report.ts'
import {
  pullReportToJson,
  pullTroubles,
  renderPullPlans,
  renderPullReport,
} from '../../../src/report/pull-summary.ts'

const done: HostPullReport = {
  host: 'prod',
  outcome: 'done',
  snapshot: '20251120T020000Z',
  complete: true,
  sources: [
    {
      source: 'redis_data',
      outcome: 'done',
      entries: 1,
      size: 31_457_280,
      plainBytes: 31_457_280,
      bytes: 10_485_760,
      wireBytes: 10_490_000,
      warnings: [],
    },
    {
      source: 'logs',
      outcome: 'done',
      entries: 1234,
      size: 9_437_184,
      change: -1_048_576,
      plainBytes: 3_145_728,
      bytes: 204_800,
      wireBytes: 204_000,
      warnings: [{ code: 'file-changed', count: 2 }],
    },
  ],
  rotation: {
    kept: 9,
    keptBy: [
      { why: 'by last 7', count: 7 },
      { why: 'safety', count: 2 },
    ],
    reinstated: [{ snapshot: '20251111T020000Z', why: 'last 7 of 7' }],
    needed: 3,
    removed: [{ snapshot: '20251112T020000Z', why: 'older than the last 7' }],
    retired: [{ snapshot: '20251113T020000Z', why: 'needed by 20251114T020000Z' }],
  },
  duration: 12_000,
}

const failed = {
  source: 'redis',
  outcome: 'failed',
  entries: 0,
  size: 0,
  plainBytes: 0,
  bytes: 0,
  wireBytes: 0,
  warnings: [],
  error: new SourceError('redis-auth', 'Redis refuses the password', { next: 'Correct it' }),
} as const

const others: readonly HostPullReport[] = [
  {
    host: 'b',
    outcome: 'partial',
    snapshot: '20251120T020001Z',
    sources: [failed],
    rotation: {
      kept: 3,
      keptBy: [],
      removed: [],
      retired: [],
      reinstated: [],
      needed: 0,
      paused: 'logs shrank by 95 %',
    },
    duration: 900,
  },
  { host: 'c', outcome: 'locked', sources: [], error: new LockedError('pid 12 pulls it'), duration: 1 },
  { host: 'd', outcome: 'skipped', age: 3 * 3_600_000, sources: [], duration: 1 },
  { host: 'e', outcome: 'failed', sources: [failed], duration: 2000 },
  { host: 'f', outcome: 'interrupted', sources: [], duration: 5 },
  { host: 'g', outcome: 'done', snapshot: '20251120T020002Z', complete: false, sources: [], duration: 1000 },
]

const text = (hosts: readonly HostPullReport[]) =>
  renderPullReport({ hosts, duration: 13_000 }, { color: false })

test('one host', () => {
  expect(text([done])).toBe(`prod/20251120T020000Z: done in 12s
  redis_data  1 entry, 30.0 MiB (new); 10.0 MiB over the wire, 10.0 MiB encrypted
  logs        1,234 entries, 9.0 MiB (-1.0 MiB); 199 KiB over the wire, 200 KiB encrypted
    warning: file changed: 2
  rotation: 9 kept (7 by last 7, 2 safety), 1 brought back, 1 removed, 1 retired, 3 on disk only because newer ones build on them
    brought back 20251111T020000Z: last 7 of 7
    removed 20251112T020000Z: older than the last 7
    retired 20251113T020000Z: needed by 20251114T020000Z`)
})

test('several hosts with every outcome', () => {
  expect(text(others)).toBe(`b/20251120T020001Z: done in part in 900 ms
  redis  failed
    Redis refuses the password
    Next: Correct it
  rotation paused: logs shrank by 95 %; nothing was removed
c: locked, another run works on it
  pid 12 pulls it
d: skipped, the last snapshot was made 3h ago
e: failed after 2s
  redis  failed
    Redis refuses the password
    Next: Correct it
f: interrupted
g/20251120T020002Z: done in 1s (not complete: only some sources were asked for)
6 hosts in 13s: 1 done, 1 skipped, 1 in part, 1 failed, 1 locked, 1 interrupted`)
})

test('a rotation that waits is told with --quiet, too', () => {
  const [paused] = others
  const waits = { ...paused!, rotation: { ...paused!.rotation!, next: 'run: relay-backup prune b --accept' } }
  expect(pullTroubles({ hosts: [done, waits, others[1]!], duration: 1 })).toEqual([
    'warning: b: rotation paused: logs shrank by 95 %; nothing was removed. Next: run: relay-backup prune b --accept',
  ])
})

test('for programs, with errors as data', () => {
  const json = JSON.parse(JSON.stringify(pullReportToJson({ hosts: others, duration: 1 }))) as unknown
  expect(json).toMatchObject({
    duration: 1,
    hosts: [
      { sources: [{ error: { code: 'redis-auth', next: 'Correct it' } }] },
      { error: { code: 'locked', message: 'pid 12 pulls it' } },
      {},
      {},
      {},
      {},
    ],
  })
})

test('a dry run', () => {
  const source = { kind: 'files', what: 'logs', compression: 'zstd' }
  const plan = {
    host: 'prod',
    outcome: 'done' as const,
    deployment: '~/app',
    server: 'Debian 12',
    sources: [
      { source: 'logs', ...source },
      { source: 'x', ...source },
    ],
    notices: ['no data\nhere'],
  }
  expect(renderPullPlans([plan], [], { color: false })).toBe(`prod: would capture ~/app (Debian 12)
  logs  files  logs  (zstd)
  x     files  logs  (zstd)
  note: no data\\nhere`)
})
