import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LzfError, decompressLzf } from '../../../../src/sources/redis/rdb/lzf.ts'

test('literals, short and long back references, overlapping ones', () => {
  // "abc", then 3 bytes from 3 back, then 20 bytes from 1 back.
  const bytes = Buffer.from([2, 97, 98, 99, 1 << 5, 2, 7 << 5, 11, 0])
  expect(decompressLzf(bytes, 26).toString()).toBe(`abcabc${'c'.repeat(20)}`)
})

test.each([
  [[2, 97], 3],
  [[0, 97, 1 << 5], 4],
  [[0, 97, 7 << 5], 4],
  [[0, 97, 7 << 5, 3], 4],
  [[0, 97, 1 << 5, 5], 4],
  [[0, 97, 1 << 5, 0], 3],
  [[0, 97, 1 << 5, 0], 5],
  [[1, 97, 98], 1],
  [[0, 97], 1 << 30],
])('damage: %j as %i bytes', (bytes, length) => {
  expect(() => decompressLzf(Buffer.from(bytes), length)).toThrow(LzfError)
})

test('arbitrary bytes give the asked length or LzfError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(6000), (bytes, length) => {
      try {
        expect(decompressLzf(bytes, length)).toHaveLength(length)
      } catch (error) {
        if (!(error instanceof LzfError)) throw error
      }
    }),
  )
})
