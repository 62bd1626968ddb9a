import { describe, expect, test } from 'vitest'
import {
  formatCount,
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
} from '../../../src/model/units.ts'

describe('durations', () => {
  test.each([
    ['20h', 72_000_000],
    ['7d', 604_800_000],
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
    ['2w', 1_209_600_000],
    ['1w1d1h1m1s1ms', 694_861_001],
    ['0s', 0],
  ])('%s is %i ms', (text, ms) => expect(parseDuration(text)).toBe(ms))

  test.each(['', '20', 'h', '20 h', '20h ', 'x20h', '20hx', '-1h', '1h,2m', '1.h', '20H'])(
    '%j is none',
    (text) => expect(parseDuration(text)).toBeUndefined(),
  )

  test.each([
    [0, '0 ms'],
    [849.6, '850 ms'],
    [999, '999 ms'],
    [1000, '1s'],
    [12_000, '12s'],
    [59_499, '59s'],
    [60_000, '1m'],
    [200_000, '3m 20s'],
    [3_600_000, '1h'],
    [18_600_000, '5h 10m'],
    [3_601_000, '1h'],
    [86_400_000, '1d'],
    [1_051_200_000, '12d 4h'],
    [90_000_000_000, '1041d 16h'],
  ])('%d ms is %s', (ms, text) => expect(formatDuration(ms)).toBe(text))
})

describe('sizes', () => {
  test.each([
    ['10MiB', 10_485_760],
    ['500KB', 500_000],
    ['1.5GiB', 1_610_612_736],
    ['1 MB', 1_000_000],
    ['12', 12],
    ['12B', 12],
    ['1KiB', 1024],
    ['1GB', 1e9],
    ['1TB', 1e12],
    ['1TiB', 1_099_511_627_776],
    ['0.5', 1],
  ])('%s is %i bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes))

  test.each(['', 'MiB', '10MiBs', '10mib', '-1', '1  MB', 'x1MB', '1MBx', '10toString', '1.'])(
    '%j is none',
    (text) => expect(parseSize(text)).toBeUndefined(),
  )

  test.each([
    [0, '0 B'],
    [512, '512 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [3_355_443, '3.2 MiB'],
    [102_400, '100 KiB'],
    [1_610_612_736, '1.5 GiB'],
    [2 ** 50, '1.0 PiB'],
    [2 ** 62, '4096 PiB'],
  ])('%d bytes are %s', (bytes, text) => expect(formatSize(bytes)).toBe(text))
})

describe('counts', () => {
  test.each([
    [formatCount(0, 'byte'), '0 bytes'],
    [formatCount(1, 'byte'), '1 byte'],
    [formatCount(1234567, 'byte'), '1,234,567 bytes'],
    [formatCount(1, 'file was', 'files were'), '1 file was'],
    [formatCount(2, 'file was', 'files were'), '2 files were'],
  ])('%s', (said, expected) => expect(said).toBe(expected))
})
