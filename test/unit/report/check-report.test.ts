import { expect, test } from 'vitest'
import type { CheckReport } from '../../../src/model/check-report.ts'
import { renderCheckReport, renderTroubles } from '../../../src/report/check-report.ts'

const REPORT: CheckReport = {
  hosts: ['prod', 'gone'],
  checks: [
    { check: 'config', outcome: 'ok', message: '/home/me/hosts.yaml: 2 hosts, 5 sources' },
    {
      check: 'keys',
      outcome: 'warning',
      message: 'No copy of the identity was exported from here: without it these backups can not be opened',
      next: 'Keep a copy elsewhere: relay-backup key export --to FILE',
    },
    { check: 'connection', host: 'prod', outcome: 'ok', message: 'Debian GNU/Linux 12, as app (uid 1000)' },
    {
      check: 'source',
      source: 'redis_data',
      host: 'prod',
      outcome: 'failed',
      message: 'Redis at 127.0.0.1:6379 wants a password',
      next: 'Set hosts.prod.sources.redis_data.password',
    },
    { check: 'connection', host: 'gone', outcome: 'failed', message: 'evil\u001b[31m\nname' },
  ],
}

test('a report at 80 columns', () => {
  const text = renderCheckReport(REPORT, { color: false, columns: 80 })
  expect(text).toMatchInlineSnapshot(`
    "this machine
      ok       config             /home/me/hosts.yaml: 2 hosts, 5 sources
      warning  keys               No copy of the identity was exported from here:
                                  without it these backups can not be opened
                                  → Keep a copy elsewhere:
                                    relay-backup key export --to FILE
    prod
      ok       connection         Debian GNU/Linux 12, as app (uid 1000)
      failed   source redis_data  Redis at 127.0.0.1:6379 wants a password
                                  → Set hosts.prod.sources.redis_data.password
    gone
      failed   connection         evil\\x1b[31m\\nname

    5 checks: 2 failed, 1 warning"
  `)
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
})

test('without a terminal a check is one line, and its next step another', () => {
  const lines = renderCheckReport(REPORT, { color: false, columns: undefined }).split('\n')
  expect(lines).toHaveLength(2 + 5 + 1 + 2 + 2)
  const colored = renderCheckReport(REPORT, { color: true, columns: undefined })
  expect(colored).toContain('\u001b[31mfailed\u001b[0m')
})

test('--quiet has one line a trouble', () => {
  expect(renderTroubles(REPORT).split('\n')).toEqual([
    expect.stringMatching(/^warning: keys: No copy .* opened\. Next: Keep a copy elsewhere: /),
    'failed: prod: source redis_data: Redis at 127.0.0.1:6379 wants a password. Next: Set hosts.prod.sources.redis_data.password',
    expect.stringMatching(/^failed: gone: connection: /),
  ])
})
