import { expect, test } from 'vitest'
import type { RunRecord } from '../../../src/model/run-record.ts'
import { daysUntilFull, growthPerDay, vaultGrowth } from '../../../src/status/growth.ts'
import type { LedgerRecord } from '../../../src/vault/contract.ts'

const DAY = 86_400_000
const now = new Date('2026-03-31T00:00:00Z')
const ago = (days: number) => now.getTime() - days * DAY

test('growth is that of the last 30 days, and is not known from less than a day', () => {
  const point = (days: number, bytes: number) => ({ at: ago(days), bytes })
  expect(growthPerDay([point(60, 0), point(30, 100), point(10, 900), point(0, 700)], now)).toBe(20)
  expect(growthPerDay([point(2, 100), point(0, 50)], now)).toBe(-25)
  expect(growthPerDay([point(0.5, 100), point(0, 900)], now)).toBe(undefined)
  expect(growthPerDay([point(40, 1), point(1, 100)], now)).toBe(undefined)
  // A clock that was ahead.
  expect(growthPerDay([point(2, 100), point(1, 200), point(-300, 9000)], now)).toBe(100)
})

test('a disk that fills is full after so many days, and one that does not is never', () => {
  expect([daysUntilFull(1000, 99), daysUntilFull(1000, 0), daysUntilFull(1000, -5)]).toEqual([
    10,
    undefined,
    undefined,
  ])
  expect(daysUntilFull(1000, undefined)).toBe(undefined)
})

test('what retention removed is no growth of the vault', () => {
  const line = (event: string, snapshot: string, days: number) =>
    ({ event, snapshot, at: new Date(ago(days)).toISOString() }) as LedgerRecord
  const run = (snapshot: string, bytes: number) =>
    ({ operation: 'pull', snapshot, sources: [{ bytes }, { bytes }] }) as unknown as RunRecord
  const ledger = [
    line('made', 'old', 100),
    line('made', 'a', 20),
    line('made', 'b', 10),
    line('removed', 'old', 10),
    line('made', 'c', 1),
    line('removed', 'a', 1),
  ]
  const runs = [run('old', 150), run('a', 300), run('b', 300), run('c', 450)]
  expect(vaultGrowth(ledger, runs, [], now)).toBe((600 + 600 - 300 + 900 - 600) / 30)
  expect(vaultGrowth(ledger.slice(4), runs, [], now)).toBe((900 - 600) / 1)
  expect(vaultGrowth([line('made', 'c', 0.5)], runs, [], now)).toBe(undefined)
})
