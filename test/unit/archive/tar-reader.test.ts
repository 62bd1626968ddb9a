import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EntryType, TarEntry } from '../../../src/archive/contract.ts'
import { encodePaxRecord } from '../../../src/archive/pax.ts'
import { TarReader } from '../../../src/archive/tar-reader.ts'
import { encodeTarHeader, tarPadding } from '../../../src/archive/tar-writer.ts'
import { chunked, damageOf, flipped, member, patched, readMembers, tarEntry, tarOf } from './support.ts'

const TYPE = 156

/** An extended header of the given type with this data. */
function extension(type: string, data: Buffer): Buffer {
  const header = patched(encodeTarHeader(tarEntry('ext', { size: data.length })), [TYPE, type])
  return Buffer.concat([header, data, tarPadding(data.length)])
}

function pax(...records: [string, string | Buffer][]): Buffer {
  return extension(
    'x',
    Buffer.concat(records.map(([key, value]) => encodePaxRecord(key, Buffer.from(value)))),
  )
}

const sample = tarOf(
  member('logs', '', { type: 'directory', mode: 0o755 }),
  member('logs/app.log', 'hello\n'),
  member('logs/empty'),
  member(Buffer.from('logs/\xff\n-x', 'latin1'), Buffer.alloc(1500, 'x'), { mtimeNs: -1_500_000_000n }),
  member(`logs/${'n'.repeat(250)}`, 'long', {
    xattrs: new Map([['user.a=b', Buffer.from('\n\xff=', 'latin1')]]),
  }),
  member('logs/link', '', { type: 'symlink', linkPath: Buffer.from('../x/') }),
)

describe('reading', () => {
  test('byte by byte reads the same as at once and in any chunks', () => {
    const whole = readMembers([sample])
    expect(whole.map(({ entry }) => entry.path.toString('latin1').slice(0, 12))).toEqual([
      'logs',
      'logs/app.log',
      'logs/empty',
      'logs/\xff\n-x',
      'logs/nnnnnnn',
      'logs/link',
    ])
    for (const size of [1, 7, 511, 512, 513, 1024]) {
      expect(readMembers(chunked(sample, size))).toEqual(whole)
    }
  })

  test('content is a part of the chunk written, not a copy', () => {
    const seen: Buffer[] = []
    const reader = new TarReader({
      entry: () => {},
      content: (chunk) => seen.push(chunk),
      endEntry: () => {},
    })
    reader.write(sample)
    expect(seen.every((chunk) => chunk.buffer === sample.buffer)).toBe(true)
    expect(seen.length).toBeGreaterThan(0)
  })

  test('tells where the content begins', () => {
    for (const { entry, offset, content } of readMembers([sample])) {
      expect(sample.subarray(offset, offset + entry.size)).toEqual(content)
    }
  })

  test('GNU long names and link targets', () => {
    const long = Buffer.alloc(300, 'a')
    const tar = tarOf(
      extension('L', Buffer.concat([long, Buffer.from('\0')])),
      extension('K', Buffer.concat([long, Buffer.from('\0')])),
      member('cut', '', { type: 'symlink', linkPath: Buffer.from('cut') }),
      member('next'),
    )
    const [first, second] = readMembers([tar])
    expect(first?.entry).toMatchObject({ path: long, linkPath: long })
    expect(second?.entry.path.toString()).toBe('next')
  })

  test('base-256 numbers, also negative times', () => {
    const uid = Buffer.from('80000000ffffffff', 'hex')
    const mtime = Buffer.alloc(12, 0xff)
    const tar = tarOf(patched(encodeTarHeader(tarEntry('f')), [108, uid], [136, mtime]))
    expect(readMembers([tar])[0]?.entry).toMatchObject({ uid: 0xffffffff, mtimeNs: -1_000_000_000n })
  })

  test('numbers between spaces and NULs, and empty fields', () => {
    const tar = tarOf(patched(encodeTarHeader(tarEntry('f')), [100, '   644 \0'], [108, '\0'.repeat(8)]))
    expect(readMembers([tar])[0]?.entry).toMatchObject({ mode: 0o644, uid: 0 })
  })

  test('a header whose sum was made from signed bytes', () => {
    const header = encodeTarHeader(tarEntry(Buffer.from('\xfe\xff', 'latin1')))
    const unsigned = Number.parseInt(header.toString('latin1', 148, 154), 8)
    header.write((unsigned - 2 * 256).toString(8).padStart(6, '0'), 148)
    expect(readMembers([tarOf(header)])[0]?.entry.path).toEqual(Buffer.from([0xfe, 0xff]))
  })

  test('a v7 directory is a file whose name ends with a slash', () => {
    const v7 = patched(encodeTarHeader(tarEntry('dir/')), [TYPE, '\0'], [257, '\0'.repeat(8)])
    expect(readMembers([tarOf(v7)])[0]?.entry).toMatchObject({ type: 'directory', path: Buffer.from('dir') })
  })

  test("GNU's own dialect has no prefix field", () => {
    const gnu = patched(encodeTarHeader(tarEntry('f')), [257, 'ustar  \0'], [345, '14123456712\0'])
    expect(readMembers([tarOf(gnu)])[0]?.entry.path.toString()).toBe('f')
  })

  test('global pax records hold until they are overridden, an empty one takes them back', () => {
    const tar = tarOf(
      extension('g', encodePaxRecord('uname', Buffer.from('everyone'))),
      member('a'),
      pax(['uname', 'one']),
      member('b'),
      pax(['uname', '']),
      member('c'),
      member('d'),
    )
    expect(readMembers([tar]).map(({ entry }) => entry.uname)).toEqual(['everyone', 'one', 'app', 'everyone'])
  })

  test('pax size above what octal holds', () => {
    const tar = Buffer.concat([pax(['size', '9000000000']), member('huge')])
    const seen: TarEntry[] = []
    new TarReader({ entry: (entry) => seen.push(entry), content: () => {}, endEntry: () => {} }).write(tar)
    expect(seen[0]?.size).toBe(9_000_000_000)
  })

  test('an archive without members, and one padded to a record', () => {
    expect(readMembers([tarOf()])).toEqual([])
    expect(readMembers([tarOf(), Buffer.alloc(9 * 1024)])).toEqual([])
  })
})

