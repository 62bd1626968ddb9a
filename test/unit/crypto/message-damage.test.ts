import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { deflateRawSync, deflateSync } from 'node:zlib'
import { createMessage, encrypt } from 'openpgp'
import { describe, expect, test } from 'vitest'
import { openAeadData, readAeadParameters } from '../../../src/crypto/aead-data.ts'
import { encryptBody } from '../../../src/crypto/body-encryption.ts'
import { ByteReader } from '../../../src/crypto/byte-reader.ts'
import { literalContent } from '../../../src/crypto/literal-content.ts'
import { encodePacket, readPacket, Tag } from '../../../src/crypto/packets.ts'
import { openProtectedData } from '../../../src/crypto/protected-data.ts'

async function* pieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const key = { algorithm: 'aes256' as const, data: randomBytes(32) }
const TAG = 16
const CHUNK = 64

/** The body of a message's packet in the AEAD form behind its version, in chunks of 64 bytes. */
async function sealed(plain: Buffer): Promise<Buffer> {
  const message = await encrypt({
    message: await createMessage({ binary: plain as Uint8Array }),
    sessionKey: { ...key, aeadAlgorithm: 'gcm' },
    format: 'binary',
    config: { aeadProtect: true, aeadChunkSizeByte: 0 },
  })
  const { tag, body } = await readPacket(new ByteReader(pieces(message as Uint8Array)))
  expect(tag).toBe(Tag.seipd)
  const bytes = await buffer(body)
  expect(bytes[0]).toBe(2)
  return bytes.subarray(1)
}

async function unsealed(body: Buffer, size?: number): Promise<Buffer> {
  const reader = new ByteReader(pieces(body, size))
  return await buffer(openAeadData(reader, await readAeadParameters(reader), [key]))
}

describe('the AEAD form', () => {
  test.each([1, 3, CHUNK + TAG, 1000])('opens in pieces of %i bytes', async (size) => {
    const plain = randomBytes(300)
    expect((await unsealed(await sealed(plain), size)).includes(plain)).toBe(true)
  })

  test('whose end tag was changed anywhere is damage: nothing else knows how long it was', async () => {
    const body = await sealed(randomBytes(300))
    for (let at = body.length - TAG; at < body.length; at += 1) {
      const changed = Buffer.from(body)
      changed[at]! ^= 1
      await expect(unsealed(changed), `byte ${at}`).rejects.toMatchObject({ code: 'message-mdc' })
    }
  })

  test('that lost whole chunks in front of its end tag is damage', async () => {
    const body = await sealed(randomBytes(300))
    const chunks = Math.floor((body.length - 35 - TAG) / (CHUNK + TAG))
    expect(chunks).toBeGreaterThan(3)
    for (let left = 1; left < chunks; left += 1) {
      const kept = body.subarray(0, 35 + left * (CHUNK + TAG))
      const end = body.subarray(-TAG)
      await expect(unsealed(Buffer.concat([kept, end]))).rejects.toMatchObject({ code: 'message-mdc' })
      // The last tag that is left is a chunk's, and no end.
      await expect(unsealed(kept)).rejects.toMatchObject({ code: 'message-mdc' })
    }
  })

  test('whose chunks changed places is damage', async () => {
    const body = await sealed(randomBytes(300))
    const chunk = (at: number) => body.subarray(35 + at * (CHUNK + TAG), 35 + (at + 1) * (CHUNK + TAG))
    const swapped = Buffer.concat([
      body.subarray(0, 35),
      chunk(1),
      chunk(0),
      body.subarray(35 + 2 * (CHUNK + TAG)),
    ])
    await expect(unsealed(swapped)).rejects.toMatchObject({ code: 'message-mdc' })
  })

  test('whose length says another than its head is damage', async () => {
    const body = await sealed(randomBytes(300))
    await expect(unsealed(body.subarray(0, 35))).rejects.toMatchObject({ code: 'message-truncated' })
    const unknown = Buffer.from(body)
    unknown[2] = 17
    await expect(unsealed(unknown)).rejects.toMatchObject({ code: 'message-malformed' })
  })
})

describe('the MDC form', () => {
  /** Behind the version, deciphered by nobody yet. */
  async function body(plain: Buffer): Promise<Buffer> {
    const stream = encryptBody(Buffer.alloc(0), key.data)
    stream.end(plain)
    const { body } = await readPacket(new ByteReader(stream as AsyncIterable<Uint8Array>))
    return (await buffer(body)).subarray(1)
  }

  test('whose code was changed anywhere is damage', async () => {
    const sound = await body(randomBytes(300))
    for (let at = sound.length - 22; at < sound.length; at += 1) {
      const changed = Buffer.from(sound)
      changed[at]! ^= 1
      await expect(buffer(openProtectedData(pieces(changed), key)), `byte ${at}`).rejects.toMatchObject({
        code: 'message-mdc',
      })
    }
  })

  test('that is shorter than its code is damage', async () => {
    const sound = await body(randomBytes(300))
    for (const length of [0, 1, 21])
      await expect(buffer(openProtectedData(pieces(sound.subarray(0, length)), key))).rejects.toMatchObject({
        code: 'message-truncated',
      })
  })
})

describe('the literal packet', () => {
  const literal = (data: string) => {
    const name = Buffer.from('name')
    const head = Buffer.concat([Buffer.from([0x62, name.length]), name, Buffer.alloc(4)])
    return encodePacket(Tag.literal, Buffer.concat([head, Buffer.from(data)]))
  }
  const compressed = (algorithm: number, bytes: Buffer) =>
    encodePacket(Tag.compressed, Buffer.concat([Buffer.from([algorithm]), bytes]))
  const read = async (bytes: Buffer) =>
    (await buffer(literalContent(new ByteReader(pieces(bytes))))).toString()

  test('is all there is, compressed or not', async () => {
    expect(await read(literal('text'))).toBe('text')
    expect(await read(compressed(1, deflateRawSync(literal('text'))))).toBe('text')
    expect(await read(compressed(2, deflateSync(literal('text'))))).toBe('text')
  })

  test.each([
    ['a byte', Buffer.from('x')],
    ['another one', literal('more')],
    ['padding', encodePacket(Tag.padding, Buffer.alloc(3))],
  ])('with %s behind it is damage', async (_what, more) => {
    const behind = {
      code: 'message-malformed',
      message: expect.stringContaining('behind its data') as string,
    }
    await expect(read(Buffer.concat([literal('text'), more]))).rejects.toMatchObject(behind)
    const inside = deflateSync(Buffer.concat([literal('text'), more]))
    await expect(read(compressed(2, inside))).rejects.toMatchObject(behind)
    const outside = Buffer.concat([compressed(2, deflateSync(literal('text'))), more])
    await expect(read(outside)).rejects.toMatchObject(behind)
  })

  test('compressed twice, in an unknown way, or another packet in its place is damage', async () => {
    const twice = compressed(2, deflateSync(compressed(2, deflateSync(literal('text')))))
    for (const bytes of [twice, compressed(3, literal('text')), encodePacket(Tag.marker, Buffer.from('PGP'))])
      await expect(read(bytes)).rejects.toMatchObject({ code: 'message-malformed' })
    await expect(read(compressed(2, Buffer.from('no deflate')))).rejects.toMatchObject({
      code: 'message-malformed',
    })
  })
})
