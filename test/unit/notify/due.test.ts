import { expect, test } from 'vitest'
import { SecretError } from '../../../src/errors.ts'
import type { AlertsConfig } from '../../../src/model/config.ts'
import type { AlertEvent } from '../../../src/model/notify-config.ts'
import { ALERT_EVENTS } from '../../../src/model/notify-config.ts'
import type { StatusReport } from '../../../src/model/status-report.ts'
import { conditionsOf, type Condition } from '../../../src/notify/conditions.ts'
import { dueAlerts, type Told } from '../../../src/notify/due.ts'
import { tellStatus } from '../../../src/notify/tell.ts'
import { composeMessage } from '../../../src/notify/message.ts'

const HOUR = 3_600_000
const iso = '2026-03-03T12:00:00Z'
const start = Date.parse(iso)

/** A channel over hours: what it is told at each of them. */
function channel(on: readonly AlertEvent[] = ALERT_EVENTS) {
  let told: Told = {}
  return (hours: number, ...conditions: Condition[]) => {
    const now = new Date(start + hours * HOUR)
    const due = dueAlerts('prod', conditions, told, { on, remindEvery: 24 * HOUR, now })
    told = due.told
    return due.alerts.map(({ event, code, since }) => [
      event,
      code,
      ...(since === undefined ? [] : ['again']),
    ])
  }
}

const failing = (about = 'no route'): Condition => ({
  event: 'failure',
  host: 'prod',
  code: 'failing',
  about,
  message: `failed: ${about}`,
  next: 'Look',
})
const overdue: Condition = { ...failing(), event: 'overdue', code: 'overdue', about: '' }

test('a trouble is told once, after a day again, and that it is over once', () => {
  const at = channel()
  expect(at(0, failing())).toEqual([['failure', 'failing']])
  expect(at(1, failing())).toEqual([])
  expect(at(23, failing())).toEqual([])
  expect(at(24, failing())).toEqual([['failure', 'failing', 'again']])
  expect(at(47, failing())).toEqual([])
  expect(at(48)).toEqual([['recovered', 'failing', 'again']])
  expect(at(49)).toEqual([])
  expect(at(50, failing())).toEqual([['failure', 'failing']])
})

test('a reminder, and that it is over, say since when it held', () => {
  const options = { on: ALERT_EVENTS, remindEvery: HOUR }
  const first = dueAlerts('prod', [failing()], {}, { ...options, now: new Date(start) })
  const later = { ...options, now: new Date(start + 2 * HOUR) }
  const since = new Date(start).toISOString()
  expect(dueAlerts('prod', [failing()], first.told, later).alerts).toMatchObject([{ since }])
  expect(dueAlerts('prod', [], first.told, later).alerts).toMatchObject([{ event: 'recovered', since }])
})

test('another trouble is told at once, and the one that stays is not told again', () => {
  const at = channel()
  at(0, failing())
  expect(at(1, failing('wrong password'))).toEqual([['failure', 'failing']])
  expect(at(2, failing('wrong password'), overdue)).toEqual([['overdue', 'overdue']])
  expect(at(3, overdue)).toEqual([['recovered', 'failing', 'again']])
})

test('a channel hears of what it asked for alone', () => {
  const at = channel(['overdue'])
  expect(at(0, failing(), overdue)).toEqual([['overdue', 'overdue']])
  expect(at(1)).toEqual([])
  expect(at(2, overdue)).toEqual([['overdue', 'overdue']])
})

test.each([
  ['ahead by a year', 365 * 24],
  ['back by a year', -365 * 24],
])('a clock that jumps %s reminds once', (_name, hours) => {
  const at = channel()
  at(0, failing())
  expect(at(hours, failing())).toEqual([['failure', 'failing', 'again']])
  expect(at(hours + 1, failing())).toEqual([])
})

const status = (host: string, ...codes: string[]): StatusReport['hosts'][number] => ({
  host,
  lastPull: { finishedAt: '2026-03-03T11:00:00Z', outcome: 'failed', seconds: 1 },
  failuresInARow: 1,
  pulls: { good: 0, of: 1 },
  sizes: [],
  storedBytes: 0,
  snapshots: 0,
  runs: [],
  troubles: codes.map((code) => ({ code, about: '', message: `${code} of /srv/app/key.pem`, next: 'Look' })),
})

