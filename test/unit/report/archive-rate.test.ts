import { formatCount } from '../../../src/model/units.ts'
import { describe, expect, test } from 'vitest'
import { ArchiveRate } from '../../../src/report/archive-rate.ts'
import { formatAge } from '../../../src/report/format.ts'

describe('the speed of an archive', () => {
  test('is not told from one sample', () => {
    const rate = new ArchiveRate()
    rate.update(0, 100, 1000)
    expect([rate.bytesPerSecond, rate.timeLeft]).toEqual([undefined, undefined])
  })

  test('is that of the last seconds', () => {
    const rate = new ArchiveRate()
    for (let at = 0; at <= 10_000; at += 500) rate.update(at, at < 5000 ? 0 : at - 5000, 11_000)
    expect(rate.bytesPerSecond).toBeCloseTo(1000)
    expect(rate.timeLeft).toBeCloseTo(6000)
  })

  test('has no time left when more came than was expected, or nothing comes', () => {
    const more = new ArchiveRate()
    more.update(0, 0, 10)
    more.update(1000, 50, 10)
    expect(more.timeLeft).toBeUndefined()
    const stuck = new ArchiveRate()
    stuck.update(0, 5, 10)
    stuck.update(1000, 5, 10)
    expect([stuck.bytesPerSecond, stuck.timeLeft]).toEqual([0, undefined])
  })

  test('late and equal samples change nothing', () => {
    const rate = new ArchiveRate()
    rate.update(1000, 0, undefined)
    rate.update(2000, 100, undefined)
    rate.update(2000, 500, undefined)
    rate.update(3000, 50, undefined)
    expect(rate.bytesPerSecond).toBe(100)
  })
})

test('ages', () => {
  expect([formatAge(10), formatAge(3 * 3_600_000), formatAge(-120_000)]).toEqual([
    'just now',
    '3h ago',
    'in 2m',
  ])
})

test('counts', () => {
  expect([formatCount(1, 'entry', 'entries'), formatCount(1234, 'file')]).toEqual(['1 entry', '1,234 files'])
})