describe('damage', () => {
  test('a cut at any byte is noticed until the end of the archive has come', () => {
    for (let length = 0; length < sample.length; length += 1) {
      expect(
        damageOf(() => readMembers([sample.subarray(0, length)])),
        `cut at ${length}`,
      ).toBe('tar-truncated')
    }
  })

  test('a flipped bit in a header is refused, or changes nothing that was read', () => {
    const tar = tarOf(member('logs/app.log', 'hello'))
    const good = readMembers([tar])
    let refused = 0
    for (let bit = 0; bit < 512 * 8; bit += 1) {
      const bad = flipped(tar, bit)
      const code = damageOf(() => expect(readMembers([bad])).toEqual(good))
      if (code !== 'nothing thrown') refused += 1
    }
    // What is left are flips inside the checksum field that spell the same number.
    expect(refused).toBeGreaterThan(512 * 8 - 20)
  })

  test.each<[string, string, Buffer]>([
    ['nothing at all', 'tar-truncated', Buffer.alloc(0)],
    ['garbage behind the end', 'tar-trailing-data', Buffer.concat([sample, Buffer.from('x')])],
    ['a member behind the end', 'tar-trailing-data', Buffer.concat([sample, member('more')])],
    ['a lone zero block inside', 'tar-trailing-data', tarOf(member('a'), Buffer.alloc(512), member('b'))],
    ['an end that is no whole block', 'tar-truncated', Buffer.concat([sample, Buffer.alloc(100)])],
    ['a wrong checksum', 'tar-header-checksum', tarOf(flipped(member('a'), 3))],
    ['a long name without its member', 'tar-truncated', tarOf(extension('L', Buffer.from('x\0')))],
    ['an extended header of gigabytes', 'tar-pax-header', tarOf(patched(pax(), [124, '77777777777\0']))],
    ['an unusable number', 'tar-header-number', tarOf(patched(member('a'), [108, '12x4567\0']))],
    ['a negative size', 'tar-header-number', tarOf(patched(member('a'), [124, Buffer.alloc(12, 0xff)]))],
    ['a sparse member', 'tar-sparse', tarOf(patched(member('a'), [TYPE, 'S']))],
    ['a sparse member in pax', 'tar-sparse', tarOf(pax(['GNU.sparse.major', '1']), member('a'))],
    ['a volume label', 'tar-unsupported', tarOf(patched(member('a'), [TYPE, 'V']))],
    ['an unknown type', 'tar-unsupported', tarOf(patched(member('a'), [TYPE, '\x1b']))],
    ['a directory with content', 'tar-header', tarOf(member('a', 'x', { type: 'directory' }))],
    ['a member without a name', 'tar-header', tarOf(member('', 'x'))],
    ['a link without a target', 'tar-header', tarOf(member('a', '', { type: 'symlink' }))],
    ['a name with a NUL', 'tar-header', tarOf(pax(['path', 'a\0b']), member('a'))],
    [
      'a pax record that is too long',
      'tar-pax-header',
      tarOf(extension('x', Buffer.from('99 path=a\n')), member('a')),
    ],
    [
      'a pax record without newline',
      'tar-pax-header',
      tarOf(extension('x', Buffer.from('9 path=aa')), member('a')),
    ],
    [
      'a pax record without a key',
      'tar-pax-header',
      tarOf(extension('x', Buffer.from('5 =a\n')), member('a')),
    ],
    [
      'a pax length of no digits',
      'tar-pax-header',
      tarOf(extension('x', Buffer.from(' path=a\n')), member('a')),
    ],
    ['a pax time that is no number', 'tar-pax-header', tarOf(pax(['mtime', '1e9']), member('a'))],
    ['a pax size that is no number', 'tar-pax-header', tarOf(pax(['size', '-1']), member('a'))],
  ])('%s: %s', (_name, code, tar) => {
    expect(damageOf(() => readMembers([tar]))).toBe(code)
    expect(damageOf(() => readMembers(chunked(tar, 1)))).toBe(code)
  })

  test('says where, and shows hostile names harmlessly', () => {
    const tar = tarOf(member('a', 'x'), patched(member('\x1b[2J'), [TYPE, 'V']))
    expect(() => readMembers([tar])).toThrow('\\x1b[2J has the member type V (volume label)')
    expect(() => readMembers([tar])).toThrow('(at byte 1024 of the archive)')
  })
})

