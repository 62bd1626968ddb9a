import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { createCompress, createDecompress } from '../../../src/archive/compression.ts'
import { chunked, compressed, damageOfAsync, flipped } from './support.ts'

function decompress(compression: 'zstd' | 'gzip', chunks: Buffer[]): Promise<Buffer> {
  const decoder = createDecompress(compression)
  Readable.from(chunks).pipe(decoder)
  return buffer(decoder)
}

const content = Buffer.concat([randomBytes(100), Buffer.alloc(300, 'ab'), Buffer.from('the end')])

describe.each(['zstd', 'gzip'] as const)('%s', (compression) => {
  test('what was compressed comes back, in any chunks', async () => {
    const stored = await compressed(compression, content)
    for (const size of [1, 2, 3, 5, 17, stored.length]) {
      expect(await decompress(compression, chunked(stored, size))).toEqual(content)
    }
  })

  test('all frames or members are read, not only the first', async () => {
    const empty = Buffer.alloc(0)
    const stored = await compressed(compression, content, empty, Buffer.from('second'), empty)
    const plain = Buffer.concat([content, Buffer.from('second')])
    for (const size of [1, 9, stored.length]) {
      expect(await decompress(compression, chunked(stored, size))).toEqual(plain)
    }
  })

  test('content larger than every buffer on the way', async () => {
    const large = Buffer.concat([randomBytes(3_000_000), Buffer.alloc(9_000_000, 'pattern')])
    const stored = await compressed(compression, large, large)
    expect(
      (await decompress(compression, chunked(stored, 65_536))).equals(Buffer.concat([large, large])),
    ).toBe(true)
  })

  test('a cut at any byte is noticed', async () => {
    const stored = await compressed(compression, content, Buffer.from('second'))
    const firstEnd = (await compressed(compression, content)).length
    for (let length = 0; length < stored.length; length += 1) {
      // A cut between two frames leaves a whole stream; the tar inside is what notices that.
      if (length === firstEnd) continue
      const code = await damageOfAsync(decompress(compression, [stored.subarray(0, length)]))
      expect(code, `cut at ${length}`).toBe(
        length === 0
          ? `${compression}-empty`
          : length < firstEnd || code.endsWith('-truncated')
            ? `${compression}-truncated`
            : `${compression}-trailing-data`,
      )
    }
  })

  test('a flipped bit is refused, or was one that no content depends on', async () => {
    const stored = await compressed(compression, content)
    let harmless = 0
    for (let bit = 0; bit < stored.length * 8; bit += 1) {
      const plain = await decompress(compression, [flipped(stored, bit)]).catch(() => undefined)
      if (plain === undefined) continue
      expect(plain, `bit ${bit}`).toEqual(content)
      harmless += 1
    }
    // gzip's header holds a time, a system and flags that say nothing about the content; zstd's a window size.
    expect(harmless).toBeLessThan(60)
  })

  test.each(['78', '00', '00000000000000000000000000', '1f8b', '28b52f', 'ff'.repeat(40)])(
    'bytes behind the end: %s',
    async (hex) => {
      const stored = await compressed(compression, content)
      const garbage = Buffer.concat([stored, Buffer.from(hex, 'hex')])
      for (const chunks of [[garbage], [stored, Buffer.from(hex, 'hex')], chunked(garbage, 1)]) {
        expect(await damageOfAsync(decompress(compression, chunks))).toBe(`${compression}-trailing-data`)
      }
    },
  )

  test('something else entirely', async () => {
    expect(await damageOfAsync(decompress(compression, [Buffer.from('plain text')]))).toBe(
      `${compression}-format`,
    )
  })

  test('a bomb waits for its reader', async () => {
    const zeros = Readable.from(
      (function* () {
        for (let count = 0; count < 256; count += 1) yield Buffer.alloc(1024 * 1024)
      })(),
    )
    const stored = await buffer(zeros.pipe(createCompress(compression)))
    const decoder = createDecompress(compression)
    decoder.write(stored)
    await sleep(100)
    expect(decoder.readableLength).toBeLessThan(4 * 1024 * 1024)
    decoder.end()
    let length = 0
    for await (const chunk of decoder as AsyncIterable<Buffer>) length += chunk.length
    expect(length).toBe(256 * 1024 * 1024)
  })
})

describe('zstd frames', () => {
  const frame = zstdCompressSync(content, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })
  const skippable = Buffer.from('532a4d1803000000aabbcc', 'hex')

  test('without a content checksum are refused', async () => {
    expect(await damageOfAsync(decompress('zstd', [zstdCompressSync(content)]))).toBe('zstd-no-checksum')
  })

  test('that are skippable are skipped, but are no content', async () => {
    const stored = Buffer.concat([skippable, frame, skippable, skippable, frame])
    for (const size of [1, 6, stored.length]) {
      expect(await decompress('zstd', chunked(stored, size))).toEqual(Buffer.concat([content, content]))
    }
    expect(await damageOfAsync(decompress('zstd', [skippable]))).toBe('zstd-empty')
    expect(await damageOfAsync(decompress('zstd', [frame, skippable.subarray(0, 9)]))).toBe('zstd-truncated')
  })

  test('of raw and repeated blocks', async () => {
    const raw = zstdCompressSync(randomBytes(400_000), { params: { [constants.ZSTD_c_checksumFlag]: 1 } })
    expect((await decompress('zstd', chunked(raw, 1000))).length).toBe(400_000)
    const repeated = zstdCompressSync(Buffer.alloc(400_000, 7), {
      params: { [constants.ZSTD_c_checksumFlag]: 1 },
    })
    expect((await decompress('zstd', [repeated])).equals(Buffer.alloc(400_000, 7))).toBe(true)
  })
})

describe('gzip members', () => {
  test('with every optional header field', async () => {
    const plain = gzipSync(content)
    const header = Buffer.from(plain.subarray(0, 10))
    header[3] = 0x04 | 0x08 | 0x10
    const stored = Buffer.concat([
      header,
      Buffer.from('\x02\0exname\0comment\0', 'latin1'),
      plain.subarray(10),
    ])
    for (const size of [1, stored.length])
      expect(await decompress('gzip', chunked(stored, size))).toEqual(content)
  })

  test('with a header CRC that is wrong', async () => {
    const plain = gzipSync(content)
    const header = Buffer.from(plain.subarray(0, 10))
    header[3] = 0x02
    const stored = Buffer.concat([header, Buffer.from([1, 2]), plain.subarray(10)])
    expect(await damageOfAsync(decompress('gzip', [stored]))).toBe('gzip-header')
  })
})
