import { messageDamage } from './damage.ts'

/** Reads bytes from chunks, as many as are asked for and no further. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array()
  #taken = 0

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** How many bytes were given. */
  get taken(): number {
    return this.#taken
  }

  /** At least one byte and at most `limit`; undefined at the end. */
  async some(limit: number): Promise<Uint8Array | undefined> {
    if (await this.atEnd()) return undefined
    const part = this.#chunk.subarray(0, limit)
    this.#chunk = this.#chunk.subarray(part.length)
    this.#taken += part.length
    return part
  }

  /** Exactly `length` bytes, for small lengths. Throws DamageError when the end comes before. */
  async exactly(length: number): Promise<Buffer> {
    const parts: Uint8Array[] = []
    for (let missing = length; missing > 0;) {
      const part = await this.some(missing)
      if (part === undefined) throw messageDamage('truncated')
      parts.push(part)
      missing -= part.length
    }
    return Buffer.concat(parts)
  }

  async byte(): Promise<number> {
    return (await this.exactly(1)).readUInt8()
  }

  async atEnd(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#chunks.next()
      if (done === true) return true
      this.#chunk = value
    }
    return false
  }

  /** Reads to the end and drops what it reads. */
  async drain(): Promise<void> {
    while (!(await this.atEnd())) this.#chunk = new Uint8Array()
  }

  /** All that is left. */
  async *rest(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const part = await this.some(Number.MAX_SAFE_INTEGER)
      if (part === undefined) return
      yield part
    }
  }
}
