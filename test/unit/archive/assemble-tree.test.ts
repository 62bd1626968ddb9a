import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { assembleTree } from '../../../src/archive/assemble-tree.ts'
import type { AssembledTree, IndexEntry, TarEntry, TreeParts } from '../../../src/archive/contract.ts'
import { toIndexEntry } from '../../../src/archive/index-entry.ts'
import { DamageError } from '../../../src/errors.ts'
import { chunked, member, readMembers, tarEntry, tarOf } from './support.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'assemble-tree-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const SNAPSHOT = 's1'
const sha256 = (content: string) => createHash('sha256').update(content).digest('hex')

/** A line of the index as a pull of this member would write it. */
function line(path: string, content = '', more: Partial<TarEntry> = {}, archive = 'a.tar'): IndexEntry {
  const entry = tarEntry(path, { size: content.length, ...more })
  const read = {
    ...entry,
    contentOffset: 0,
    ...(entry.type === 'file' ? { sha256: sha256(content) } : {}),
  }
  return toIndexEntry(read, { snapshot: SNAPSHOT, archive })
}

interface Given {
  readonly index: readonly IndexEntry[]
  /** Tars by `snapshot/archive`. */
  readonly archives: Readonly<Record<string, Buffer>>
  readonly opened?: string[]
  readonly chunk?: number
}

function assemble(given: Given, more: Partial<TreeParts> = {}): AssembledTree {
  return assembleTree({
    entries: () => Readable.from(given.index),
    rename: (path) => path,
    linkOutside: () => new Error('outside'),
    open: ({ snapshot, archive }) => {
      const name = `${snapshot}/${archive}`
      given.opened?.push(name)
      const tar = given.archives[name] ?? Buffer.alloc(0)
      const plain = Readable.from(chunked(tar, given.chunk ?? tar.length))
      return Promise.resolve({ plain, plainBytes: tar.length })
    },
    scratchPath: () => Promise.resolve(join(directory, 'scratch')),
    onFile: () => undefined,
    dialect: 'pax',
    ...more,
  })
}

async function codeOf(given: Given, more: Partial<TreeParts> = {}): Promise<string> {
  const error: unknown = await buffer(assemble(given, more).stream).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(DamageError)
  return (error as DamageError).code
}

const symlink = { type: 'symlink', linkPath: Buffer.from('/etc') } as const
const tail = (n: string) => `.relay-backup/tail/${n}`

/** A file of three snapshots: whole in the first, a tail in each of the others. */
function grown(path: string, parts: readonly [string, string, string]): IndexEntry {
  const { sha256: _whole, ...rest } = line(path, parts.join(''))
  return {
    ...rest,
    segments: parts.map((content, n) => ({
      snapshot: `s${n + 1}`,
      archive: 'a.tar',
      member: n === 0 ? path : tail(`s${n + 1}-${path}`),
      offset: 0,
      length: content.length,
      sha256: sha256(content),
    })),
  }
}