test('each trouble of the status is an event; no name of a file goes out', () => {
  const codes = ['never', 'overdue', 'cut-off', 'unreadable', 'damaged', 'verify-failed', 'set-back']
  const report: StatusReport = {
    at: '2026-03-03T12:00:00Z',
    vault: '/v',
    hosts: [
      status('a', ...codes, 'rotation-paused', 'anomaly'),
      status('b', 'never', 'failing'),
      { ...status('c', 'failing'), lastPull: { finishedAt: '', outcome: 'partial', seconds: 1 } },
    ],
    troubles: [{ code: 'disk', about: '', message: 'full', next: 'Make room' }],
  }
  const found = conditionsOf(report)
  expect(found.map(({ host, event }) => `${host ?? ''} ${event}`)).toEqual([
    ' disk',
    'a overdue',
    'a overdue',
    'a failure',
    'a failure',
    'a verify-failed',
    'a verify-failed',
    'a verify-failed',
    'a shrunk',
    'a anomaly',
    // Why there is none is told; that there is none follows.
    'b failure',
    'c partial',
  ])
  expect(JSON.stringify(found)).not.toMatch(/srv|pem/)
})

test('a night on which all fails is one message', () => {
  const alerts = ['a', 'b', 'c', 'd', 'e'].map((host) => ({ ...failing(), host }))
  const message = composeMessage(
    [...alerts, { event: 'disk', code: 'disk', message: 'full' }],
    'desk',
    new Date(start),
  )
  expect(message.subject).toBe('[relay-backup] a: failure, b: failure, c: failure, and 3 more')
  expect(message.text.split('\n')).toEqual([
    ...['a', 'b', 'c', 'd', 'e'].flatMap((host) => [
      `${host}: failure`,
      '  failed: no route',
      '  Next: Look',
    ]),
    'vault: disk',
    '  full',
    '',
    'From desk, 2026-03-03 12:00 UTC',
  ])
  expect(
    composeMessage([{ ...failing(), since: '2026-03-01T02:00:00.000Z' }], 'desk', new Date(start)).text,
  ).toMatch(/^prod: failure \(since 2026-03-01 02:00 UTC\)\n/)
})

const never: Condition = { ...overdue, code: 'never' }
const unreadable: Condition = { ...failing(), code: 'unreadable' }

test.each([
  ['the host can not be read', overdue, unreadable],
  ['the vault is empty', overdue, never],
  ['the first pull failed', never, failing()],
])('nothing is told as over while nobody knows: %s', (_name, before, after) => {
  const at = channel()
  expect(at(0, before)).toHaveLength(1)
  expect(at(1, after).map(([event]) => event)).toEqual([after.event])
  expect(at(2).map(([event, code]) => `${event} ${code}`)).toEqual(
    expect.arrayContaining([`recovered ${before.code}`, `recovered ${after.code}`]),
  )
})

test('two anomalies are each told once', () => {
  const at = channel()
  const anomaly = (about: string): Condition => ({ ...overdue, event: 'anomaly', code: 'anomaly', about })
  expect(at(0, anomaly('size'), anomaly('duration'))).toHaveLength(2)
  expect(at(1, anomaly('size'), anomaly('duration'))).toEqual([])
  expect(at(2, anomaly('size'))).toEqual([['recovered', 'anomaly', 'again']])
})

test('what turned into something that a channel does not hear of is told as over at its end', () => {
  const at = channel(['failure', 'recovered'])
  at(0, failing())
  expect(at(1, { ...failing(), event: 'partial' })).toEqual([])
  expect(at(2)).toEqual([['recovered', 'failing', 'again']])
})

/** Tells one channel, whose address can't be had, of this status; what it was told before and after. */
async function tellNobody(before: Readonly<Record<string, Told>>, troubles: StatusReport['troubles']) {
  const kept: unknown[] = []
  const undelivered = await tellStatus(
    [{ name: 'slack', on: ALERT_EVENTS, to: { kind: 'slack', url: { env: 'NONE' } } }],
    { at: iso, vault: '/v', hosts: [], troubles },
    [],
    { remindEvery: 24 * HOUR } as AlertsConfig,
    {
      machine: 'desk',
      now: () => new Date(start),
      patience: { timeout: 1, retries: 0, pause: 1 },
      resolveSecret: () => Promise.reject(new SecretError('NONE is not set')),
      store: {
        recall: () => Promise.resolve(before),
        remember: (_, told) => Promise.resolve(void kept.push(told)),
      },
    },
    new AbortController().signal,
  )
  return { undelivered, kept }
}

test('of a vault that is not there nothing is over', async () => {
  const before = { slack: { disk: { event: 'disk' as const, about: '', since: iso, at: iso } } }
  expect(await tellNobody(before, [])).toEqual({ undelivered: [], kept: [before] })
})

test('what a channel did not take does not count as told', async () => {
  const troubles = [{ code: 'disk', about: '', message: 'full', next: 'Make room' }]
  const { undelivered, kept } = await tellNobody({}, troubles)
  expect(undelivered).toMatchObject([{ channel: 'slack', hosts: [] }])
  expect(kept).toEqual([{}])
})
