import { expect, test } from 'vitest'
import {
  judgeBackup,
  judgeClock,
  judgeDisk,
  judgeLeftovers,
  judgeSpace,
  judgeTools,
} from '../../../src/check/judge.ts'
import type { HostStatus } from '../../../src/model/status-report.ts'
import type { HostProbe } from '../../../src/remote/contract.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

const probe = {
  access: 'shell',
  tar: 'gnu',
  findPrintf: true,
  versions: { tar: '1.34', zstd: '1.5.4', gzip: '1.12' },
} as HostProbe

test.each([
  ['all there', probe, 'auto', [['ok', 'tar 1.34, zstd 1.5.4, gzip 1.12']]],
  ['no zstd', { ...probe, versions: { tar: '1.34' } }, 'auto', [['warning', /no zstd/]]],
  ['no zstd that nobody wants', { ...probe, versions: { gzip: '1.12' } }, 'gzip', [['ok', 'gzip 1.12']]],
  ['no tar', { ...probe, tar: undefined }, 'auto', [['failed', /no tar/]]],
  ['busybox', { ...probe, tar: 'busybox', findPrintf: false }, 'auto', [['warning', /no GNU tar/]]],
  ['SFTP', { ...probe, access: 'sftp' }, 'auto', [['ok', /SFTP only/]]],
] as const)('tools: %s', (_name, given, kind, expected) => {
  const judged = judgeTools(given as HostProbe, { compression: { kind } as never })
  expect(judged.map(({ outcome, message }) => [outcome, message])).toEqual(
    expected.map(([outcome, says]) => [
      outcome,
      typeof says === 'string' ? says : expect.stringMatching(says),
    ]),
  )
})

test('space: enough, less than the next operation takes, nothing left, not known', () => {
  const need = { bytes: 2 ** 30, what: 'a full pull' }
  const says = (free: number | undefined) => judgeSpace('here', free, need).map(({ outcome }) => outcome)
  expect(says(2 ** 31)).toEqual(['ok'])
  expect(says(2 ** 30)).toEqual(['ok'])
  expect(says(2 ** 30 - 1)).toEqual(['warning'])
  expect(says(2 ** 20)).toEqual(['failed'])
  expect(says(undefined)).toEqual([])
})

test('the clock: right within a minute on either side of the question', () => {
  expect(judgeClock(1_000_000, 995_000, 1_005_000, MINUTE).outcome).toBe('ok')
  expect(judgeClock(1_000_000 + MINUTE, 1_000_000, 1_000_000, MINUTE).outcome).toBe('ok')
  expect(judgeClock(HOUR + 5000, 1000, 5000, MINUTE).message).toBe(
    "the server's clock is 1h ahead of this machine's",
  )
  expect(judgeClock(1000, HOUR + 1000, HOUR + 9000, MINUTE).message).toBe(
    "the server's clock is 1h behind this machine's",
  )
})

test('a disk: warned of from the limit on', () => {
  expect(judgeDisk('of the server', { used: 0.849, free: 1 }, 0.85)).toEqual([])
  expect(judgeDisk('of the server', { used: 0.851, free: 2 ** 30 }, 0.85)).toMatchObject([
    { outcome: 'warning', message: 'the disk of the server is 85 % full: 1.0 GiB free' },
  ])
})

test('leftovers: an open journal fails, services that stand still warn, what is kept is told', () => {
  const none = { openJournals: [], quiesced: [], kept: [], left: [] }
  expect(judgeLeftovers('prod', none)).toEqual([{ outcome: 'ok', message: 'nothing of ours is left there' }])
  const kept = [
    { name: 'restore-1', bytes: 2 ** 20 },
    { name: 'lock-note', bytes: 4096 },
  ]
  expect(judgeLeftovers('prod', { ...none, kept })[0]).toMatchObject({
    outcome: 'ok',
    message: expect.stringContaining('1 restore replaced is kept, 1.0 MiB') as string,
  })
  const both = judgeLeftovers('prod', { ...none, openJournals: ['a'], quiesced: ['b'], kept })
  expect(both.map(({ outcome }) => outcome)).toEqual(['failed', 'warning'])
  expect(judgeLeftovers('prod', { ...none, left: ['/app/.relay-backup/compose-1'] })).toEqual([
    {
      outcome: 'warning',
      message: 'a run that was cut off has left data in /app/.relay-backup/compose-1',
      next: 'The next run removes it: relay-backup pull prod',
    },
  ])
})

const status = (more: Partial<HostStatus>) =>
  ({ host: 'prod', troubles: [], ...more }) as unknown as HostStatus

test('the backup: what status says of it, and what is of no use to a restore has failed', () => {
  const lastGood = { snapshot: 'prod/20260303T020000Z', createdAt: '', ageMs: 10 * HOUR }
  expect(judgeBackup(status({ lastGood }))).toEqual([
    { outcome: 'ok', message: 'prod/20260303T020000Z, 10h ago' },
  ])
  const trouble = (code: string) => ({ code, about: '', message: `is ${code}`, next: 'Look.' })
  const troubles = ['failing', 'damaged', 'rotation-paused', 'set-back'].map(trouble)
  expect(judgeBackup(status({ lastGood, troubles }))).toEqual([
    { outcome: 'warning', message: 'is failing', next: 'Look.' },
    { outcome: 'failed', message: 'is damaged', next: 'Look.' },
    { outcome: 'warning', message: 'is rotation-paused', next: 'Look.' },
    { outcome: 'failed', message: 'is set-back', next: 'Look.' },
  ])
})
