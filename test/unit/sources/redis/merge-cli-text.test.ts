import { describe, expect, test } from 'vitest'
import { parseAnswer, writeCommand } from '../../../../src/sources/redis/talk/cli-text.ts'
import { ReplyError } from '../../../../src/sources/redis/talk/connection.ts'

describe('answers as redis-cli writes them', () => {
  test.each([
    [['OK'], Buffer.from('OK')],
    [['(integer) -2'], -2],
    [['(nil)'], null],
    [['(empty array)'], []],
    [['(empty list or set)'], []],
    [['"\\x00\\"\\\\\\n\\xff plain"'], Buffer.from('\0"\\\n\xff plain', 'latin1')],
    [['""', '(0.62s)'], Buffer.alloc(0)],
    [
      ['(error) BUSYKEY Target key name already exists.'],
      new ReplyError('BUSYKEY Target key name already exists.'),
    ],
    [
      [
        '1) "0"',
        '2)  1) "a"',
        ...Array.from({ length: 8 }, (_, at) => `    ${at + 2}) "x"`),
        '   10) (integer) 1',
      ],
      [Buffer.from('0'), [Buffer.from('a'), ...Array.from({ length: 8 }, () => Buffer.from('x')), 1]],
    ],
    [
      ['1) 1) "a"', '   2) (empty array)', '2) 1) "b"'],
      [[Buffer.from('a'), []], [Buffer.from('b')]],
    ],
  ])('%j', (lines, reply) => {
    expect(parseAnswer(lines)).toEqual(reply)
  })

  test.each([
    [[]],
    [['OK', 'OK']],
    [['Server closed the connection.']],
    [['Error: Server closed the connection', 'OK']],
    [['"cut']],
    [['Could not connect to Redis at 127.0.0.1:6379: Connection refused']],
    [['2) "no first"']],
  ])('%j is none', (lines) => {
    expect(parseAnswer(lines)).toBeUndefined()
  })
})

test('a command is one line of what a terminal can show', () => {
  const line = writeCommand(['SET', Buffer.from([0, 10, 34, 92, 255, 65]), 'ü'])
  expect(line).toBe('"SET" "\\x00\\x0a\\x22\\x5c\\xffA" "\\xc3\\xbc"')
})
