import { PassThrough, Readable, Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { writeArchive } from '../../../src/archive/write-archive.ts'
import { compressed, member, tarOf } from './support.ts'

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
