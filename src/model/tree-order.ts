const SLASH = 0x2f

/**
 * A key of a path by which everything that is in a directory stands directly behind it, as in a walk: whoever unpacks
 * in this order is done with a directory when another one begins. No name holds a NUL, so the path comes back.
 */
export function inTreeOrder(path: Buffer): Buffer {
  return Buffer.from(path).map((byte) => (byte === SLASH ? 0 : byte)) as Buffer
}

/** The inverse of {@link inTreeOrder}. */
export function fromTreeOrder(key: Buffer): Buffer {
  return Buffer.from(key).map((byte) => (byte === 0 ? SLASH : byte)) as Buffer
}
