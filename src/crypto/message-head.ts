import { ByteReader } from './byte-reader.ts'
import { messageDamage } from './damage.ts'
import { encodePacket, readPacket, Tag } from './packets.ts'

/**
 * The most bytes of a packet that carries the session key. Ours have fewer than 100; those for large RSA keys have
 * 2,000.
 */
const HEAD_PACKET_LIMIT = 16 * 1024
/** The most recipients of one message that are looked through. */
const HEAD_PACKETS = 1000

/** A message whose session-key packets were read; its body is next. */
export interface MessageHead {
  /** The packets, encoded anew. */
  readonly packets: Buffer
  /** Whether a passphrase opens it. */
  readonly hasPassphrase: boolean
  /** Where the encrypted packet begins, in bytes. */
  readonly offset: number
  /** The content of the encrypted packet that follows them. */
  readonly body: ByteReader
}

/** Reads a message up to its encrypted data. Throws DamageError when it does not begin as a message does. */
export async function readMessageHead(reader: ByteReader): Promise<MessageHead> {
  const head: Buffer[] = []
  let hasPassphrase = false
  for (;;) {
    const offset = reader.taken
    const { tag, body } = await readPacket(reader)
    const content = new ByteReader(body)
    if (tag === Tag.seipd) return { packets: Buffer.concat(head), hasPassphrase, offset, body: content }
    const isHead = tag === Tag.pkesk || tag === Tag.skesk || tag === Tag.marker || tag === Tag.padding
    if (!isHead || head.length === HEAD_PACKETS) throw messageDamage('malformed')
    if (tag === Tag.skesk) hasPassphrase = true
    head.push(encodePacket(tag, await headPacket(content)))
  }
}

async function headPacket(content: ByteReader): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of content.rest()) {
    parts.push(part)
    length += part.length
    if (length > HEAD_PACKET_LIMIT) throw messageDamage('malformed')
  }
  return Buffer.concat(parts)
}
