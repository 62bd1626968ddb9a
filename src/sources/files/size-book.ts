const SHARDS = 256
/** In place of a size that 32 bits don't hold: it stands in the map. Above it are -1 to -15. */
const ELSEWHERE = 0xfffffff0

/**
 * Remembers the size of every file that was packed, in some 13 bytes a file and without its name: a file that is
 * read again at the end must be counted once, and nobody knows before which ones these will be. Two names that
 * fall together (40 bits) would give a wrong count; for each file read again that is one chance in a million
 * when there are a million files. Many small tables instead of a large one: none has to be there twice while it
 * grows.
 */
export class SizeBook {
  readonly #shards = Array.from({ length: SHARDS }, () => new Shard())
  /** Sizes of some 4 GiB and more, by shard and key. */
  readonly #others = new Map<number, number>()

  /** @param size at least -15; negative ones are the caller's codes */
  set(name: Buffer, size: number): void {
    const { shard, key } = place(name)
    const fits = size < ELSEWHERE
    this.#shards[shard]?.set(key, fits ? size >>> 0 : ELSEWHERE)
    if (!fits) this.#others.set(shard * 2 ** 32 + key, size)
  }

  /** Undefined for a name that was never set. */
  get(name: Buffer): number | undefined {
    const { shard, key } = place(name)
    const size = this.#shards[shard]?.get(key)
    if (size === ELSEWHERE) return this.#others.get(shard * 2 ** 32 + key)
    return size !== undefined && size > ELSEWHERE ? size - 2 ** 32 : size
  }
}

/** An open hash table of 32-bit keys other than 0. */
class Shard {
  #keys = new Uint32Array(64)
  #sizes = new Uint32Array(64)
  #count = 0

  set(key: number, size: number): void {
    if (this.#count * 4 >= this.#keys.length * 3) this.#grow()
    const slot = this.#slot(key)
    if (this.#keys[slot] === 0) this.#count += 1
    this.#keys[slot] = key
    this.#sizes[slot] = size
  }

  get(key: number): number | undefined {
    const slot = this.#slot(key)
    return this.#keys[slot] === 0 ? undefined : this.#sizes[slot]
  }

  #slot(key: number): number {
    const { length } = this.#keys
    let slot = key % length
    while (this.#keys[slot] !== 0 && this.#keys[slot] !== key) slot = slot + 1 === length ? 0 : slot + 1
    return slot
  }

  #grow(): void {
    const keys = this.#keys
    const sizes = this.#sizes
    this.#keys = new Uint32Array(Math.ceil(keys.length * 1.5))
    this.#sizes = new Uint32Array(this.#keys.length)
    keys.forEach((key, at) => {
      if (key === 0) return
      const slot = this.#slot(key)
      this.#keys[slot] = key
      this.#sizes[slot] = sizes[at] ?? 0
    })
  }
}

/** FNV-1a twice with different starts and multipliers. */
function place(name: Buffer): { readonly shard: number; readonly key: number } {
  let low = 0x811c9dc5
  let high = 0x5bd1e995
  for (const byte of name) {
    low = Math.imul(low ^ byte, 0x01000193)
    high = Math.imul(high ^ byte, 0x85ebca6b)
    high ^= high >>> 15
  }
  return { shard: high >>> 24, key: low >>> 0 || 1 }
}
