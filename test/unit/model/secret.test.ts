import { format, inspect } from 'node:util'
import { expect, test } from 'vitest'
import { Secret } from '../../../src/model/secret.ts'

const secret = new Secret('hunter2')

test.each([
  ['JSON', JSON.stringify({ password: secret, all: [secret] })],
  ['a template', `password ${secret}`],
  ['String', String(secret)],
  ['concatenation', 'password ' + secret.toString()],
  [
    'inspect',
    inspect({ password: secret, deep: { a: { b: { c: secret } } } }, { depth: 9, showHidden: true }),
  ],
  ['format', format('%s %o %O %j', secret, secret, secret, secret)],
  [
    'its keys',
    Object.entries(secret).flat().join() + JSON.stringify(Object.getOwnPropertyDescriptors(secret)),
  ],
  ['a copy', JSON.stringify({ ...secret }) + JSON.stringify(Object.assign({}, secret))],
  ['an error', inspect(new Error('failed', { cause: secret }))],
])('a secret is not given away by %s', (_how, text) => {
  expect(text).not.toContain('hunter2')
})

test('it says what it is where it is shown, and gives itself away by reveal alone', () => {
  expect(`${secret}`).toBe('[secret]')
  expect(JSON.stringify([secret])).toBe('["[secret]"]')
  expect(inspect(secret)).toBe('[secret]')
  expect(secret.reveal()).toBe('hunter2')
})
