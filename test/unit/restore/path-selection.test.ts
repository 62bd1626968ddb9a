import { expect, test } from 'vitest'
import { parsePathSelection } from '../../../src/restore/wanted.ts'

test.each([
  ['logs:logs/app.log', 'logs', 'logs/app.log'],
  ['logs:logs/', 'logs', 'logs'],
  ['data:data/a:b', 'data', 'data/a:b'],
  ['data:data/..a/b..', 'data', 'data/..a/b..'],
])('%s', (text, source, path) => {
  expect(parsePathSelection(text)).toEqual({ source, path })
})

test.each([
  '',
  'logs',
  'logs:',
  ':logs',
  'logs:/',
  'logs:/etc/passwd',
  'logs:..',
  'logs:../x',
  'logs:a/../b',
  'logs:a//b',
  'logs:a/..',
])('%j is refused', (text) => {
  expect(() => parsePathSelection(text)).toThrow('not understood')
})
