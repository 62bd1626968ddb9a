import { readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { report } from '../../../src/commands/report.ts'
import type { BackupReport } from '../../../src/model/backup-report.ts'
import type { RunRecord } from '../../../src/model/run-record.ts'
import type { HostStatus, StatusReport } from '../../../src/model/status-report.ts'
import { renderReportHtml } from '../../../src/report/backup-report-html.ts'
import { renderReportText } from '../../../src/report/backup-report-text.ts'
import { buildReport, type ReportFacts } from '../../../src/status/build-report.ts'
import type { LedgerRecord, Snapshot } from '../../../src/vault/contract.ts'
import { openVault } from '../../../src/vault/open-vault.ts'
import { commandContext } from '../../lab/command-context.ts'
import { endedRun } from '../../lab/ended-run.ts'
import { makeDays, temporaryDirectory } from '../vault/fixtures.ts'

const DAY = 86_400_000
const MIB = 2 ** 20
const now = new Date('2026-03-31T06:00:00Z')
const at = (days: number, ms = 0) => new Date(now.getTime() - days * DAY + ms).toISOString()

function snapshot(days: number): Snapshot {
  const bytes = (100 - days) * MIB
  const archives = [{ file: 'a', bytes: MIB, plainBytes: bytes, content: 'all' }]
  return {
    host: 'prod',
    id: `s${days}`,
    retired: false,
    removedFiles: new Set(),
    manifest: {
      purpose: 'pull',
      complete: true,
      createdAt: at(days),
      sources: [{ name: 'da<ta>', facts: { kind: 'files', bytes }, archives }],
    },
  } as unknown as Snapshot
}

const pull = (days: number, minutes: number, more: Partial<RunRecord> = {}): RunRecord => ({
  operation: 'pull',
  outcome: 'done',
  at: at(days),
  finishedAt: at(days, minutes * 60_000),
  sources: [{ name: 'da<ta>', outcome: 'done', bytes: minutes * MIB, entries: 1 }],
  ...more,
})

const line = (event: string, days: number, more: object) =>
  ({ event, at: at(days), snapshot: 'x', ...more }) as unknown as LedgerRecord

const facts: ReportFacts = {
  host: 'prod',
  snapshots: [40, 20, 10, 2, 1].map(snapshot),
  runs: [
    pull(20, 90),
    pull(5, 3, { outcome: 'failed', sources: [], error: { code: 'x', message: 'no <route>' } }),
    pull(2, 7),
    pull(1, 5),
    { operation: 'verify', outcome: 'done', at: at(12), finishedAt: at(12) },
    { operation: 'notify', outcome: 'failed', at: at(1), finishedAt: at(1) },
    pull(-3, 1),
  ],
  ledger: [
    line('removed', 9, { why: 'old' }),
    line('removed', 2, { why: 'old' }),
    line('removed', 1, { why: 'old' }),
  ],
}
const status = {
  at: now.toISOString(),
  vault: '/backup',
  disk: { bytes: 1000 * MIB, free: 500 * MIB, used: 0.5 },
  troubles: [],
  hosts: [
    {
      host: 'prod',
      lastGood: { snapshot: 'prod/s1', createdAt: at(1), ageMs: DAY },
      troubles: [
        { code: 'damaged', about: '', message: '1 snapshot was found damaged', next: 'Look <here>' },
      ],
    } as unknown as HostStatus,
  ],
} as StatusReport

const built = (period: 'day' | 'week' | 'month') =>
  buildReport({ period, machine: 'desk' }, status, [facts], now)

test('the model: runs, failures, sizes, the slowest and biggest, what was proven and removed', () => {
  const week = built('week')
  expect(week.attention).toEqual([
    { host: 'prod', code: 'damaged', message: '1 snapshot was found damaged', next: 'Look <here>' },
  ])
  expect(week.hosts).toMatchObject([
    {
      host: 'prod',
      lastGood: { snapshot: 'prod/s1', at: at(1) },
      runs: [
        { operation: 'pull', outcome: 'failed', count: 1 },
        { operation: 'pull', outcome: 'done', count: 2 },
      ],
      failures: [{ operation: 'pull', outcome: 'failed', reason: 'failed: no <route>' }],
      slowest: { seconds: 420 },
      biggest: { source: 'da<ta>', bytes: 7 * MIB },
      proven: [{ what: 'verify', at: at(12) }],
      removed: [{ why: 'old', count: 2 }],
      vault: { snapshots: 5 },
    },
  ])
  const [source] = week.hosts[0]?.sources ?? []
  expect(source?.sizes.map(({ bytes }) => bytes / MIB)).toEqual([80, 90, 98, 99])
  expect(source?.growth).toBe(MIB)
  expect(built('day').hosts[0]?.runs).toEqual([{ operation: 'pull', outcome: 'done', count: 1 }])
  expect(built('month').hosts[0]?.slowest?.seconds).toBe(5400)
})

test('the text says first what needs attention', () => {
  const text = renderReportText(built('week'), { color: false })
  expect(text.indexOf('found damaged')).toBeLessThan(text.indexOf('last good'))
  expect(text).toMatch(/2026-03-26 06:03 UTC: pull failed: no <route>$/m)
  expect(text).toMatch(/da<ta> +99\.0 MiB +\+1\.0 MiB +\S+$/m)
  expect(text).toContain('vault: 500 MiB of 1000 MiB free')
})

test('the HTML is one file that loads nothing and runs nothing, and names are no markup', () => {
  const html = renderReportHtml(built('week'))
  expect(html).not.toMatch(/https?:|<script|src=|url\(|@import|<link/)
  expect(html).toContain('prefers-color-scheme: dark')
  expect(html).toContain('da&lt;ta&gt;')
  expect(html).toContain('no &lt;route&gt;')
  expect(html).not.toContain('da<ta>')
  expect(html.match(/<polyline[^>]*points="([^"]*)"/)?.[1]?.split(' ')).toHaveLength(4)
})

async function lab(more = '') {
  const directory = await temporaryDirectory()
  const { path } = directory
  const config = join(path, 'hosts.yaml')
  await writeFile(
    config,
    `version: 1\nvault: ./vault\nencryption: { recipients: [k.asc] }\n${more}hosts:\n  prod: { ssh: root@a }\n`,
  )
  const context = commandContext(config, path, { now: () => new Date('2026-03-03T12:00:00Z') })
  return { path, context, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() }
}

test('the command: before the first pull, and after some; --html writes the file', async () => {
  await using one = await lab()
  expect(await report(one.context, [], {})).toMatchObject({
    exitCode: 0,
    text: expect.stringContaining('no complete backup yet') as string,
  })
  const vault = await openVault(join(one.path, 'vault'))
  await makeDays(vault, 'prod', new Date('2026-03-01T02:00:00Z'), 3)
  await vault.recordRun(endedRun(new Date('2026-03-03T02:00:00Z')))
  const { json } = await report(one.context, [], { period: 'month', html: 'report.html' })
  expect((json as BackupReport).hosts[0]).toMatchObject({ host: 'prod', runs: [{ count: 1 }] })
  const file = join(one.path, 'report.html')
  expect(await readFile(file, 'utf8')).toContain('<!doctype html>')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  await expect(report(one.context, [], { html: 'none/report.html' })).rejects.toMatchObject({
    code: 'report-file',
    details: { next: expect.stringContaining('--html FILE') as string },
  })
  await expect(report(one.context, [], { send: true })).rejects.toMatchObject({ code: 'usage' })
})

test('--send: the channels that want reports get it, and one that fails is told', async () => {
  const bodies: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      bodies.push(body)
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/`
  await using one = await lab(
    `notify:\n  - { webhook: { url: "${url}" } }\n  - { webhook: { url: "${url}only" }, on: [failure] }\n`,
  )
  try {
    expect((await report(one.context, [], { send: true })).exitCode).toBe(0)
    expect(bodies).toHaveLength(1)
    const { subject, text, alerts } = JSON.parse(bodies[0] ?? '') as Record<string, string>
    expect(subject).toMatch(/^\[relay-backup\] .*: report of the week: 1 thing needs attention$/)
    expect([text?.includes('no complete backup yet'), text?.includes(one.path), alerts]).toEqual([
      true,
      false,
      [],
    ])
  } finally {
    server.close()
  }
})
