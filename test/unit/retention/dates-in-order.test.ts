import { expect, test } from 'vitest'
import { datesInOrder } from '../../../src/retention/dates-in-order.ts'

const day = (n: number) => new Date(Date.UTC(2025, 0, n, 2))
const days = (dates: readonly Date[]) =>
  dates.map((date) => Math.round((date.getTime() - day(0).getTime()) / 86_400_000))

test('dates that rise stay as they are', () => {
  const dates = [1, 2, 3].map(day)
  expect(datesInOrder(dates, day(9))).toEqual(dates)
  expect(datesInOrder([], day(9))).toEqual([])
})

test('a date that is still to come stays', () => {
  expect(days(datesInOrder([1, 2, 400, 3].map(day), day(9)))).toEqual([1, 2, 400, 3])
})

test('a date of a clock that was ahead counts as the one before it, once it has come', () => {
  expect(days(datesInOrder([1, 2, 400, 401, 3, 4, 5].map(day), day(500)))).toEqual([1, 2, 2, 2, 3, 4, 5])
})

test('a date of a clock that was behind counts as the one before it', () => {
  expect(days(datesInOrder([1, 2, 3, -400, -399, 4, 5].map(day), day(9)))).toEqual([1, 2, 3, 3, 3, 4, 5])
  expect(days(datesInOrder([400, 1, 2, 3].map(day), day(500)))).toEqual([1, 1, 2, 3])
})

test('the order stays', () => {
  const made = datesInOrder([1, 2, 400, 399, 401, 3, 4, 5, 6].map(day), day(500)).map((date) =>
    date.getTime(),
  )
  expect(made.toSorted((a, b) => a - b)).toEqual(made)
  expect(new Set(made).size).toBe(made.length)
})
