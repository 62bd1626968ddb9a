import { Crc64 } from '../../../../src/sources/redis/rdb/crc64.ts'

/** Pieces of an RDB, written byte by byte after Redis' rdb.c: for forms that the server at hand does not write. */

export function len(value: number | bigint): Buffer {
  const number = BigInt(value)
  if (number < 64n) return Buffer.from([Number(number)])
  if (number < 16_384n) return Buffer.from([0x40 | Number(number >> 8n), Number(number & 255n)])
  if (number < 1n << 32n) {
    const bytes = Buffer.from([0x80, 0, 0, 0, 0])
    bytes.writeUInt32BE(Number(number), 1)
    return bytes
  }
  const bytes = Buffer.alloc(9, 0x81)
  bytes.writeBigUInt64BE(number, 1)
  return bytes
}

export function str(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text as string)
  return Buffer.concat([len(bytes.length), bytes])
}

export const int8 = (value: number): Buffer => Buffer.from([0xc0, value & 255])
export const int16 = (value: number): Buffer => Buffer.from([0xc1, value & 255, (value >> 8) & 255])
export function int32(value: number): Buffer {
  const bytes = Buffer.from([0xc2, 0, 0, 0, 0])
  bytes.writeInt32LE(value, 1)
  return bytes
}

/** `count` times the same byte, compressed as LZF would. */
export function lzf(byte: string, count: number): Buffer {
  const parts = [0, byte.charCodeAt(0)]
  for (let rest = count - 1; rest > 0;) {
    const run = Math.min(rest, 264)
    if (run < 3) {
      parts.push(run - 1, ...Array.from({ length: run }, () => byte.charCodeAt(0)))
    } else if (run < 9) {
      parts.push((run - 2) << 5, 0)
    } else {
      parts.push(7 << 5, run - 9, 0)
    }
    rest -= run
  }
  return Buffer.concat([Buffer.from([0xc3]), len(parts.length), len(count), Buffer.from(parts)])
}

export function u64le(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(BigInt(value))
  return bytes
}

export const byte = (...values: number[]): Buffer => Buffer.from(values)

/** The id of a module by its nine characters and its version. */
export function moduleId(name: string, version = 1): Buffer {
  const set = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  let id = 0n
  for (const char of name) id = (id << 6n) | BigInt(set.indexOf(char))
  return len((id << 10n) | BigInt(version))
}

export type Checksum = 'right' | 'disabled' | 'wrong' | 'absent'

/** A whole RDB: header, body, EOF and checksum. */
export function rdb(
  body: readonly Buffer[],
  options: { readonly version?: number; readonly checksum?: Checksum } = {},
): Buffer {
  const version = options.version ?? 12
  const checksum = options.checksum ?? (version < 5 ? 'absent' : 'right')
  const bytes = Buffer.concat([
    Buffer.from(`REDIS${String(version).padStart(4, '0')}`),
    ...body,
    Buffer.from([0xff]),
  ])
  if (checksum === 'absent') return bytes
  const crc = new Crc64()
  crc.update(bytes)
  const end = Buffer.alloc(8)
  if (checksum !== 'disabled') {
    end.writeUInt32LE(crc.low, 0)
    end.writeUInt32LE(crc.high, 4)
    if (checksum === 'wrong') end[3] = end[3]! ^ 1
  }
  return Buffer.concat([bytes, end])
}

const id = (ms: number): Buffer => Buffer.concat([Buffer.alloc(6), byte(ms >> 8, ms & 255), Buffer.alloc(8)])

/** The value of a stream with entries in two nodes, two groups, consumers and pending entries. */
export function stream(version: 1 | 2 | 3): Buffer {
  const pel = (...ids: number[]): Buffer =>
    Buffer.concat([len(ids.length), ...ids.flatMap((ms) => [id(ms), u64le(1_700_000_000_000), len(3)])])
  const own = (...ids: number[]): Buffer => Buffer.concat([len(ids.length), ...ids.map(id)])
  const consumer = (name: string, pending: Buffer): Buffer =>
    Buffer.concat([str(name), u64le(1_700_000_000_001), ...(version >= 3 ? [u64le(-1)] : []), pending])
  const group = (name: string, pending: Buffer, ...consumers: Buffer[]): Buffer =>
    Buffer.concat([
      str(name),
      len(1_700_000_000_000),
      len(7),
      ...(version >= 2 ? [len(2n ** 64n - 1n)] : []),
      pending,
      len(consumers.length),
      ...consumers,
    ])
  return Buffer.concat([
    len(2),
    str(id(1)),
    str('listpack one'),
    str(id(9)),
    lzf('l', 900),
    len(12),
    len(1_700_000_000_000),
    len(8),
    ...(version >= 2 ? [len(1), len(0), len(2n ** 63n), len(1), len(40)] : []),
    len(2),
    group('workers', pel(1, 9), consumer('a', own(1)), consumer('b', own(9)), consumer('idle', own())),
    group('nobody', pel()),
  ])
}

export interface Sample {
  /** As in {@link RdbKey}. */
  readonly encoding: string
  readonly type: number
  readonly value: Buffer
}

