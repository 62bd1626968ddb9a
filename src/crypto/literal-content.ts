import { Readable } from 'node:stream'
import { createInflate, createInflateRaw } from 'node:zlib'
import { ByteReader } from './byte-reader.ts'
import { messageDamage } from './damage.ts'
import { readPacket, Tag } from './packets.ts'

/**
 * The content of the one literal packet that is here, perhaps inside a compressed packet. Throws DamageError
 * for anything else, and when something follows it.
 */
export async function* literalContent(
  reader: ByteReader,
  mayBeCompressed = true,
): AsyncGenerator<Uint8Array> {
  const { tag, body } = await readPacket(reader)
  const content = new ByteReader(body)
  if (tag === Tag.literal) {
    // Format, file name, date.
    await content.byte()
    await content.exactly(await content.byte())
    await content.exactly(4)
    yield* gathered(content.rest())
  } else if (tag === Tag.compressed && mayBeCompressed) {
    const inner = new ByteReader(inflated(await content.byte(), content.rest()))
    yield* literalContent(inner, false)
    // zlib stops at the end of its own stream, perhaps before the packet's.
    await content.drain()
  } else throw messageDamage('malformed', `it holds a packet of type ${tag} where its data should be`)
  if (!(await reader.atEnd())) throw messageDamage('malformed', 'there are bytes behind its data')
}

/** Messages come in pieces of 32 KiB. Decompressing each by itself would cost a trip to another thread. */
const PIECE_BYTES = 256 * 1024

async function* gathered(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []
  let length = 0
  for await (const piece of pieces) {
    held.push(piece)
    length += piece.length
    if (length < PIECE_BYTES) continue
    yield Buffer.concat(held)
    held = []
    length = 0
  }
  if (length > 0) yield Buffer.concat(held)
}

async function* inflated(
  algorithm: number,
  compressed: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const inflate = algorithm === 1 ? createInflateRaw() : algorithm === 2 ? createInflate() : undefined
  if (inflate === undefined)
    throw messageDamage('malformed', `it is compressed in a way that is not known here (${algorithm})`)
  const source = Readable.from(compressed)
  source.once('error', (error) => inflate.destroy(error))
  try {
    yield* source.pipe(inflate) as AsyncIterable<Uint8Array>
  } catch (cause) {
    throw /^Z_/.test((cause as NodeJS.ErrnoException).code ?? '')
      ? messageDamage('malformed', undefined, cause)
      : cause
  }
}
