import { expect, test } from 'vitest'
import type { PostgresSourceConfig } from '../../../../src/sources/postgres/config.ts'
import { selectTables } from '../../../../src/sources/postgres/tables/select.ts'

const config = { name: 'app_db', kind: 'postgres' } as PostgresSourceConfig
const object = (part: string, name: string, type = 'table', rows = 1) => ({ part, name, type, rows })
const objects = [
  object('app', 'public.users', 'table', 2),
  object('app', 'public.orders'),
  object('app', 'public.grown', 'view'),
  object('app', 'public.a*b'),
  object('app', 'public.aXb'),
  object('app', 'public.with.dots'),
  object('crm', 'public.users'),
]
const selected = (...parts: readonly string[]) =>
  selectTables(config, parts, objects).tables!.map(
    ({ database, schema, table }) => `${database}/${schema}/${table}`,
  )

test('tables are named by database, schema and table, or by a pattern', () => {
  expect(selectTables(config, ['app.public.users'], objects).tables).toEqual([
    { database: 'app', schema: 'public', table: 'users', rows: 2 },
  ])
  expect(selected('app.public.users', 'app.*users', '*.orders')).toEqual([
    'app/public/users',
    'app/public/orders',
  ])
  expect(selected('*.public.users')).toEqual(['app/public/users', 'crm/public/users'])
  // A name that is there is itself and no pattern.
  expect(selected('app.public.a*b')).toEqual(['app/public/a*b'])
})

test.each([
  ['app.public.user', /no table app\.public\.user in/],
  ['app.public.grown', /it is a view/],
  ['app.public.with.dots', /several dots/],
  ['app.public.grow*', /no table/],
  ['users', /no table/],
])('%s is refused', (part, message) => {
  expect(() => selectTables(config, [part], objects)).toThrow(message)
})

test('a table goes nowhere else', () => {
  expect(() => selectTables({ ...config, beside: 'copy' }, ['app.public.users'], objects)).toThrow(/--target/)
})
