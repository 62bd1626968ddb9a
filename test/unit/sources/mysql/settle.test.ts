import { expect, test } from 'vitest'
import type { DatabaseLook, Table } from '../../../../src/sources/mysql/catalogue.ts'
import { settle } from '../../../../src/sources/mysql/settle.ts'

const table = (name: string, own: Partial<Table> = {}): Table => ({
  ...{ name, type: 'BASE TABLE', engine: 'InnoDB', changed: 'then', bytes: 1 },
  ...own,
})
const look = (
  tables: readonly Table[],
  definitions: Readonly<Record<string, string>> = {},
): DatabaseLook => ({
  tables,
  objects: [
    ...tables.map(({ name }) => ({ name, type: 'table', definition: definitions[name] ?? 'x' })),
    ...Object.entries(definitions)
      .filter(([name]) => !tables.some((each) => each.name === name))
      .map(([name, definition]) => ({ name, type: 'trigger', definition })),
  ],
  definers: [],
})
const dumped = (...names: readonly string[]) => new Map(names.map((name) => [name, { rows: 2, bytes: 9 }]))

const before = look([table('a'), table('b', { engine: 'MRG_MyISAM' })], { t: 'one' })

test('what did not change has the rows that were dumped', () => {
  expect(settle({ before, after: before, dumped: dumped('a', 'b') })).toMatchObject({
    rows: new Map([['a', 2]]),
    objects: [{ name: 'a', rows: 2, bytes: 9 }, { name: 'b', type: 'table' }, { name: 't' }],
  })
})

test.each([
  ['a table that is defined otherwise', look([table('a'), table('b')], { t: 'one', a: 'y' }), 'a'],
  ['a table that was emptied', look([table('a', { changed: 'since' }), table('b')], { t: 'one' }), 'a'],
  ['a table that is gone', look([table('b')], { t: 'one' }), 'a'],
  ['a trigger', look([table('a'), table('b')], { t: 'two' }), 't'],
  ['a trigger that came', look([table('a'), table('b')], { t: 'one', u: 'x' }), 'u'],
])('a change is noticed: %s', (_what, after, changed) => {
  expect(settle({ before, after, dumped: dumped('a', 'b') })).toEqual({ changed })
})

test('a table that came meanwhile may be in the dump or not; one that was there must be', () => {
  const after = look([...before.tables, table('c')], { t: 'one' })
  expect(settle({ before, after, dumped: dumped('a', 'b') })).toMatchObject({ rows: new Map([['a', 2]]) })
  expect(settle({ before, after, dumped: dumped('a', 'b', 'c') })).toMatchObject({
    rows: new Map([
      ['a', 2],
      ['c', 2],
    ]),
  })
  expect(settle({ before, after: before, dumped: dumped('b') })).toEqual({ missing: 'a' })
  // Of rows alone there are none of a table that only joins others.
  expect(settle({ before, after: before, dumped: dumped('b'), capture: 'data' })).toEqual({ missing: 'a' })
  expect(settle({ before, after: before, dumped: dumped('a'), capture: 'data' })).toMatchObject({
    rows: new Map([['a', 2]]),
  })
  expect(settle({ before, after: before, dumped: dumped('a', 'b', 'd') })).toEqual({ changed: 'd' })
})
