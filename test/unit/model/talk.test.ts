import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeField, encodeField } from '../../../src/model/talk.ts'

const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((value) => value.map((byte) => byte || 1))

describe('a field of the restore scripts', () => {
  it('is one field of one line, and stands for the same bytes', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const field = encodeField(value)
        expect(field).not.toMatch(/[\t\n\r]/)
        expect(field).not.toBe('-')
        expect([...decodeField(field)]).toEqual([...value])
      }),
    )
  })

  it.each(['dash', 'busybox'])('is read by the printf of %s as those bytes', (shell) => {
    const value = Buffer.from(Array.from({ length: 255 }, (_, at) => at + 1))
    const args = shell === 'busybox' ? ['sh', '-c', 'printf %b "$1"', 'sh'] : ['-c', 'printf %b "$1"', 'sh']
    for (const text of [value, Buffer.from('back\\0101 ünï\n')]) {
      expect(execFileSync(shell, [...args, encodeField(text)])).toEqual(text)
    }
  })

  it('can not be empty or hold a NUL', () => {
    expect(() => encodeField('')).toThrow(RangeError)
    expect(() => encodeField('a\0b')).toThrow(RangeError)
  })
})
