import { describe, expect, test } from 'vitest'
import { readCron } from '../../../src/model/cron-fields.ts'
import { cronOf, splitWords } from '../../../src/model/schedule.ts'
import { nextDue, timeWords, momentWords } from '../../../src/schedule/times.ts'
import { sameTime } from '../../../src/schedule/notices.ts'
import { HEAD, problemsOf } from '../config/fixture.ts'

const problems = (schedule: string) =>
  problemsOf(`${HEAD}hosts: { prod: { ssh: a@b } }\nschedules: { nightly: { ${schedule} } }\n`).map(
    ({ path, message }) => `${path}: ${message}`,
  )

describe('what is refused', () => {
  test.each([
    ['run: pull', 'says no time'],
    ['run: pull, at: "02:00", every: 6h', 'has at and every'],
    ['run: pull, at: "25:00"', 'not a time of day'],
    ['run: pull, every: 7h', 'does not divide a day evenly'],
    ['run: pull, cron: "0 0 31 2 *"', 'never fires'],
    ['run: pull, cron: "0 0 31 4,6,9,11 *"', 'never fires'],
    ['run: pull, cron: "0 0 1 * 1"', 'both the day of the month and the day of the week'],
    ['run: pull, cron: "0 0 * *"', 'five fields'],
    ['run: pull, cron: "60 0 * * *"', 'has a minute that is not understood'],
    ['run: pull, cron: "5/10 0 * * *"', 'has a minute that is not understood'],
    ['run: pull, at: "02:00", timeZone: Mars/Olympus', 'no time zone'],
    [`run: "pull 'a", at: "02:00"`, 'a quote that is not closed'],
    ['run: pull, at: "02:00", keep: {}', 'has no rule'],
    ['run: pull, at: "02:00", when: never', 'unknown key'],
  ])('%s', (schedule, message) => {
    expect(problems(schedule).join('\n')).toContain(message)
  })

  test('29 February fires', () => {
    expect(problems('run: pull, cron: "0 0 29 2 *"')).toEqual([])
  })
})

test.each([
  [{ at: '2:05' }, '5 2 * * *'],
  [{ every: '6h' }, '0 */6 * * *'],
  [{ every: '60m' }, '0 * * * *'],
  [{ every: '15m' }, '*/15 * * * *'],
  [{ every: '1d' }, '0 0 * * *'],
  [{ cron: ' 0  1 * * 0 ' }, '0 1 * * 0'],
  [{ every: '90m' }, undefined],
])('%j is %s', (time, cron) => {
  expect(cronOf(time)).toBe(cron)
})

test('fields are sets of numbers', () => {
  expect(readCron('*/30 1-3,5 * jan,7 sun-tue,7')).toEqual({
    minutes: [0, 30],
    hours: [1, 2, 3, 5],
    days: undefined,
    months: [1, 7],
    weekdays: [0, 1, 2],
  })
})

test('a line is split as a shell splits it', () => {
  expect(splitWords(`pull  --tag 'a b' --x="c d"`)).toEqual(['pull', '--tag', 'a b', '--x=c d'])
  expect(splitWords('pull "a')).toBeUndefined()
})

test('times in words', () => {
  const words = (cron: string) => timeWords({ time: { cron }, cron })
  expect(timeWords({ time: { at: '02:00' }, cron: '0 2 * * *', timeZone: 'UTC' })).toBe(
    'every day at 02:00 (UTC)',
  )
  expect(words('0 1 * * 0')).toBe('every Sunday at 01:00')
  expect(words('30 4 1,15 * *')).toBe('on day 1, 15 of every month at 04:30')
  const now = new Date('2026-05-01T12:00:00Z')
  const next = nextDue({ cron: '0 2 * * *', timeZone: 'UTC' }, now)
  expect(momentWords(next, now, 'UTC')).toBe('tomorrow 02:00')
  expect(momentWords(nextDue({ cron: '0 4 31 * *', timeZone: 'UTC' }, now), now, 'UTC')).toBe(
    '2026-05-31 04:00',
  )
})

test('schedules that are due at one time are named', () => {
  const of = (name: string, cron: string) => ({ name, cron, time: { cron }, timeZone: 'UTC', run: ['pull'] })
  const found = sameTime(
    [of('a', '0 2 * * *'), of('b', '0 */6 * * *'), of('c', '0 2 * * 0')],
    new Date('2026-05-01T12:00:00Z'),
  )
  expect(found.map(([one, other]) => `${one} ${other}`)).toEqual(['a c'])
})
