import type { ByteReader } from './byte-reader.ts'
import { messageDamage } from './damage.ts'

/** Packet types (RFC 9580 section 5). */
export const Tag = {
  pkesk: 1,
  skesk: 3,
  compressed: 8,
  marker: 10,
  literal: 11,
  seipd: 18,
  padding: 21,
} as const

/** A packet as it begins; its body must be read before the next packet. */
export interface Packet {
  readonly tag: number
  readonly body: AsyncIterable<Uint8Array>
}

/** The packet that begins here (RFC 9580 section 4.2). Throws DamageError when none does. */
export async function readPacket(reader: ByteReader): Promise<Packet> {
  const first = await reader.byte()
  if ((first & 0x80) === 0) throw messageDamage('malformed', 'it is no OpenPGP message')
  return (first & 0x40) !== 0
    ? { tag: first & 0x3f, body: currentFormatBody(reader) }
    : { tag: (first >> 2) & 0x0f, body: legacyFormatBody(reader, first & 3) }
}

async function* currentFormatBody(reader: ByteReader): AsyncGenerator<Uint8Array> {
  for (;;) {
    const first = await reader.byte()
    if (first >= 224 && first < 255) {
      yield* take(reader, 2 ** (first & 0x1f))
      continue
    }
    yield* take(reader, await definiteLength(reader, first))
    return
  }
}

async function definiteLength(reader: ByteReader, first: number): Promise<number> {
  if (first < 192) return first
  if (first < 224) return ((first - 192) << 8) + (await reader.byte()) + 192
  return (await reader.exactly(4)).readUInt32BE()
}

async function* legacyFormatBody(reader: ByteReader, lengthType: number): AsyncGenerator<Uint8Array> {
  if (lengthType === 3) yield* reader.rest()
  else {
    const octets = 2 ** lengthType
    yield* take(reader, (await reader.exactly(octets)).readUIntBE(0, octets))
  }
}

async function* take(reader: ByteReader, length: number): AsyncGenerator<Uint8Array> {
  for (let missing = length; missing > 0;) {
    const part = await reader.some(missing)
    if (part === undefined) throw messageDamage('truncated')
    missing -= part.length
    yield part
  }
}

/** The type octet of a packet in the current format; its length follows. */
export function currentHeader(tag: number): Buffer {
  return Buffer.from([0xc0 | tag])
}

/** A packet with a definite length, in the current format. */
export function encodePacket(tag: number, body: Uint8Array): Buffer {
  const length = Buffer.from([0xff, 0, 0, 0, 0])
  length.writeUInt32BE(body.length, 1)
  return Buffer.concat([currentHeader(tag), length, body])
}