describe('what the writer writes the reader reads', () => {
  const nameBytes = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => {
    const name = Buffer.from(bytes.map((byte) => (byte === 0 ? 1 : byte)))
    if (name.at(-1) === 0x2f) name[name.length - 1] = 0x78
    return name
  })
  const text = fc.string({ unit: 'grapheme', maxLength: 40 }).map((name) => name.replaceAll('\0', ''))
  const entries: fc.Arbitrary<{ entry: TarEntry; content: Buffer }> = fc
    .record({
      path: nameBytes,
      type: fc.constantFrom<EntryType>('file', 'directory', 'symlink', 'hardlink', 'fifo', 'block-device'),
      mode: fc.integer({ min: 0, max: 0o7777 }),
      uid: fc.integer({ min: 0, max: 2 ** 32 }),
      gid: fc.integer({ min: 0, max: 2 ** 32 }),
      uname: text,
      gname: text,
      mtimeNs: fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
      link: nameBytes,
      xattrs: fc.option(
        fc.dictionary(fc.string({ minLength: 1 }), fc.uint8Array(), { minKeys: 1, noNullPrototype: true }),
      ),
      content: fc.uint8Array({ maxLength: 1100 }).map((bytes) => Buffer.from(bytes)),
    })
    .map(({ link, xattrs, content, ...common }) => {
      const own = common.type === 'file' ? content : Buffer.alloc(0)
      const entry: TarEntry = {
        ...common,
        size: own.length,
        ...(common.type === 'symlink' || common.type === 'hardlink' ? { linkPath: link } : {}),
        ...(common.type === 'block-device' ? { deviceMajor: 8, deviceMinor: 17 } : {}),
        ...(xattrs
          ? { xattrs: new Map(Object.entries(xattrs).map(([key, value]) => [key, Buffer.from(value)])) }
          : {}),
      }
      return { entry, content: own }
    })

  test('for any members, in any chunks', () => {
    fc.assert(
      fc.property(fc.array(entries, { maxLength: 4 }), fc.integer({ min: 1, max: 2000 }), (list, size) => {
        const tar = tarOf(
          ...list.map(({ entry, content }) =>
            Buffer.concat([encodeTarHeader(entry), content, tarPadding(content.length)]),
          ),
        )
        const read = readMembers(chunked(tar, size))
        expect(read.map(({ entry, content }) => ({ entry, content }))).toEqual(list)
      }),
      { numRuns: 300 },
    )
  })
})
