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

test('plain tables and tables with wide characters are laid out alike', () => {
  const options = { head: ['name', 'n', 'state'], align: ['left', 'right'], color: true } as const
  const rows = [
    ['one', '1', ''],
    ['twenty', '20', '\x1b[31mgone\x1b[0m'],
  ]
  const wide = renderTable([...rows, ['\u00e9', '3', 'ok']], options).split('\n')
  expect(renderTable(rows, options).split('\n')).toEqual(wide.slice(0, 3))
  expect(wide[3]).toBe('\u00e9        3  ok')
})
