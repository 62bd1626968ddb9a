import { expect, test } from 'vitest'
import { Crc64 } from '../../../../src/sources/redis/rdb/crc64.ts'

/** The check value that Redis' own crc64.c prints for "123456789". */
const CHECK = 'e9c6d914c4b8d9ca'

const hex = (crc: Crc64): string =>
  crc.high.toString(16).padStart(8, '0') + crc.low.toString(16).padStart(8, '0')

test('the check value of CRC-64 (Jones)', () => {
  const crc = new Crc64()
  crc.update(Buffer.from('123456789'))
  expect(hex(crc)).toBe(CHECK)
})

/** The definition, bit by bit. */
function slow(bytes: Uint8Array): string {
  let crc = 0n
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1n ? (crc >> 1n) ^ 0x95ac9329ac4bc9b5n : crc >> 1n
  }
  return crc.toString(16).padStart(16, '0')
}

test('any length, offset and split gives the same as the definition', () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, index) => (index * 167 + 13) & 255)
  for (let start = 0; start < 20; start += 1) {
    for (let end = start; end < 60; end += 1) {
      const whole = new Crc64()
      whole.update(bytes, start, end)
      expect(hex(whole)).toBe(slow(bytes.subarray(start, end)))
      const parts = new Crc64()
      parts.update(bytes.subarray(start, start + 3 < end ? start + 3 : end))
      parts.update(bytes, Math.min(start + 3, end), end)
      expect(hex(parts)).toBe(hex(whole))
    }
  }
})
