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

test('snapshots of a host stay, other paths below its name do not', () => {
  const message = 'See prod/latest. prod/20260303T120000Z and others, prod/secret, web/latest'
  expect(withoutFileNames(message, ['prod'])).toBe('See prod/latest. prod/20260303T120000Z and others, …, …')
})
