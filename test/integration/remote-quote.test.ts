import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { quote } from '../../src/remote/quote.ts'

const SHELLS = ['dash', 'bash', 'busybox sh']

/** What a real shell makes of the quoted words. */
function read(shell: string, words: readonly string[]): string[] {
  const [program = '', ...args] = shell.split(' ')
  const script = `for word in ${words.map(quote).join(' ')}; do printf '%s\\0' "$word"; done`
  return execFileSync(program, [...args, '-c', script], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1)
}

const HOSTILE = [
  '',
  ' ',
  "it's",
  "'",
  "''",
  '"',
  '\\',
  "\\'",
  '$(touch /tmp/x)',
  '`id`',
  '${HOME}',
  'a\nb',
  '\n',
  'trailing\n\n',
  '!bang!',
  '-n',
  '--',
  '~root',
  '*',
  'a;b&c|d>e<f',
  '\t\r\x01\x7f',
  'ümläut 漢字 🗝',
]

describe.each(SHELLS)('quote under %s', (shell) => {
  it('round-trips hostile words', () => {
    expect(read(shell, HOSTILE)).toEqual(HOSTILE)
  })

  it('round-trips any words', () => {
    const word = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'))
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (words) => {
        expect(read(shell, words)).toEqual(words)
      }),
      { numRuns: 25 },
    )
  })
})

it('refuses a NUL', () => {
  expect(() => quote('a\0b')).toThrow(RangeError)
})
