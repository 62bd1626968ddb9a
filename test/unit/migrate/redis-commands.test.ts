import { expect, it } from 'vitest'
import { countCommands } from '../../../src/sources/redis/aof-commands.ts'

const command = (...words: readonly string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
const count = (text: string): number => countCommands(Buffer.from(text))

it('counts the commands of an append-only file that write', () => {
  const text = [
    command('SELECT', '0'),
    '#TS:1700000000\r\n',
    command('SET', 'key', 'a value with\r\n*3\r\nin it'),
    command('MULTI'),
    command('INCR', 'n'),
    command('INCR', 'ü'),
    command('EXEC'),
  ].join('')
  expect(count(text)).toBe(3)
  expect(count('')).toBe(0)
})

it('does not count a command that is cut off, and nothing of what is none', () => {
  const two = command('SET', 'a', '1') + command('SET', 'b', '2')
  for (let end = two.length - 1; end > two.length / 2; end -= 1) expect(count(two.slice(0, end))).toBe(1)
  expect(count('REDIS0011 some RDB')).toBe(0)
})