describe('a hostile index or archive is refused by name', () => {
  const cases: [string, string, IndexEntry[]][] = [
    ['an absolute path', 'hostile-absolute', [line('/etc', '', { type: 'directory' })]],
    ['a path with ..', 'hostile-dot-dot', [line('logs/../../etc', '', { type: 'directory' })]],
    ['a write through a symlink', 'hostile-below-symlink', [line('logs', '', symlink), line('logs/passwd')]],
    ['and when the symlink comes later', 'hostile-below-symlink', [line('a/b/c'), line('a/b', '', symlink)]],
    [
      'a hard link out of the tree',
      'hostile-hardlink',
      [line('x', '', { type: 'hardlink', linkPath: Buffer.from('y') })],
    ],
    [
      'a hard link to /',
      'hostile-absolute',
      [line('x', '', { type: 'hardlink', linkPath: Buffer.from('/etc/shadow') })],
    ],
    [
      'a device node',
      'hostile-device',
      [line('sda', '', { type: 'block-device', deviceMajor: 8, deviceMinor: 0 })],
    ],
    ['a duplicate', 'hostile-duplicate', [line('a'), line('a')]],
    ['a symlink over a file', 'hostile-duplicate', [line('a'), line('a', '', symlink)]],
  ]
  test.each(cases)('%s', async (_name, code, index) => {
    const files = index.filter(({ type }) => type === 'file').map(({ path }) => member(path as string))
    expect(await codeOf({ index, archives: { 's1/a.tar': tarOf(...files) } })).toBe(code)
  })

  test('a member that the archive holds twice', async () => {
    const archives = { 's1/a.tar': tarOf(member('a', 'x'), member('a', 'y')) }
    expect(await codeOf({ index: [line('a', 'x')], archives })).toBe('hostile-duplicate')
  })

  test('more bytes than the manifest says', async () => {
    const tar = tarOf(member('a', 'x'.repeat(100_000)))
    const open = () => Promise.resolve({ plain: Readable.from([tar]), plainBytes: 50_000 })
    const index = [line('a', 'x'.repeat(100_000))]
    expect(await codeOf({ index, archives: {} }, { open })).toBe('hostile-size')
  })

  test('what the index does not name never leaves, whatever it is', async () => {
    const tar = tarOf(
      member('../evil', 'x'),
      member('/abs', 'x'),
      member('a', 'good'),
      member('link', '', symlink),
    )
    const out = await buffer(assemble({ index: [line('a', 'good')], archives: { 's1/a.tar': tar } }).stream)
    expect(readMembers([out]).map(({ entry }) => entry.path.toString())).toEqual(['a'])
  })
})

describe('an archive that is not what the index says', () => {
  test('is cut', async () => {
    const archives = { 's1/a.tar': member('a', 'abc') }
    expect(await codeOf({ index: [line('a', 'abc')], archives })).toBe('tar-truncated')
  })

  test('lacks a file, or has something else in its place', async () => {
    expect(
      await codeOf({ index: [line('a'), line('b')], archives: { 's1/a.tar': tarOf(member('a')) } }),
    ).toBe('archive-lacks')
    const archives = { 's1/a.tar': tarOf(member('a', '', symlink)) }
    expect(await codeOf({ index: [line('a')], archives })).toBe('archive-lacks')
  })

  const log = grown('log', ['begun ', 'goes on ', 'ends'])
  const good = {
    's1/a.tar': tarOf(member('log', 'begun ')),
    's2/a.tar': tarOf(member(tail('s2-log'), 'goes on ')),
    's3/a.tar': tarOf(member(tail('s3-log'), 'ends')),
  }
  test.each([
    ['another beginning', 's1/a.tar', member('log', 'other ')],
    ['a shorter beginning', 's1/a.tar', member('log', 'beg')],
    ['another tail', 's2/a.tar', member(tail('s2-log'), 'goes up ')],
    ['a longer tail', 's3/a.tar', member(tail('s3-log'), 'ends!')],
  ])('holds %s', async (_name, which, other) => {
    expect(await codeOf({ index: [log], archives: { ...good, [which]: tarOf(other) } })).toBe(
      'segment-differs',
    )
    expect(readdirSync(directory)).toEqual([])
  })

  test('lacks a tail', async () => {
    expect(await codeOf({ index: [log], archives: { ...good, 's2/a.tar': tarOf() } })).toBe('archive-lacks')
  })
})

