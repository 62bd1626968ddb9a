import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { pathFromJson, pathToJson, printable, printableLines } from '../../../src/model/path-bytes.ts'

describe('a name in JSON', () => {
  test('is text where it is UTF-8, a mark at its beginning included, else base64', () => {
    expect(pathToJson(Buffer.from('ü/a'))).toBe('ü/a')
    expect(pathToJson(Buffer.from('\ufeffa'))).toBe('\ufeffa')
    expect(pathToJson(Buffer.from([0x61, 0xff]))).toEqual({ base64: 'Yf8=' })
  })

  test('any bytes come back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        const json = JSON.parse(JSON.stringify(pathToJson(bytes))) as ReturnType<typeof pathToJson>
        expect(pathFromJson(json).equals(bytes)).toBe(true)
      }),
    )
  })
})

describe('a name for a person', () => {
  test.each([
    ['plain ü', 'plain ü'],
    ['a\nb\rc\td', 'a\\nb\\rc\\td'],
    ['\x00\x1b[31m\x7f\x9b', '\\x00\\x1b[31m\\x7f\\x9b'],
    ['a\u202egpj.exe\u2066\u200f', 'a\\u202egpj.exe\\u2066\\u200f'],
    ['\u200d \u2028', '\u200d \u2028'],
  ])('%j', (name, shown) => {
    expect(printable(name)).toBe(shown)
    expect(printable(Buffer.from(name))).toBe(shown)
  })

  test('bytes that are no UTF-8 are spelled out', () => {
    expect(printable(Buffer.from([0x61, 0xff, 0x0a, 0x80]))).toBe('a\\xff\\n\\x80')
  })

  test('never drives a terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e]/)
        expect(printableLines(text)).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/)
      }),
    )
  })

  test('lines and tabs of a tool stay', () => {
    expect(printableLines('a\tb\n\x1bc\n')).toBe('a\tb\n\\x1bc\n')
  })
})
