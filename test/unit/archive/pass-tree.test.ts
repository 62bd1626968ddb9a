import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { constants, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { IndexEntry, StoredTree, TarEntry } from '../../../src/archive/contract.ts'
import { toIndexEntry } from '../../../src/archive/index-entry.ts'
import { passTree } from '../../../src/archive/pass-tree.ts'
import { DamageError } from '../../../src/errors.ts'
import { chunked, compressed, flipped, member, tarEntry, tarOf } from './support.ts'

const NAME = { snapshot: 's1', archive: 'a.tar.zst.gpg' }

function line(path: string, more: Partial<TarEntry> = {}, name = NAME): IndexEntry {
  const entry = tarEntry(path, more)
  const read = { ...entry, contentOffset: 0, ...(entry.type === 'file' ? { sha256: 'a'.repeat(64) } : {}) }
  return toIndexEntry(read, name)
}

const directory = { type: 'directory' } as const
const symlink = { type: 'symlink', linkPath: Buffer.from('/etc') } as const

interface Given {
  readonly index: readonly IndexEntry[]
  readonly stored: Buffer
  readonly chunk?: number
  readonly more?: Partial<StoredTree>
}

function pass({ index, stored, chunk = 64 * 1024, more = {} }: Given) {
  return passTree({
    name: NAME,
    compression: 'zstd',
    plainBytes: 10_000_000,
    entries: () => Readable.from(index),
    rename: (path) => Buffer.from(path.toString().replace(/^data/, '1')),
    open: () => Promise.resolve(Readable.from(chunked(stored, chunk))),
    onFile: () => undefined,
    ...more,
  })
}

/** What left before it failed, and how it failed. */
async function failing(given: Given): Promise<{ left: Buffer; code: string }> {
  const tree = await pass(given)
  const left: Buffer[] = []
  try {
    for await (const piece of tree!.stream as AsyncIterable<Buffer>) left.push(piece)
  } catch (error) {
    expect(error).toBeInstanceOf(DamageError)
    return { left: Buffer.concat(left), code: (error as DamageError).code }
  }
  throw new Error('it passed')
}

const zstd = (tar: Buffer) => compressed('zstd', tar)
/** Bytes that do not compress, so that pieces of the archive are pieces of the content. */
function noise(bytes: number): Buffer {
  let state = 1
  return Buffer.from(
    Array.from({ length: bytes }, () => (state = Math.imul(state, 1664525) + 1013904223) >>> 24),
  )
}

describe('an archive that is the whole tree', () => {
  test.each([1000, 64 * 1024, 10_000_000])('passes as it is stored, in pieces of %i', async (chunk) => {
    const content = noise(300_000)
    const stored = await zstd(
      tarOf(
        member('data', '', directory),
        member('data/a', content),
        member('data/link', '', symlink),
        member('data/zeros', Buffer.alloc(100_000)),
        member('data/hard', '', { type: 'hardlink', linkPath: Buffer.from('data/a') }),
      ),
    )
    const files: unknown[] = []
    const tree = await pass({
      // In the order of their names, which is not the archive's.
      index: [
        line('data', directory),
        line('data/a', { size: 300_000 }),
        line('data/hard', { type: 'hardlink', linkPath: Buffer.from('data/a') }),
        line('data/link', symlink),
        line('data/zeros', { size: 100_000 }),
      ],
      stored,
      chunk,
      more: { onFile: ({ name, size, before }) => files.push([name.toString(), size, before]) },
    })
    expect(await buffer(tree!.stream)).toEqual(stored)
    expect(tree!.totals).toEqual({ entries: 5, bytes: 400_000 })
    expect(tree!.zeros.map(String)).toEqual(['1/zeros'])
    expect(files).toEqual([
      ['1/a', 300_000, 1],
      ['1/zeros', 100_000, 3],
    ])
  })

  test('is not read ahead of who takes it', async () => {
    let read = 0
    const stored = await zstd(tarOf(member('data/a', noise(8_000_000))))
    function* counted() {
      for (const chunk of chunked(stored, 64 * 1024)) {
        read += chunk.length
        yield chunk
      }
    }
    const tree = await pass({
      index: [line('data/a', { size: 8_000_000 })],
      stored,
      more: { open: () => Promise.resolve(Readable.from(counted(), { objectMode: false })) },
    })
    const iterator = tree!.stream[Symbol.asyncIterator]()
    await iterator.next()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(read).toBeLessThan(4_000_000)
    await iterator.return?.()
  })
})

describe('what is not the whole tree is not begun', () => {
  const tail = { ...line('data/b'), segments: [...line('data/b').segments!, ...line('data/c').segments!] }
  test.each<[string, IndexEntry]>([
    ['a file of another snapshot', line('data/b', {}, { ...NAME, snapshot: 's0' })],
    ['a file of another archive', line('data/b', {}, { ...NAME, archive: 'a.reread.tar.zst.gpg' })],
    ['a file of two segments', tail],
    ['a file under another name', { ...line('data/b'), segments: line('data/c').segments! }],
  ])('%s', async (_name, entry) => {
    const open = () => Promise.reject(new Error('opened'))
    expect(
      await pass({ index: [line('data/a'), entry], stored: Buffer.alloc(0), more: { open } }),
    ).toBeUndefined()
  })

  test('a member that is not wanted', async () => {
    const rename = (path: Buffer) => (path.toString() === 'data/b' ? undefined : path)
    const index = [line('data/a'), line('data/b')]
    expect(await pass({ index, stored: Buffer.alloc(0), more: { rename } })).toBeUndefined()
  })
})

describe('what is refused, and does not leave', () => {
  const first = member('data/a', noise(200_000))
  const index = (...more: IndexEntry[]) => [line('data/a', { size: 200_000 }), ...more]
  const cases: [string, string, Buffer, IndexEntry[]][] = [
    ['a member that the index does not name', 'archive-differs', member('data/b', 'x'), []],
    ['one of another type', 'archive-differs', member('data/b', '', symlink), [line('data/b')]],
    ['one that stands there twice', 'hostile-duplicate', member('data/a', 'x'), []],
    [
      'a write through a symlink',
      'hostile-below-symlink',
      Buffer.concat([member('data/l', '', symlink), member('data/l/x', 'x')]),
      [line('data/l', symlink), line('data/l/x')],
    ],
    ['a name with ..', 'hostile-dot-dot', member('data/../../x', 'x'), [line('data/../../x')]],
    [
      'a device',
      'hostile-device',
      member('data/sda', '', { type: 'block-device', deviceMajor: 8, deviceMinor: 0 }),
      [line('data/sda', { type: 'block-device', deviceMajor: 8, deviceMinor: 0 })],
    ],
    ['a member too few', 'archive-lacks', Buffer.alloc(0), [line('data/b')]],
  ]
  test.each(cases)('%s', async (_name, code, second, lines) => {
    // The second member begins in a piece of its own.
    const stored = Buffer.concat([zstdFrame(first), zstdFrame(Buffer.concat([second, tarOf()]))])
    const { left, code: found } = await failing({
      index: index(...lines),
      stored,
      chunk: zstdFrame(first).length,
    })
    expect(found).toBe(code)
    expect(left.length).toBeLessThanOrEqual(zstdFrame(first).length)
  })

  test('more than the manifest says', async () => {
    const stored = await zstd(tarOf(first))
    expect((await failing({ index: index(), stored, more: { plainBytes: 100_000 } })).code).toBe(
      'hostile-size',
    )
  })

  test.each([
    ['cut short', (stored: Buffer) => stored.subarray(0, -1000), 'zstd-truncated'],
    ['with a flipped bit', (stored: Buffer) => flipped(stored, 8 * 150_000), 'zstd-damaged'],
    [
      'going on behind its end',
      (stored: Buffer) => Buffer.concat([stored, Buffer.from('more')]),
      'zstd-trailing-data',
    ],
  ])('an archive %s: the end of it', async (_name, spoil, code) => {
    const stored = spoil(zstdFrame(tarOf(first)))
    const { left, code: found } = await failing({ index: index(), stored, chunk: 16 * 1024 })
    expect(found).toBe(code)
    expect(left.length).toBeLessThan(stored.length)
  })

  test('a tar without its end', async () => {
    const stored = zstdFrame(first)
    const { left, code } = await failing({ index: index(), stored, chunk: 16 * 1024 })
    expect(code).toBe('tar-truncated')
    expect(left.length).toBeLessThan(stored.length)
  })
})

function zstdFrame(plain: Buffer): Buffer {
  return zstdCompressSync(plain, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })
}
