import { decompressLzf } from './lzf.ts'

/** How a string is written in an RDB. */
export const StringEncoding = { raw: 0, int: 1, lzf: 2 } as const

/** Collects one string of an RDB as its bytes come by. It is reused: {@link begin} forgets the one before. */
export class KeptString {
  #parts: Buffer[] = []
  #encoding = 0
  #length = 0

  /** `length` is that of the string itself, after decompression. */
  begin(encoding: number, length: number): void {
    this.#parts.length = 0
    this.#encoding = encoding
    this.#length = length
  }

  /** Copies `bytes[start, end)`. */
  push(bytes: Buffer, start: number, end: number): void {
    this.#parts.push(Buffer.from(bytes.subarray(start, end)))
  }

  /** The string. Throws LzfError. */
  value(): Buffer {
    const bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
    if (this.#encoding === StringEncoding.lzf) return decompressLzf(bytes, this.#length)
    if (this.#encoding === StringEncoding.int) return Buffer.from(String(bytes.readIntLE(0, bytes.length)))
    return bytes
  }
}
