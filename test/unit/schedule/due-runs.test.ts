import { expect, test } from 'vitest'
import type { ScheduleConfig } from '../../../src/model/schedule.ts'
import { dueRuns, type BegunRun } from '../../../src/schedule/due-runs.ts'

const nightly: ScheduleConfig = {
  name: 'nightly',
  time: { at: '02:00' },
  cron: '0 2 * * *',
  timeZone: 'UTC',
  run: ['pull', '--all'],
}
const run = (at: string, more: Partial<BegunRun> = {}): BegunRun => ({
  at,
  trigger: 'schedule:nightly',
  operation: 'pull',
  outcome: 'done',
  ...more,
})
const iso = (times: readonly (Date | undefined)[]) => times.map((at) => at?.toISOString().slice(0, 16))
const look = (history: BegunRun[], now: string, schedule = nightly) => {
  const [due] = dueRuns([schedule], history, new Date(now))
  if (due === undefined) throw new Error('no answer')
  return {
    next: iso([due.next])[0],
    last: iso([due.last])[0],
    outstanding: iso([due.outstanding])[0],
    missed: iso(due.missed),
  }
}

test('a run meets the time at which its schedule was due last, also late, and whatever became of it', () => {
  const history = [run('2026-05-01T02:00:04Z'), run('2026-05-02T19:00:00Z', { outcome: 'failed' })]
  expect(look(history, '2026-05-02T20:00:00Z')).toEqual({
    next: '2026-05-03T02:00',
    last: '2026-05-02T19:00',
    outstanding: undefined,
    missed: [],
  })
})

test('what was due and did not begin is missed, and the last of it is outstanding', () => {
  const history = [run('2026-05-01T02:00:04Z'), run('2026-05-04T02:00:01Z')]
  expect(look(history, '2026-05-06T01:00:00Z')).toEqual({
    next: '2026-05-06T02:00',
    last: '2026-05-04T02:00',
    outstanding: '2026-05-05T02:00',
    missed: ['2026-05-02T02:00', '2026-05-03T02:00'],
  })
})

test('the moment itself is due', () => {
  expect(look([run('2026-05-01T02:00:04Z')], '2026-05-02T02:00:00Z').outstanding).toBe('2026-05-02T02:00')
})

test('runs of a person, of another schedule, and those before the first one count for nothing', () => {
  const history = [
    run('2026-05-02T03:00:00Z', { trigger: 'manual' }),
    run('2026-05-02T03:00:00Z', { trigger: 'schedule:night' }),
  ]
  expect(look(history, '2026-05-02T12:00:00Z')).toEqual({
    next: '2026-05-03T02:00',
    last: undefined,
    outstanding: undefined,
    missed: [],
  })
})

test('a run of the daemon is one of its schedule', () => {
  const history = [run('2026-05-01T02:00:04Z', { trigger: 'daemon', schedule: 'nightly' })]
  expect(look(history, '2026-05-01T12:00:00Z').outstanding).toBeUndefined()
})

test('a run dated a year ahead does not keep the next one from being due', () => {
  const history = [run('2026-05-01T02:00:04Z'), run('2027-05-01T02:00:00Z')]
  expect(look(history, '2026-05-02T02:10:00Z').outstanding).toBe('2026-05-02T02:00')
})

test('a pull that skips what is young has not missed what it skipped', () => {
  const schedule = { ...nightly, run: ['pull', '--all', '--if-older-than', '20h'] }
  const history = [run('2026-05-01T02:00:04Z'), run('2026-05-01T20:00:00Z', { trigger: 'manual' })]
  expect(look(history, '2026-05-02T12:00:00Z').outstanding).toBe('2026-05-02T02:00')
  expect(look(history, '2026-05-02T12:00:00Z', schedule).outstanding).toBeUndefined()
})
