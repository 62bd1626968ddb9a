import { randomBytes } from 'node:crypto'

const SEED = [randomBytes(4).readUInt32LE(), randomBytes(4).readUInt32LE()] as const

/**
 * A small number for each name, in some 14 bytes a name and without the name. Names are told apart by 64 bits of a
 * hash that is seeded anew in each process: that two of a million fall together happens once in ten million runs,
 * and nobody can choose names that do.
 */
export class NameTable {
  #low = new Uint32Array(64)
  #high = new Uint32Array(64)
  #values = new Uint8Array(64)
  #count = 0

  /** Names that were set. */
  get size(): number {
    return this.#count
  }

  /** @param value 1 to 255 */
  set(name: Buffer, value: number): void {
    if (this.#count * 4 >= this.#values.length * 3) this.#grow()
    const [low, high] = hashOf(name)
    const slot = this.#slot(low, high)
    if (this.#values[slot] === 0) this.#count += 1
    this.#put(slot, low, high, value)
  }

  /** 0 for a name that was never set. */
  get(name: Buffer): number {
    const [low, high] = hashOf(name)
    return this.#values[this.#slot(low, high)] ?? 0
  }

  #slot(low: number, high: number): number {
    const mask = this.#values.length - 1
    let slot = low & mask
    while (this.#values[slot] !== 0 && (this.#low[slot] !== low || this.#high[slot] !== high))
      slot = (slot + 1) & mask
    return slot
  }

  #put(slot: number, low: number, high: number, value: number): void {
    this.#low[slot] = low
    this.#high[slot] = high
    this.#values[slot] = value
  }

  #grow(): void {
    const [lows, highs, values] = [this.#low, this.#high, this.#values]
    this.#low = new Uint32Array(values.length * 2)
    this.#high = new Uint32Array(values.length * 2)
    this.#values = new Uint8Array(values.length * 2)
    for (const [at, value] of values.entries()) {
      if (value === 0) continue
      const [low, high] = [lows[at] ?? 0, highs[at] ?? 0]
      this.#put(this.#slot(low, high), low, high, value)
    }
  }
}

/** Two halves that are mixed into each other at the end (cyrb53's way, all 64 bits kept). */
function hashOf(name: Buffer): readonly [low: number, high: number] {
  let [low, high]: [number, number] = [...SEED]
  for (const byte of name) {
    low = Math.imul(low ^ byte, 0x9e3779b1)
    high = Math.imul(high ^ byte, 0x5f356495)
    high ^= high >>> 13
  }
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35)
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35)
  return [low >>> 0, high >>> 0]
}
