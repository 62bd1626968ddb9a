import { damageAt } from './damage.ts'

/** Everything in a tar is a multiple of this many bytes (POSIX.1-2017, pax, "ustar Interchange Format"). */
export const BLOCK = 512

/** The end of an archive: two blocks of zeros. */
export const END_OF_ARCHIVE: Buffer = Buffer.alloc(2 * BLOCK)

/** Where each header field begins and how many bytes it has. `prefix` is only there in the POSIX dialect. */
export const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 6],
  version: [263, 2],
  uname: [265, 32],
  gname: [297, 32],
  deviceMajor: [329, 8],
  deviceMinor: [337, 8],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [offset: number, length: number]>

type Field = keyof typeof FIELDS

/** The text of a field up to its NUL, as a copy. */
export function readText(block: Buffer, field: Field): Buffer {
  const [start, length] = FIELDS[field]
  const nul = block.indexOf(0, start)
  return Buffer.from(block.subarray(start, nul === -1 || nul > start + length ? start + length : nul))
}

/** How many bytes fill this many up to a whole block. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK
}

/**
 * A number field: octal digits between spaces and NULs, or GNU's base-256 (first bit set, two's complement).
 * An empty field is 0. `blockOffset` is for the error.
 */
export function readNumber(block: Buffer, field: Field, blockOffset: number): number {
  const [start, length] = FIELDS[field]
  if (((block[start] ?? 0) & 0x80) !== 0) {
    const value = Number(readBase256(block, start, length))
    if (!Number.isSafeInteger(value) || value < 0) throw badNumber(field, blockOffset)
    return value
  }
  return readOctal(block, field, blockOffset)
}

/** The mtime field in seconds; like {@link readNumber}, but it may be negative and is never too large. */
export function readSeconds(block: Buffer, blockOffset: number): bigint {
  const [start, length] = FIELDS.mtime
  if (((block[start] ?? 0) & 0x80) !== 0) return readBase256(block, start, length)
  return BigInt(readOctal(block, 'mtime', blockOffset))
}

function readBase256(block: Buffer, start: number, length: number): bigint {
  const bytes = block.subarray(start, start + length)
  const negative = bytes[0] === 0xff
  let value = BigInt((bytes[0] ?? 0) & 0x7f)
  for (const byte of bytes.subarray(1)) value = value * 256n + BigInt(byte)
  // The first byte's top bit only marks the encoding, so the number itself has 8 * length - 1 bits.
  return negative ? value - (1n << BigInt(8 * length - 1)) : value
}

const SPACE = 0x20
const ZERO = 0x30

function readOctal(block: Buffer, field: Field, blockOffset: number): number {
  const [start, length] = FIELDS[field]
  const end = start + length
  let at = start
  while (at < end && block[at] === SPACE) at += 1
  let value = 0
  for (; at < end; at += 1) {
    const digit = (block[at] ?? 0) - ZERO
    if (digit < 0 || digit > 7) break
    value = value * 8 + digit
  }
  for (; at < end; at += 1) {
    const byte = block[at]
    if (byte === 0) return value
    if (byte !== SPACE) throw badNumber(field, blockOffset)
  }
  return value
}

function badNumber(field: Field, blockOffset: number): Error {
  return damageAt('tar-header-number', blockOffset, `A tar header has an unusable number for its ${field}`)
}

/**
 * Throws DamageError `tar-header-checksum` unless the header's sum is right: of unsigned bytes, as POSIX says, or of
 * signed bytes, as some old tars wrote it.
 */
export function verifyChecksum(block: Buffer, blockOffset: number): void {
  let stored: number
  try {
    stored = readOctal(block, 'checksum', blockOffset)
  } catch {
    stored = -1
  }
  const { unsigned, signed } = checksums(block)
  if (stored !== unsigned && stored !== signed) {
    throw damageAt('tar-header-checksum', blockOffset, 'A tar header is damaged: its checksum is wrong')
  }
}

/** Both sums of a header, its checksum field counted as spaces. */
export function checksums(block: Uint8Array): { readonly unsigned: number; readonly signed: number } {
  const [start, length] = FIELDS.checksum
  let unsigned = SPACE * length
  let negative = 0
  // This runs once for each header, so a million times. So the loop has no test for the checksum field, and the field
  // is taken out behind it.
  for (let at = 0; at < BLOCK; at += 1) {
    const byte = block[at] as number
    unsigned += byte
    negative += byte >> 7
  }
  for (let at = start; at < start + length; at += 1) {
    const byte = block[at] as number
    unsigned -= byte
    negative -= byte >> 7
  }
  return { unsigned, signed: unsigned - 256 * negative }
}
