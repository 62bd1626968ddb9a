const SLASH = 0x2f

/**
 * A sort key of a path. Sorted by it, everything in a directory follows directly behind the directory, as in a walk:
 * whoever unpacks in this order is done with a directory before the next one begins. No name holds a NUL, so {@link
 * fromTreeOrder} can restore the path.
 */
export function inTreeOrder(path: Buffer): Buffer {
  return Buffer.from(path).map((byte) => (byte === SLASH ? 0 : byte)) as Buffer
}

/** The inverse of {@link inTreeOrder}. */
export function fromTreeOrder(key: Buffer): Buffer {
  return Buffer.from(key).map((byte) => (byte === 0 ? SLASH : byte)) as Buffer
}
