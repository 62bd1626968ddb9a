import { expect, test } from 'vitest'
import { renderTable } from '../../../src/report/table.ts'

test('columns line up without borders or trailing blanks', () => {
  expect(
    renderTable(
      [
        ['prod/20251117T020000Z', '30 MiB', ''],
        ['数据', '1.5 GiB', 'latest'],
      ],
      { head: ['snapshot', 'size', ''], align: ['left', 'right'] },
    ),
  ).toBe(
    [
      'snapshot                  size',
      'prod/20251117T020000Z   30 MiB',
      '数据                   1.5 GiB  latest',
    ].join('\n'),
  )
})

test('colour only when asked for, and none of it is counted as width', () => {
  const rows = [['a', 'b']]
  expect(renderTable(rows, { head: ['one', 'two'] })).not.toContain('\x1b')
  expect(renderTable(rows, { head: ['one', 'two'], color: true })).toContain('\x1b[1mone\x1b[22m  ')
})

test('an empty table is empty', () => {
  expect(renderTable([])).toBe('')
})
