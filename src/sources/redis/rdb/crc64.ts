/**
 * CRC-64 as Redis uses it (src/crc64.c: "crc-64-jones", reflected, polynomial 0xad93d23594c935a9, no initial
 * value, no final xor). Sliced by eight, with a checksum in two 32-bit halves: BigInt would be a hundred times
 * slower.
 */

// The polynomial bit-reversed, as the shift to the right wants it.
const POLYNOMIAL_HIGH = 0x95ac9329 | 0
const POLYNOMIAL_LOW = 0xac4bc9b5 | 0
const SLICES = 8

const low = new Int32Array(256 * SLICES)
const high = new Int32Array(256 * SLICES)

for (let byte = 0; byte < 256; byte += 1) {
  let h = 0
  let l = byte
  for (let bit = 0; bit < 8; bit += 1) {
    const carry = l & 1
    l = (l >>> 1) | (h << 31)
    h >>>= 1
    if (carry) {
      h ^= POLYNOMIAL_HIGH
      l ^= POLYNOMIAL_LOW
    }
  }
  low[byte] = l
  high[byte] = h
}
for (let at = 256; at < low.length; at += 1) {
  const l = low[at - 256]!
  const h = high[at - 256]!
  low[at] = ((l >>> 8) | (h << 24)) ^ low[l & 255]!
  high[at] = (h >>> 8) ^ high[l & 255]!
}

/** A running checksum. */
export class Crc64 {
  #low = 0
  #high = 0

  /** Takes in `bytes[start, end)`. */
  update(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let l = this.#low
    let h = this.#high
    let at = start
    for (; at + 8 <= end; at += 8) {
      const a = l ^ view.getInt32(at, true)
      const b = h ^ view.getInt32(at + 4, true)
      const i7 = 1792 | (a & 255)
      const i6 = 1536 | ((a >>> 8) & 255)
      const i5 = 1280 | ((a >>> 16) & 255)
      const i4 = 1024 | (a >>> 24)
      const i3 = 768 | (b & 255)
      const i2 = 512 | ((b >>> 8) & 255)
      const i1 = 256 | ((b >>> 16) & 255)
      const i0 = b >>> 24
      l = low[i7]! ^ low[i6]! ^ low[i5]! ^ low[i4]! ^ low[i3]! ^ low[i2]! ^ low[i1]! ^ low[i0]!
      h = high[i7]! ^ high[i6]! ^ high[i5]! ^ high[i4]! ^ high[i3]! ^ high[i2]! ^ high[i1]! ^ high[i0]!
    }
    for (; at < end; at += 1) {
      const index = (l ^ bytes[at]!) & 255
      l = ((l >>> 8) | (h << 24)) ^ low[index]!
      h = (h >>> 8) ^ high[index]!
    }
    this.#low = l
    this.#high = h
  }

  /** The lower 32 bits, unsigned. */
  get low(): number {
    return this.#low >>> 0
  }

  /** The upper 32 bits, unsigned. */
  get high(): number {
    return this.#high >>> 0
  }
}
