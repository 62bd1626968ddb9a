import { expect, test } from 'vitest'
import type { HostStatus, StatusReport } from '../../../src/model/status-report.ts'
import { renderPrometheus } from '../../../src/report/prometheus.ts'
import { sparkline } from '../../../src/report/sparkline.ts'
import { renderStatus, statusTroubles } from '../../../src/report/status-screen.ts'

const good: HostStatus = {
  host: 'prod',
  lastGood: { snapshot: 'prod/20260303T020000Z', createdAt: '2026-03-03T02:00:00Z', ageMs: 36_000_000 },
  lastPull: { finishedAt: '2026-03-03T02:00:30Z', outcome: 'done', seconds: 30 },
  failuresInARow: 0,
  pulls: { good: 29, of: 30 },
  size: 2 ** 30,
  sizes: Array.from({ length: 14 }, (_, at) => 2 ** 29 + at * 2 ** 25),
  storedBytes: 2 ** 31,
  snapshots: 12,
  lastVerified: '2026-03-01T12:00:00Z',
  runs: [{ operation: 'pull', outcome: 'done', count: 400 }],
  troubles: [],
}
const bad: HostStatus = {
  host: 'staging',
  failuresInARow: 2,
  pulls: { good: 0, of: 2 },
  sizes: [],
  storedBytes: 0,
  snapshots: 0,
  runs: [{ operation: 'pull', outcome: 'failed', count: 2 }],
  troubles: [
    { code: 'never', about: '', message: 'there is no complete backup yet', next: 'Make the first' },
    { code: 'failing', about: '', message: 'the last pull failed: no\x1b[2Jroute', next: 'Find the cause' },
  ],
}
const report: StatusReport = {
  at: '2026-03-03T12:00:00Z',
  vault: '/backups',
  disk: { bytes: 1e12, free: 2e11, used: 0.8 },
  hosts: [good, bad],
  troubles: [],
}

test('a line a host, and what needs a person below', () => {
  const screen = renderStatus(report, { color: false, columns: undefined })
  expect(screen.split('\n')).toEqual([
    'host     state  last good  of 30  verified  snapshots     size  trend',
    'prod     ok       10h ago  29/30    2d ago         12  1.0 GiB  ▁▂▂▃▃▄▄▅▅▆▆▇▇█',
    'staging  never          -    0/2         -          0        -',
    '',
    'vault: /backups, 2.0 GiB in it, 186 GiB free',
    '',
    'staging: there is no complete backup yet',
    '  Next: Make the first',
    'staging: the last pull failed: no\\x1b[2Jroute',
    '  Next: Find the cause',
  ])
})

test.each([60, 70, 74, 80, 120])('at %i columns no line of the table is cut where it fits', (columns) => {
  const lines = renderStatus(report, { color: true, columns }).split('\n').slice(0, 3)

  const widths = lines.map((line) => line.replace(/\x1b\[\d+m/g, '').length)
  expect(Math.max(...widths)).toBeLessThanOrEqual(Math.max(columns, 64))
  expect(lines[0]?.includes('trend')).toBe(columns >= 70)
})

test('long names of hosts leave the table whole: what has no room beside them goes on below', () => {
  const long = 'app-server-17.production.eu-central-1.compute.example.com'
  const named = { ...report, hosts: [{ ...good, host: long }, bad] }
  const screen = renderStatus(named, { color: true, columns: 80 }).replaceAll(/\x1b\[\d+m/g, '')
  expect(screen.split('\n').slice(0, 6)).toEqual([
    'host                                                       state  last good',
    '  of 30  verified  snapshots     size',
    `${long}  ok       10h ago`,
    '  29/30    2d ago         12  1.0 GiB',
    'staging                                                    never          -',
    '    0/2         -          0        -',
  ])
})

test('all is well', () => {
  const one = { ...report, hosts: [good] }
  expect(renderStatus(one, { color: false, columns: 80 })).toMatch(/\nAll is well\.$/)
  expect(statusTroubles(one)).toEqual([])
  expect(
    statusTroubles({
      ...report,
      troubles: [{ code: 'disk', about: '', message: 'full', next: 'Make room' }],
    }),
  ).toEqual([
    'failed: vault: full. Next: Make room',
    'failed: staging: there is no complete backup yet. Next: Make the first',
    'failed: staging: the last pull failed: no\\x1b[2Jroute. Next: Find the cause',
  ])
})

test('a trend goes from the smallest to the largest, and noise is flat', () => {
  expect(sparkline([])).toBe('')
  expect(sparkline([5])).toBe('▄')
  expect(sparkline([0, 0])).toBe('▄▄')
  expect(sparkline([1000, 1001, 1010])).toBe('▄▄▄')
  expect(sparkline([0, 50, 100])).toBe('▁▅█')
})

test('the metrics are in the text format of Prometheus', () => {
  const text = renderPrometheus({ ...report, hosts: [good, { ...bad, host: 'a"b\\c\nd' }] })
  expect(text).toContain(
    '# HELP relay_backup_last_good_timestamp_seconds When the newest complete backup that is not known to be damaged was made.\n' +
      '# TYPE relay_backup_last_good_timestamp_seconds gauge\n' +
      'relay_backup_last_good_timestamp_seconds{host="prod"} 1772503200\n',
  )
  expect(text).toContain('relay_backup_overdue{host="a\\"b\\\\c\\nd"} 1\n')
  expect(text).toContain('relay_backup_runs_total{host="prod",operation="pull",outcome="done"} 400\n')
  expect(text).toContain('relay_backup_vault_disk_used_ratio 0.8\n')
  for (const line of text.trimEnd().split('\n'))
    expect(line).toMatch(/^# (HELP|TYPE) relay_backup_\w+ .+|^relay_backup_\w+(\{.*\})? \S+$/)
})
