import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { toIndexEntry } from '../../../src/archive/index-entry.ts'
import { openArchive } from '../../../src/archive/open-archive.ts'
import { writeArchive } from '../../../src/archive/write-archive.ts'
import { readContents } from '../../../src/restore/contents.ts'
import type { Snapshot } from '../../../src/vault/contract.ts'
import { fakeSource, temporaryDirectory } from '../vault/fixtures.ts'
import { compressed, member, tarEntry, tarOf } from './support.ts'

const bomb = await compressed('zstd', tarOf(member('logs/zeros', Buffer.alloc(32 * 1024 * 1024))))

const write = (mostPlainBytes: number | undefined) =>
  writeArchive(
    { stream: Readable.from([bomb]), wire: 'zstd', store: 'zstd', format: 'tar' },
    {
      encryptor: {
        recipients: [],
        encrypt: () => Promise.resolve({ stream: new PassThrough(), headBytes: 0 }),
      },
      sink: { stream: new Writable({ write: (_chunk, _encoding, done) => done() }) },
      mostPlainBytes,
      signal: new AbortController().signal,
    },
  )

test('what unpacks to far more than was listed is cut off: it was decompressed to its end', async () => {
  await expect(write(1024 * 1024)).rejects.toMatchObject({ code: 'archive-too-big' })
})

test('zeros that nothing was listed about are no bomb', async () => {
  expect((await write(undefined)).entries).toBe(1)
})

const decryptor = { decrypt: (message: Readable) => Promise.resolve(message) }

test('a stored dump that unpacks to more than its manifest says is cut off: it was written out to its end', async () => {
  await using temp = await temporaryDirectory()
  const path = join(temp.path, 'dump')
  await writeFile(path, await compressed('zstd', Buffer.alloc(8 * 1024 * 1024)))
  const open = (most: number) => openArchive({ path, compression: 'zstd', decryptor, most })
  expect((await buffer(await open(8 * 1024 * 1024))).length).toBe(8 * 1024 * 1024)
  let passed = 0
  const read = async () => {
    for await (const chunk of await open(1024 * 1024)) passed += (chunk as Buffer).length
  }
  await expect(read()).rejects.toMatchObject({ code: 'hostile-size' })
  expect(passed).toBeLessThanOrEqual(1024 * 1024)
})

test('an index that unpacks to a thousand times its size is refused: it was read for hours', async () => {
  await using temp = await temporaryDirectory()
  const path = join(temp.path, 'index')
  const header = { format: 1, source: 'data', snapshot: '20251120T020000Z', paths: ['data'] }
  const place = { snapshot: header.snapshot, archive: 'a' }
  const entry = toIndexEntry({ ...tarEntry('data', { type: 'directory' }), contentOffset: 0 }, place)
  const line = `${JSON.stringify(entry)}${' '.repeat(1024 * 1024)}\n`
  const bytes = await compressed('zstd', Buffer.from(`${JSON.stringify(header)}\n${line.repeat(80)}`))
  await writeFile(path, bytes)
  const sha256 = 'a'.repeat(64)
  const index = {
    file: 'index',
    bytes: bytes.length,
    sha256,
    recipients: [],
    body: { offset: 0, bytes: 1, sha256 },
  }
  const read = readContents(
    { host: 'prod', id: header.snapshot } as Snapshot,
    { ...fakeSource('data', []), index },
    undefined,
    { decryptor, openArchive, filePath: () => path },
  )
  await expect(read).rejects.toMatchObject({ code: 'hostile-size' })
})
