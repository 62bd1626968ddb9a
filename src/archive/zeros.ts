const ZEROS = Buffer.alloc(256 * 1024)

/** A hole is worth digging from a few pages on; most chunks are told apart by their first byte. */
export function isLongZeros(chunk: Buffer): boolean {
  const length = Math.min(chunk.length, ZEROS.length)
  return length >= 16 * 1024 && chunk[0] === 0 && ZEROS.compare(chunk, 0, length, 0, length) === 0
}
