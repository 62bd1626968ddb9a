import { readFile, readdir, stat, symlink, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import type {
  IndexEntry,
  IndexHeader,
  ReadEntry,
  StreamEntry,
  StreamIndexHeader,
} from '../../../src/archive/contract.ts'
import { createIndexBuilder } from '../../../src/archive/index-builder.ts'
import { toIndexEntry } from '../../../src/archive/index-entry.ts'
import { encodeIndex, readIndex, readStreamIndex } from '../../../src/archive/index-file.ts'
import { EncryptedSpool } from '../../../src/archive/spool.ts'
import { DamageError, VaultError } from '../../../src/errors.ts'
import { tempDir } from '../../lab/temp.ts'
import { chunked, damageOfAsync, tarEntry } from './support.ts'

const SNAPSHOT = '20251120T020000Z'
const HASH = 'a'.repeat(64)
const header: IndexHeader = { format: 1, source: 'logs', snapshot: SNAPSHOT, paths: ['logs'] }

function readEntry(path: string | Buffer, more: Partial<ReadEntry> = {}): ReadEntry {
  return { ...tarEntry(path, { size: 3, mtimeNs: -1n }), sha256: HASH, contentOffset: 512, ...more }
}

const place = { snapshot: SNAPSHOT, archive: 'logs.tar.zst.gpg' }
const entries: IndexEntry[] = [
  toIndexEntry(readEntry('logs/a\n'), place),
  toIndexEntry(
    readEntry(Buffer.from([0x2d, 0xff]), { xattrs: new Map([['__proto__', Buffer.from([0, 1])]]) }),
    {
      ...place,
      flags: ['torn', 'absolute'],
    },
  ),
  toIndexEntry(
    { ...tarEntry('l', { type: 'symlink', linkPath: Buffer.from([0xfe]) }), contentOffset: 0 },
    place,
  ),
  toIndexEntry(
    { ...tarEntry('d', { type: 'block-device', deviceMajor: 8, deviceMinor: 1 }), contentOffset: 0 },
    place,
  ),
]

function encoded(list: readonly IndexEntry[] = entries): Promise<Buffer> {
  return buffer(Readable.from(encodeIndex(header, Readable.from([list]) as AsyncIterable<IndexEntry[]>)))
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

async function read(bytes: Buffer, size = bytes.length || 1): Promise<IndexEntry[]> {
  return collect(readIndex(Readable.from(chunked(bytes, size))))
}

test('an entry says where its content is', () => {
  expect(entries[0]).toEqual({
    path: 'logs/a\n',
    type: 'file',
    mode: 0o644,
    uid: 1000,
    gid: 1000,
    owner: 'app',
    group: 'app',
    size: 3,
    mtimeNs: '-1',
    sha256: HASH,
    segments: [{ ...place, member: 'logs/a\n', offset: 0, length: 3, sha256: HASH }],
  })
  expect(entries[1]).toMatchObject({ path: { base64: 'Lf8=' }, flags: ['torn', 'absolute'] })
})

describe('reading', () => {
  test('gives the entries back, in any chunks', async () => {
    const bytes = await encoded()
    for (const size of [1, 10, 1000, bytes.length]) expect(await read(bytes, size)).toEqual(entries)
    expect(await read(await encoded([]))).toEqual([])
  })

  test('tells the header first', async () => {
    const headers: IndexHeader[] = []
    const stream = Readable.from([await encoded()])
    for await (const _ of readIndex(stream, { onHeader: (seen) => headers.push(seen) })) {
      expect(headers).toEqual([header])
    }
  })

  test('an index cut at any byte is not taken for a shorter one', async () => {
    const bytes = await encoded()
    for (let length = 0; length < bytes.length; length += 1) {
      expect(await damageOfAsync(read(bytes.subarray(0, length))), `cut at ${length}`).toBe('index-truncated')
    }
  })

  test('a changed byte anywhere is noticed', async () => {
    const bytes = await encoded()
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(await read(changed).catch((error: unknown) => error), `byte ${at}`).toBeInstanceOf(DamageError)
    }
  })

  test('data behind the trailer, or a second index', async () => {
    const bytes = await encoded()
    for (const more of [Buffer.from('\n'), Buffer.from('x'), bytes]) {
      expect(await damageOfAsync(read(Buffer.concat([bytes, more])))).toBe('index-trailing-data')
    }
  })

  test('a format of the future says what to do', async () => {
    const stream = Readable.from([Buffer.from('{"format":2}\n')])
    await expect(collect(readIndex(stream))).rejects.toMatchObject({
      code: 'index-format',
      details: { next: 'Use a newer relay-backup.' },
    })
  })

  test.each<[string, object]>([
    ['an unknown key', { more: 1 }],
    ['an unknown type', { type: 'socket' }],
    ['an empty path', { path: '' }],
    ['a path with a NUL', { path: 'a\0' }],
    ['a mode that is none', { mode: 0o10000 }],
    ['a negative size', { size: -1 }],
    ['a time that is a number', { mtimeNs: 1 }],
    ['a hash that is none', { sha256: 'A'.repeat(64) }],
    ['a file without segments', { segments: undefined }],
    ['a segment without a member', { segments: [{ ...entries[0]?.segments?.[0], member: undefined }] }],
    ['a file with a link', { link: 'x' }],
    ['an unknown flag', { flags: ['odd'] }],
    ['attributes that are not base64', { xattrs: { a: '?' } }],
  ])('an entry with %s is refused though the hash is right', async (_name, change) => {
    const bad = { ...entries[0], ...change } as IndexEntry
    expect(await damageOfAsync(read(await encoded([bad])))).toBe('index-malformed')
  })
})

describe('building', () => {
  test('drops and flags what is asked, and leaves nothing on the disk', async () => {
    await using dir = await tempDir()
    const path = join(dir.path, 'scratch')
    const secret = 'a-name-that-must-not-be-on-the-disk'
    {
      await using builder = await createIndexBuilder(path)
      for (let count = 0; count < 5000; count += 1) {
        builder.add(readEntry(`${secret}/${count}`), { part: '', archive: 'logs.tar.zst.gpg' })
      }
      builder.add(readEntry(Buffer.from(`${secret}\xff`, 'latin1')), { part: 'reread', archive: 'again.gpg' })
      expect(builder.count).toBe(5001)
      const list = await collect(
        readIndex(
          builder.finish(header, (part, name) => {
            if (part === 'reread') return { flags: ['torn'] }
            return name.toString().endsWith('0') ? { drop: true } : undefined
          }),
        ),
      )
      expect(list).toHaveLength(4501)
      expect(list[0]).toEqual(toIndexEntry(readEntry(`${secret}/1`), place))
      expect(list.at(-1)).toEqual(
        toIndexEntry(readEntry(Buffer.from(`${secret}\xff`, 'latin1')), {
          snapshot: SNAPSHOT,
          archive: 'again.gpg',
          flags: ['torn'],
        }),
      )
      const onDisk = await readFile(path)
      expect(onDisk.length).toBeGreaterThan(1_000_000)
      expect(onDisk.includes(secret)).toBe(false)
      expect((await stat(path)).mode & 0o777).toBe(0o600)
    }
    expect(await readdir(dir.path)).toEqual([])
  })

  test('an empty source has an empty index', async () => {
    await using dir = await tempDir()
    await using builder = await createIndexBuilder(join(dir.path, 'scratch'))
    expect(await collect(readIndex(builder.finish(header, () => undefined)))).toEqual([])
  })

  test('a scratch file on a full disk', async () => {
    await using dir = await tempDir()
    await symlink('/dev/full', join(dir.path, 'full'))
    // 'wx' refuses what is there already, so a name that someone planted is not followed.
    await expect(EncryptedSpool.create(join(dir.path, 'full'))).rejects.toBeInstanceOf(VaultError)
    await expect(EncryptedSpool.create(join(dir.path, 'no', 'dir'))).rejects.toMatchObject({
      code: 'vault-write',
    })
  })

  test('a scratch file that was cut while in use', async () => {
    await using dir = await tempDir()
    const path = join(dir.path, 'scratch')
    await using spool = await EncryptedSpool.create<number[]>(path)
    for (let count = 0; count < 200_000; count += 1) spool.append([count])
    const batches = spool.batches()
    await batches.next()
    await truncate(path, 1_000_000)
    expect(await damageOfAsync(collect(batches))).toBe('spool-damaged')
  })
})

describe('the index of a dump', () => {
  const of: StreamIndexHeader = { format: 1, of: 'stream', source: 'app_db', snapshot: SNAPSHOT }
  const objects: StreamEntry[] = [
    {
      archive: 'app_db.app.dump.zst.gpg',
      name: 'public.users',
      type: 'table',
      rows: 3,
      bytes: 4096,
      definition: HASH,
    },
    { archive: 'app_db.app.dump.zst.gpg', name: 'public."a\n"', type: 'view', definition: HASH },
    { archive: 'app_db.rdb.zst.gpg', name: '0', type: 'database', rows: 0 },
  ]
  const written = async (lines: readonly StreamEntry[] = objects) =>
    buffer(
      Readable.from(
        encodeIndex(
          of,
          (async function* () {
            yield lines
          })(),
        ),
      ),
    )
  const read = async (bytes: Buffer) => {
    const found: StreamEntry[] = []
    for await (const object of readStreamIndex(Readable.from(chunked(bytes, 7)))) found.push(object)
    return found
  }

  test('comes back as it was written, header first', async () => {
    let seen: StreamIndexHeader | undefined
    const stream = Readable.from([await written()])
    for await (const _object of readStreamIndex(stream, { onHeader: (header_) => (seen = header_) }));
    expect(seen).toEqual(of)
    expect(await read(await written())).toEqual(objects)
    expect(await read(await written([]))).toEqual([])
  })

  test('cut anywhere, changed, or the index of files, it is damage', async () => {
    const whole = await written()
    for (let length = 0; length < whole.length; length += 1)
      await expect(read(whole.subarray(0, length)), String(length)).rejects.toBeInstanceOf(DamageError)
    await expect(read(Buffer.concat([whole, Buffer.from('{}\n')]))).rejects.toMatchObject({
      code: 'index-trailing-data',
    })
    const changed = Buffer.from(whole.toString().replace('"rows":3', '"rows":4'))
    await expect(read(changed)).rejects.toMatchObject({ code: 'index-hash' })
    const extra = Buffer.from(whole.toString().replace('"rows":3', '"rows":3,"more":1'))
    await expect(read(extra)).rejects.toMatchObject({ code: 'index-malformed' })
    const files = await buffer(Readable.from(encodeIndex(header, (async function* () {})())))
    await expect(read(files)).rejects.toMatchObject({ code: 'index-malformed' })
    const asFiles = (async () => {
      for await (const _entry of readIndex(Readable.from([whole])));
    })()
    await expect(asFiles).rejects.toMatchObject({ code: 'index-malformed' })
  })
})
