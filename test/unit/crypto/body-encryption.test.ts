import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import fc from 'fast-check'
import { createMessage, decrypt, encrypt, readMessage } from 'openpgp'
import { expect, test } from 'vitest'
import { encryptBody } from '../../../src/crypto/body-encryption.ts'
import { ByteReader } from '../../../src/crypto/byte-reader.ts'
import { readPacket } from '../../../src/crypto/packets.ts'
import { openProtectedData } from '../../../src/crypto/protected-data.ts'

const key = { algorithm: 'aes256' as const, data: randomBytes(32) }

async function ours(plain: Buffer, chunk: number): Promise<Buffer> {
  const pieces = function* () {
    for (let at = 0; at < plain.length; at += chunk) yield plain.subarray(at, at + chunk)
  }
  return await buffer(Readable.from(pieces()).pipe(encryptBody(Buffer.alloc(0), key.data)))
}

async function opened(message: Uint8Array, chunk: number): Promise<Buffer> {
  const pieces = async function* () {
    for (let at = 0; at < message.length; at += chunk) yield message.subarray(at, at + chunk)
  }
  const { body } = await readPacket(new ByteReader(pieces()))
  const content = new ByteReader(body)
  expect(await content.byte()).toBe(1)
  return await buffer(openProtectedData(content.rest(), key))
}

test.each([
  0, 1, 191, 192, 511, 512, 513, 8_383, 8_384, 65_535, 65_536, 65_537, 131_066, 131_072, 1_048_575, 1_048_577,
])('openpgp.js reads our %i bytes, and we read its', async (size) => {
  const plain = randomBytes(size)
  const { data } = await decrypt({
    message: await readMessage({ binaryMessage: await ours(plain, 50_000) }),
    sessionKeys: key,
    format: 'binary',
  })
  expect(plain.equals(data as Uint8Array)).toBe(true)
  const theirs = await encrypt({
    message: await createMessage({ binary: plain as Uint8Array }),
    sessionKey: key,
    format: 'binary',
  })
  expect((await opened(theirs, 10_000)).equals(plain)).toBe(true)
})

test('any bytes in any pieces come back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 3000 }),
      fc.integer({ min: 1, max: 3000 }),
      fc.integer({ min: 1, max: 3000 }),
      async (bytes, write, read) => {
        const plain = Buffer.from(bytes)
        expect((await opened(await ours(plain, write), read)).equals(plain)).toBe(true)
      },
    ),
    { numRuns: 50 },
  )
})

test('two messages of the same text have nothing in common but their frame', async () => {
  const [one, two] = [await ours(Buffer.alloc(1000), 1000), await ours(Buffer.alloc(1000), 1000)]
  const same = one.filter((byte, at) => byte === two[at]).length
  expect(same).toBeLessThan(40)
})

test('a reader that waits holds the writer back', async () => {
  const stream = encryptBody(Buffer.alloc(0), key.data)
  const chunk = Buffer.alloc(64 * 1024)
  let accepted = 0
  const write = async () => {
    for (; accepted < 1000; accepted++)
      await new Promise<void>((resolve) => stream.write(chunk, () => resolve()))
  }
  const writing = write()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(accepted * chunk.length).toBeLessThan(1024 * 1024)
  stream.resume()
  await writing
})

test('a source that fails ends the stream with its error', async () => {
  const source = async function* () {
    yield randomBytes(100_000)
    throw new Error('cut')
  }
  const stream = encryptBody(Buffer.alloc(0), key.data)
  await expect(
    pipeline(Readable.from(source()), stream, (async (all: AsyncIterable<Buffer>) => {
      for await (const _ of all);
    }) as (all: AsyncIterable<Buffer>) => Promise<void>),
  ).rejects.toThrow('cut')
})