/** One value of every type and encoding there is, module-pre-ga excepted. */
export const SAMPLES: readonly Sample[] = [
  { type: 0, encoding: 'raw', value: str('plain') },
  { type: 0, encoding: 'raw', value: str('') },
  { type: 0, encoding: 'raw', value: str('m'.repeat(700)) },
  { type: 0, encoding: 'raw', value: str('l'.repeat(20_000)) },
  {
    type: 0,
    encoding: 'raw',
    value: Buffer.concat([byte(0x81), byte(0, 0, 0, 0, 0, 0, 0, 3), byte(1, 2, 3)]),
  },
  { type: 0, encoding: 'int', value: int8(-3) },
  { type: 0, encoding: 'int', value: int16(-30_000) },
  { type: 0, encoding: 'int', value: int32(2_000_000_000) },
  { type: 0, encoding: 'lzf', value: lzf('x', 30) },
  { type: 0, encoding: 'lzf', value: lzf('x', 100_000) },
  { type: 1, encoding: 'list', value: Buffer.concat([len(3), str('a'), int8(1), lzf('b', 99)]) },
  { type: 2, encoding: 'set', value: Buffer.concat([len(2), str('a'), str('b')]) },
  {
    type: 3,
    encoding: 'zset',
    value: Buffer.concat([
      len(4),
      ...[str('a'), byte(3), Buffer.from('1.5')],
      ...[str('b'), byte(253), int8(9), byte(254), str('d'), byte(255)],
    ]),
  },
  { type: 4, encoding: 'hash', value: Buffer.concat([len(2), str('f'), str('v'), str('g'), int16(500)]) },
  { type: 5, encoding: 'zset-2', value: Buffer.concat([len(2), str('a'), u64le(1), str('b'), u64le(2)]) },
  {
    type: 7,
    encoding: 'module-2',
    value: Buffer.concat([
      moduleId('tairhash-'),
      ...[len(1), len(2n ** 64n - 1n), len(2), len(5)], // sint, uint
      ...[len(3), Buffer.alloc(4, 0xff), len(4), Buffer.alloc(8, 0xff)], // float, double
      ...[len(5), str('text'), len(5), lzf('z', 80), len(5), int8(1)],
      len(0),
    ]),
  },
  { type: 9, encoding: 'hash-zipmap', value: str('\x01\x01f\x01\x00v\xff') },
  { type: 10, encoding: 'list-ziplist', value: str('ziplist') },
  { type: 11, encoding: 'set-intset', value: str('intset') },
  { type: 12, encoding: 'zset-ziplist', value: str('ziplist') },
  { type: 13, encoding: 'hash-ziplist', value: lzf('z', 300) },
  { type: 14, encoding: 'list-quicklist', value: Buffer.concat([len(2), str('ziplist'), lzf('z', 300)]) },
  { type: 15, encoding: 'stream-listpacks', value: stream(1) },
  { type: 16, encoding: 'hash-listpack', value: str('listpack') },
  { type: 17, encoding: 'zset-listpack', value: str('listpack') },
  {
    type: 18,
    encoding: 'list-quicklist-2',
    value: Buffer.concat([len(2), len(1), str('plain node'), len(2), lzf('z', 300)]),
  },
  { type: 19, encoding: 'stream-listpacks-2', value: stream(2) },
  { type: 20, encoding: 'set-listpack', value: str('listpack') },
  { type: 21, encoding: 'stream-listpacks-3', value: stream(3) },
  {
    type: 22,
    encoding: 'hash-metadata-pre-ga',
    value: Buffer.concat([len(2), len(1_700_000_000_000), str('f'), str('v'), len(0), str('g'), str('w')]),
  },
  { type: 23, encoding: 'hash-listpack-ex-pre-ga', value: str('listpack') },
  {
    type: 24,
    encoding: 'hash-metadata',
    value: Buffer.concat([
      u64le(1_700_000_000_000),
      ...[len(2), len(1), str('f'), str('v'), len(0), str('g'), str('w')],
    ]),
  },
  {
    type: 25,
    encoding: 'hash-listpack-ex',
    value: Buffer.concat([u64le(1_700_000_000_000), str('listpack')]),
  },
]

/** An RDB with everything in it: opcodes, aux fields, modules, functions, three databases, all samples. */
export function everything(): { readonly bytes: Buffer; readonly keys: number } {
  const samples = SAMPLES.map((sample, index) =>
    Buffer.concat([
      ...(index % 3 === 0 ? [byte(252), u64le(1_900_000_000_000 + index)] : []),
      ...(index % 3 === 1 ? [byte(253), byte(0, 0xf1, 0x53, 0x65)] : []),
      ...(index % 2 === 0 ? [byte(248), len(index * 1000)] : [byte(249), byte(index)]),
      byte(sample.type),
      str(`key ${index}`),
      sample.value,
    ]),
  )
  const body = [
    Buffer.concat([byte(250), str('redis-ver'), str('7.4.1')]),
    Buffer.concat([byte(250), str('redis-bits'), int8(64)]),
    Buffer.concat([byte(250), lzf('n', 4000), lzf('v', 40_000)]),
    Buffer.concat([byte(247), moduleId('graphdata'), len(2), len(1), len(5), str('aux'), len(0)]),
    Buffer.concat([byte(245), str('#!lua name=one\n')]),
    Buffer.concat([byte(246), str('old'), str('LUA'), len(1), str('what it is'), str('code')]),
    Buffer.concat([byte(246), str('old'), str('LUA'), len(0), str('code')]),
    Buffer.concat([byte(254), len(0), byte(251), len(SAMPLES.length), len(12)]),
    Buffer.concat([byte(244), len(16_383), len(70_000), len(0)]),
    ...samples,
    Buffer.concat([byte(254), len(700), byte(0), lzf('k', 500), int8(5)]),
    Buffer.concat([byte(254), len(3), byte(254), len(0), byte(0), int32(-70_000), str('again')]),
    Buffer.concat([byte(247), moduleId('graphdata'), len(2), len(2), len(0)]),
  ]
  return { bytes: rdb(body), keys: SAMPLES.length + 2 }
}