describe('what passes', () => {
  const long = `deep/${'d'.repeat(120)}/${'f'.repeat(150)}`
  const index = [
    line('deep', '', { type: 'directory', mode: 0o750 }),
    line('deep/hard', '', { type: 'hardlink', linkPath: Buffer.from(long) }),
    line(long, 'hello', { mode: 0o4755 }),
    line('deep/link', '', { type: 'symlink', linkPath: Buffer.from('../outside/'.repeat(15)) }),
    line('deep/old', 'old', { mtimeNs: -86_400_000_000_000n }),
  ]
  const archives = {
    's1/a.tar': tarOf(
      member('skipped', 'no'),
      member(long, 'hello', { mode: 0o4755 }),
      member('deep/old', 'old', { mtimeNs: -86_400_000_000_000n }),
    ),
  }
  const rename = (path: Buffer) => Buffer.from(path.toString().replace(/^deep/, 'shallow'))

  test.each([
    ['pax', 'tar'],
    ['gnu', 'tar'],
    ['gnu', 'busybox tar'],
  ] as const)('dialect %s is unpacked by %s, renamed and filtered', async (dialect, tool) => {
    const tar = join(directory, 'out.tar')
    const files: unknown[] = []
    const onFile: TreeParts['onFile'] = ({ name, size, before }) => files.push([String(name), size, before])
    const tree = assemble({ index, archives }, { rename, dialect, onFile })
    writeFileSync(tar, await buffer(tree.stream))
    const target = join(directory, 'target')
    mkdirSync(target)
    execFileSync('sh', ['-c', `${tool} -x -p -f "$1" -C "$2"`, 'sh', tar, target])
    const file = join(target, long.replace('deep', 'shallow'))
    expect(readFileSync(file, 'utf8')).toBe('hello')
    expect(statSync(file).mode & 0o7777).toBe(0o4755)
    expect(statSync(join(target, 'shallow/hard')).ino).toBe(statSync(file).ino)
    expect(statSync(join(target, 'shallow/old')).mtimeMs).toBe(-86_400_000)
    expect(() => statSync(join(target, 'skipped'))).toThrow()
    expect(tree.totals).toEqual({ entries: 5, bytes: 8 })
    // Behind the directory and the symlink, before the hard link.
    expect(files).toEqual([
      [long.replace('deep', 'shallow'), 5, 2],
      ['shallow/old', 3, 3],
    ])
    expect(tree.directories === undefined).toBe(dialect === 'pax')
  })

  test.each([1, 511, 4096, 1_000_000])(
    'files of several segments are joined, in chunks of %i',
    async (chunk) => {
      const big = 'x'.repeat(100_000)
      const files = [grown('b', [big, 'y', big]), grown('a', ['1', big, '3']), line('new', 'n', {}, 'b.tar')]
      const opened: string[] = []
      const tree = assemble({
        index: files,
        opened,
        chunk,
        archives: {
          's1/a.tar': tarOf(member('a', '1'), member('gone', 'no'), member('b', big)),
          's1/b.tar': tarOf(member('new', 'n')),
          's2/a.tar': tarOf(member(tail('s2-a'), big), member(tail('s2-b'), 'y'), member('gone', 'again')),
          's3/a.tar': tarOf(member(tail('s3-a'), '3'), member(tail('s3-b'), big)),
        },
      })
      const out = readMembers([await buffer(tree.stream)])
      expect(
        Object.fromEntries(out.map(({ entry, content }) => [String(entry.path), content.toString()])),
      ).toEqual({
        a: `1${big}3`,
        b: `${big}y${big}`,
        new: 'n',
      })
      expect(tree.joined).toEqual(
        new Map([
          ['a', sha256(`1${big}3`)],
          ['b', sha256(`${big}y${big}`)],
        ]),
      )
      // Each once: no file begins in the last two.
      expect(opened).toEqual(['s2/a.tar', 's3/a.tar', 's1/a.tar', 's1/b.tar'])
      expect(readdirSync(directory)).toEqual([])
    },
  )

  test('an archive of which nothing is wanted is not opened', async () => {
    const opened: string[] = []
    const files = [line('a', 'x'), line('b', 'y', {}, 'b.tar')].slice(0, 1)
    await buffer(assemble({ index: files, opened, archives: { 's1/a.tar': tarOf(member('a', 'x')) } }).stream)
    expect(opened).toEqual(['s1/a.tar'])
  })

  test('nothing of the scratch file is plain', async () => {
    const secret = 'a secret line of the log '.repeat(1000)
    const seen: Buffer[] = []
    const tree = assemble(
      {
        index: [grown('log', ['begun ', secret, 'ends'])],
        archives: {
          's1/a.tar': tarOf(member('log', 'begun ')),
          's2/a.tar': tarOf(member(tail('s2-log'), secret)),
          's3/a.tar': tarOf(member(tail('s3-log'), 'ends')),
        },
      },
      {
        linkOutside: () => new Error(),
        rename: (path) => {
          seen.push(readFileSync(join(directory, 'scratch')))
          expect(statSync(join(directory, 'scratch')).mode & 0o777).toBe(0o600)
          return path
        },
      },
    )
    await buffer(tree.stream)
    expect(seen.length).toBeGreaterThan(0)
    expect(seen.every((bytes) => bytes.length > 25_000 && !bytes.includes('secret line'))).toBe(true)
  })
})
