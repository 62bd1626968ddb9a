import { expect, test } from 'vitest'
import { parseMatchKey } from '../../../../src/restore/wanted.ts'
import { inOrderOfKeys } from '../../../../src/sources/postgres/merge/statements.ts'

const table = (name: string, ...parents: readonly string[]) => ({
  schema: 'public',
  table: name,
  foreign: parents.map((parent) => ({
    name: `${name}_${parent}`,
    from: { schema: 'public', table: name },
    columns: ['x'],
    to: { schema: 'public', table: parent },
    referenced: ['id'],
  })),
})
const order = (...tables: readonly ReturnType<typeof table>[]) =>
  inOrderOfKeys(tables).map((one) => one.table)

test('parents come before children, and a circle ends', () => {
  expect(order(table('c', 'b'), table('b', 'a'), table('a'))).toEqual(['a', 'b', 'c'])
  expect(order(table('a', 'a', 'elsewhere'), table('b'))).toEqual(['a', 'b'])
  expect(order(table('a', 'b'), table('b', 'a'), table('c', 'a'))).toEqual(['b', 'a', 'c'])
})

test('--match names a table and its columns', () => {
  expect(parseMatchKey('users:email')).toEqual({ table: 'users', columns: ['email'] })
  expect(parseMatchKey('app.public.a:b:country,number')).toEqual({
    table: 'app.public.a:b',
    columns: ['country', 'number'],
  })
  for (const bad of ['', 'users', 'users:', ':email', 'users:a,,b'])
    expect(() => parseMatchKey(bad)).toThrow('not understood')
})
