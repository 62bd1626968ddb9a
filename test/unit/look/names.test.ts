import { describe, expect, test } from 'vitest'
import { candidatesOf, parseAddress } from '../../../src/look/address.ts'
import { globMatcher } from '../../../src/look/glob.ts'
import { LocalNames } from '../../../src/look/local-names.ts'
import { latin1 } from '../../../src/model/path-bytes.ts'
import { didYouMean, nearest } from '../../../src/model/nearest.ts'

describe('addresses', () => {
  test.each([
    ['logs', 'logs', ''],
    ['logs:', 'logs', ''],
    ['logs:app/', 'logs', 'app'],
    ['logs:logs/a:b', 'logs', 'logs/a:b'],
  ])('%s', (text, source, path) => {
    expect(parseAddress(text)).toEqual({ source, path })
  })

  test.each(['', ':x', 'logs:/etc', 'logs:../x', 'logs:a/../b'])('%j is refused', (text) => {
    expect(() => parseAddress(text)).toThrow('not understood')
  })

  test('a path may be relative to the paths of the source', () => {
    expect(candidatesOf('app', ['logs', 'var/log'])).toEqual(['app', 'logs/app', 'var/log/app'])
  })
})

describe('patterns', () => {
  test.each([
    ['*.log', 'logs/app.log', true],
    ['*.log', 'logs/app.log.1', false],
    ['app?log', 'app.log', true],
    ['?.txt', 'é.txt', true],
    ['[!a]*', 'b', true],
    ['[!a]*', 'a', false],
    ['[z-a]', 'b', false],
    ['a[', 'a[', true],
    ['\\*', '*', true],
    ['\\*', 'x', false],
    ['logs/*', 'logs/a', true],
    ['logs/*', 'logs/a/b', false],
    ['logs/**', 'logs/a/b', true],
    ['**/b', 'logs/a/b', true],
    ['**/b', 'b', true],
    ['.env', 'config/.env', true],
    ['.env', 'config/xenv', false],
    ['a*', 'a\nb', true],
    ['[é]', 'é', true],
    ['[é]', 'à', false],
    ['[!é]', 'à', true],
    ['[!é]', 'é', false],
    ['[à-ü]x', 'éx', true],
    ['?[😀-😎]', 'a😃', true],
    ['[a-c]-[]x]', 'b-]', true],
    ['[ü-à]', 'é', false],
    ['é?', 'é-', true],
  ])('%s and %j: %s', (pattern, name, matches) => {
    expect(globMatcher(pattern)(latin1(name))).toBe(matches)
  })
})

test('a byte that is no character counts as one, and no character of a pattern is it', () => {
  expect(globMatcher('a?b')('a\xe9b')).toBe(true)
  expect(globMatcher('a[!x]b')('a\xe9b')).toBe(true)
  expect(globMatcher('a[é]b')('a\xe9b')).toBe(false)
  expect(globMatcher('a?b')('a\xe9\xe9b')).toBe(false)
})

describe('names on this machine', () => {
  const windows = () => new LocalNames({ characters: 'windows', folds: true })
  const show = (names: LocalNames, member: string) => names.of(latin1(member)).toString('utf8')

  test.each([
    ['CON', '%43ON'],
    ['logs/nul.txt', 'logs/%6Eul.txt'],
    ['COM¹', '%43OM¹'],
    ['lpt9 .x', '%6Cpt9 .x'],
    ['CONSOLE', 'CONSOLE'],
    ['a:b', 'a%3Ab'],
    ['..\\..\\evil', '..%5C..%5Cevil'],
    ['C:\\evil', 'C%3A%5Cevil'],
    ['end. .', 'end%2E%20%2E'],
    ['a\nb', 'a%0Ab'],
    ['é', 'é'],
  ])('Windows has %j as %j', (member, name) => {
    expect(show(windows(), member)).toBe(name)
  })

  test('names that differ in case only get a number, and keep it, with all below them', () => {
    const names = windows()
    expect(['Logs/a', 'logs/a', 'LOGS/a', 'logs/b', 'Logs/a'].map((name) => show(names, name))).toEqual([
      'Logs/a',
      'logs~2/a',
      'LOGS~3/a',
      'logs~2/b',
      'Logs/a',
    ])
    expect(show(names, 'logs~2/a')).toBe('logs~2~2/a')
  })

  test('names in two forms of Unicode are one on a Mac', () => {
    const mac = new LocalNames({ characters: 'unicode', folds: true })
    expect([show(mac, '\u00e9'), show(mac, 'e\u0301')]).toEqual(['\u00e9', 'e\u0301~2'])
    expect(mac.of('a\xff').toString('latin1')).toBe('a%FF')
  })

  test('Linux has every byte', () => {
    const names = new LocalNames({ characters: 'any', folds: false })
    expect(names.of('CON/\xff:\\').toString('latin1')).toBe('CON/\xff:\\')
  })
})

describe('the nearest name', () => {
  test.each([
    ['lgs', ['logs', 'data'], 'logs'],
    ['LOGS', ['logs'], 'logs'],
    ['redis', ['redis_data', 'redos'], 'redis_data'],
    ['zebra', ['logs', 'data'], undefined],
    ['', ['logs'], undefined],
  ])('of %j among %j is %j', (written, known, name) => {
    expect(nearest(written, known)).toBe(name)
    expect(didYouMean(written, known)).toBe(name === undefined ? '' : `Did you mean "${name}"? `)
  })
})
