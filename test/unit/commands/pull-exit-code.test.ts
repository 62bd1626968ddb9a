import { expect, test } from 'vitest'
import { completeHosts, pullExitCode } from '../../../src/commands/pull.ts'
import type { HostPullReport } from '../../../src/model/pull-report.ts'

const reports = (...outcomes: HostPullReport['outcome'][]): HostPullReport[] =>
  outcomes.map((outcome, at) => ({ host: `host-${at}`, outcome, sources: [], duration: 0 }))

test.each([
  [0, ['done']],
  [0, ['skipped']],
  [0, ['done', 'skipped']],
  [1, ['failed']],
  [1, ['failed', 'failed']],
  [1, ['failed', 'locked']],
  [3, ['partial']],
  [3, ['partial', 'failed']],
  [3, ['partial', 'locked']],
  [3, ['done', 'failed']],
  [3, ['done', 'locked']],
  [3, ['skipped', 'locked']],
  [5, ['locked']],
  [5, ['locked', 'locked']],
  [130, ['interrupted']],
  [130, ['done', 'interrupted', 'locked']],
] as const)('exit code %i of hosts that are %j', (code, outcomes) => {
  expect(pullExitCode(reports(...outcomes))).toBe(code)
})

test('what makes no complete backup is told as none', () => {
  const hosts = [
    { host: 'all', outcome: 'done', complete: true },
    { host: 'schema', outcome: 'done', complete: false },
    { host: 'fresh', outcome: 'skipped' },
    { host: 'part', outcome: 'partial', complete: true },
  ]
  expect(completeHosts({ json: { hosts } })).toEqual(['all'])
})
