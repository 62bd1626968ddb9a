/**
 * Remembers the size of every file that was packed, in 16 bytes or so a file and without its name: a file that is
 * read again at the end must be counted once, and nobody knows before which ones these will be. Two names that
 * fall together (52 bits) would give a wrong count; that is one chance in 10⁹ for a million files.
 */
export class SizeBook {
  #keys = new Float64Array(1024)
  #sizes = new Float64Array(1024)
  #count = 0

  set(name: Buffer, size: number): void {
    if (this.#count * 4 >= this.#keys.length * 3) this.#grow()
    const key = hash(name)
    const slot = this.#slot(key)
    if (this.#keys[slot] === 0) this.#count += 1
    this.#keys[slot] = key
    this.#sizes[slot] = size
  }

  /** Undefined for a name that was never set. */
  get(name: Buffer): number | undefined {
    const slot = this.#slot(hash(name))
    return this.#keys[slot] === 0 ? undefined : this.#sizes[slot]
  }

  #slot(key: number): number {
    const mask = this.#keys.length - 1
    let slot = key % this.#keys.length
    while (this.#keys[slot] !== 0 && this.#keys[slot] !== key) slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    const keys = this.#keys
    const sizes = this.#sizes
    this.#keys = new Float64Array(keys.length * 2)
    this.#sizes = new Float64Array(keys.length * 2)
    keys.forEach((key, at) => {
      if (key === 0) return
      const slot = this.#slot(key)
      this.#keys[slot] = key
      this.#sizes[slot] = sizes[at] ?? 0
    })
  }
}

/** FNV-1a twice with different starts; 26 bits of each make a number that a double holds exactly. Never 0. */
function hash(name: Buffer): number {
  let low = 0x811c9dc5
  let high = 0x5bd1e995
  for (const byte of name) {
    low = Math.imul(low ^ byte, 0x01000193)
    high = Math.imul(high ^ byte, 0x85ebca6b)
    high ^= high >>> 15
  }
  return (high >>> 6) * 0x4000000 + (low >>> 6) + 1
}
