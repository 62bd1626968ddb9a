import { expect, test } from 'vitest'
import { withoutFileNames } from '../../../src/runs/told-error.ts'

test.each([
  ['data/customers.csv is unreadable', '… is unreadable'],
  ["there is no directory '/srv/my app' on the server", "there is no directory '… app' on the server"],
  ['3 files changed: .env, notes.txt', '3 files changed: …, …'],
  ['Redis of cache on db.example.com refuses', 'Redis of cache on db.example.com refuses'],
  ['The run took longer than 1h.', 'The run took longer than 1h.'],
])('%s', (message, told) => {
  expect(withoutFileNames(message, ['db.example.com'])).toBe(told)
})
