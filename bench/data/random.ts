import { createCipheriv, createHash } from 'node:crypto'

/** Bytes that nothing can compress, the same ones for the same seed: the key stream of AES-128-CTR. */
export function incompressible(bytes: number, seed: string): Buffer {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16)
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes))
}

/** A generator of numbers from 0 up to a limit, the same ones for the same seed (xorshift32). */
export function numbers(seed: number): (limit: number) => number {
  let state = seed | 1
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}
