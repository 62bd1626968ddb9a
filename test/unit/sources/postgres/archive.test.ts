import { expect, test } from 'vitest'
import { ArchiveWalk } from '../../../../src/sources/postgres/archive.ts'
import { renameIn } from '../../../../src/sources/postgres/catalogue.ts'

const int = (value: number): Buffer => {
  const bytes = Buffer.alloc(5)
  bytes[0] = value < 0 ? 1 : 0
  bytes.writeUInt32LE(Math.abs(value), 1)
  return bytes
}
const string = (text?: string): Buffer =>
  text === undefined ? int(-1) : Buffer.concat([int(Buffer.byteLength(text)), Buffer.from(text)])

function entry(minor: number, id: number, type: string, name: string, hasData: boolean): Buffer {
  return Buffer.concat([
    ...[int(id), int(hasData ? 1 : 0), string('1259'), string('1'), string(name), string(type), int(3)],
    ...[string(hasData ? '' : 'CREATE …'), string('DROP …'), string(), string('public'), string('')],
    ...(minor >= 14 ? [string('heap')] : []),
    ...(minor >= 16 ? [int(114)] : []),
    ...[string('owner'), string('false'), string('12'), string(), Buffer.alloc(9)],
  ])
}

/** An archive as pg_dump of this version of the format writes it: a table with rows, and a large object. */
function archive(minor: number): Buffer {
  return Buffer.concat([
    Buffer.from('PGDMP'),
    Buffer.from([1, minor, 0, 4, 8, 1]),
    minor >= 15 ? Buffer.from([0]) : int(0),
    ...Array.from({ length: 7 }, () => int(5)),
    ...['app', '16.1', '16.1'].map(string),
    int(3),
    entry(minor, 7, 'TABLE', 'ünit', false),
    entry(minor, 8, 'TABLE DATA', 'ünit', true),
    entry(minor, 9, 'BLOBS', 'BLOBS', true),
    ...[Buffer.from([1]), int(8), string('1\trow\n'), string('2\trow\n'), int(0)],
    ...[Buffer.from([3]), int(9), int(16_400), string('bytes'), int(0), int(0)],
  ])
}

function walked(bytes: Buffer, size = bytes.length): ArchiveWalk {
  const walk = new ArchiveWalk()
  for (let at = 0; at < bytes.length; at += size) walk.write(bytes.subarray(at, at + size))
  return walk
}

test.each([12, 14, 15, 16])(
  'an archive is whole at its end only, however it comes (format 1.%i)',
  (minor) => {
    const whole = archive(minor)
    for (const size of [1, 3, 64, whole.length]) {
      const walk = walked(whole, size)
      expect(walk.end()).toBeUndefined()
      expect(walk.entries).toMatchObject([
        { type: 'TABLE', schema: 'public', name: 'ünit', definition: 'CREATE …', hasData: false },
        { type: 'TABLE DATA', hasData: true },
        { type: 'BLOBS', hasData: true },
      ])
    }
    for (let end = 0; end < whole.length; end += 1)
      for (const size of [1, 50]) expect(walked(whole.subarray(0, end), size).end()).toBeDefined()
    expect(walked(Buffer.concat([whole, Buffer.from('x')])).end()).toMatch(/behind its end/)
  },
)

test('what is no archive is told, and one of a later format is taken by its beginning', () => {
  expect(walked(Buffer.from('-- PostgreSQL')).end()).toMatch(/does not begin/)
  const other = archive(14)
  other[10] = 3
  expect(walked(other).end()).toMatch(/format 3/)
  const endless = archive(14)
  endless.writeUInt32LE(0x7fffffff, endless.indexOf('app') - 4)
  expect(walked(endless).end()).toMatch(/text without an end/)
  const later = archive(14)
  later[6] = 99
  const walk = walked(later, 10)
  expect([walk.end(), walk.entries]).toEqual([undefined, undefined])
})

test('what is said of a database as a whole is said of another one', () => {
  const sql = `ALTER DATABASE app SET work_mem TO '7MB';
ALTER ROLE o IN DATABASE app SET search_path TO '';
REVOKE CONNECT,TEMPORARY ON DATABASE app FROM PUBLIC;
ALTER DATABASE application SET x TO 'ALTER DATABASE app SET y';
COMMENT ON DATABASE app IS 'x';`
  expect(renameIn(sql, 'app', 'a "b"')).toBe(`ALTER DATABASE "a ""b""" SET work_mem TO '7MB';
ALTER ROLE o IN DATABASE "a ""b""" SET search_path TO '';
REVOKE CONNECT,TEMPORARY ON DATABASE "a ""b""" FROM PUBLIC;
ALTER DATABASE application SET x TO 'ALTER DATABASE app SET y';
COMMENT ON DATABASE "a ""b""" IS 'x';`)
  expect(renameIn('ALTER DATABASE "the ""x""" SET a TO b;', 'the "x"', 'y')).toBe(
    'ALTER DATABASE "y" SET a TO b;',
  )
})
