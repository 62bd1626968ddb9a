import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DamageError } from '../../../../src/errors.ts'
import type { RdbFacts } from '../../../../src/sources/redis/facts.ts'
import { RdbError } from '../../../../src/sources/redis/rdb/error.ts'
import { RdbReader } from '../../../../src/sources/redis/rdb/reader.ts'
import type { RdbKey } from '../../../../src/sources/redis/rdb/reader.ts'
import {
  SAMPLES,
  byte,
  everything,
  int8,
  len,
  lzf,
  moduleId,
  rdb,
  str,
  stream,
  u64le,
} from './rdb-fixture.ts'

function read(bytes: Buffer, step = bytes.length): { facts: RdbFacts; keys: RdbKey[] } {
  const keys: RdbKey[] = []
  const reader = new RdbReader((key) => keys.push(key))
  const counter = new RdbReader()
  for (let at = 0; at < bytes.length; at += step) {
    // A buffer of its own that is overwritten afterwards: nothing may be kept by reference.
    const chunk = Buffer.from(bytes.subarray(at, at + step))
    reader.write(chunk)
    counter.write(chunk)
    chunk.fill(0xee)
  }
  const facts = reader.end()
  expect(counter.end()).toEqual(facts)
  return { facts, keys }
}

function problem(bytes: Buffer): RdbError {
  try {
    read(bytes)
  } catch (error) {
    if (error instanceof RdbError) return error
    throw error
  }
  throw new Error('it was read')
}

const key = (name: string, type = 0, value = str('v')): Buffer =>
  Buffer.concat([byte(type), str(name), value])

describe('everything an RDB of version 1 to 12 can hold', () => {
  const { bytes } = everything()
  const expected: RdbFacts = {
    version: 12,
    redisVersion: '7.4.1',
    databases: [
      {
        database: 0,
        keys: SAMPLES.length + 1,
        expires: SAMPLES.filter((_, index) => index % 3 !== 2).length,
      },
      { database: 700, keys: 1, expires: 0 },
    ],
    functions: 3,
    modules: ['graphdata', 'tairhash-'],
    bytes: bytes.length,
    checksum: 'ok',
  }

  test('is counted', () => {
    expect(read(bytes).facts).toEqual(expected)
  })

  test('is told key by key', () => {
    const { keys } = read(bytes)
    expect(keys.slice(0, SAMPLES.length)).toEqual(
      SAMPLES.map((sample, index) => ({
        database: 0,
        key: Buffer.from(`key ${index}`),
        type: sample.type === 0 ? 'string' : sample.encoding.split('-')[0],
        encoding: sample.encoding,
        ...(index % 3 === 0 ? { expiresAtMs: 1_900_000_000_000 + index } : {}),
        ...(index % 3 === 1 ? { expiresAtMs: 0x6553f100 * 1000 } : {}),
      })),
    )
    expect(keys.slice(SAMPLES.length)).toEqual([
      { database: 700, key: Buffer.alloc(500, 'k'), type: 'string', encoding: 'int' },
      { database: 0, key: Buffer.from('-70000'), type: 'string', encoding: 'raw' },
    ])
  })

  test.each([1, 2, 3, 7, 64, 1000])('is read the same in pieces of %i bytes', (step) => {
    expect(read(bytes, step)).toEqual(read(bytes))
  })

  test('is read the same when cut in two anywhere', () => {
    for (let cut = 0; cut <= bytes.length; cut += cut > 1_500 && cut < bytes.length - 300 ? 97 : 1) {
      const reader = new RdbReader()
      reader.write(Buffer.from(bytes.subarray(0, cut)))
      reader.write(Buffer.from(bytes.subarray(cut)))
      expect(reader.end()).toEqual(expected)
    }
  })

  test('is truncated at every byte but the last, and says where', () => {
    for (let cut = 0; cut < bytes.length; cut += cut > 1_500 && cut < bytes.length - 300 ? 61 : 1) {
      const reader = new RdbReader()
      reader.write(bytes.subarray(0, cut))
      let error: unknown
      try {
        reader.end()
      } catch (thrown) {
        error = thrown
      }
      expect(error).toBeInstanceOf(DamageError)
      expect(error).toMatchObject({ problem: 'truncated', offset: cut })
      expect(reader.endOffset).toBeUndefined()
    }
  })

  test('is refused when any bit is flipped', () => {
    for (let at = 0; at < bytes.length; at += at > 1_500 && at < bytes.length - 300 ? 61 : 1) {
      const damaged = Buffer.from(bytes)
      damaged[at] = damaged[at]! ^ (1 << (at % 8))
      expect(problem(damaged), `byte ${at}`).toBeInstanceOf(RdbError)
    }
  })
})

describe('each type', () => {
  test.each(SAMPLES.map((sample) => [sample.encoding, sample] as const))('%s', (encoding, sample) => {
    const body = [key('before'), key('it', sample.type, sample.value), key('after')]
    const { facts, keys } = read(rdb(body), 1)
    expect(keys.map((each) => each.key.toString())).toEqual(['before', 'it', 'after'])
    expect(keys[1]?.encoding).toBe(encoding)
    expect(facts.databases).toEqual([{ database: 0, keys: 3, expires: 0 }])
  })

  test.each([1, 2, 3] as const)('a stream of form %i that is empty and has no groups', (form) => {
    const value = Buffer.concat([len(0), ...Array.from({ length: form === 1 ? 3 : 8 }, () => len(0)), len(0)])
    const type = { 1: 15, 2: 19, 3: 21 }[form]
    expect(read(rdb([key('s', type, value)])).facts.databases).toEqual([{ database: 0, keys: 1, expires: 0 }])
  })

  test.each([1, 2, 3, 4, 5, 14, 18, 22])(
    'a collection of no elements is dropped, as Redis does (type %i)',
    (type) => {
      const body = [byte(252), u64le(5), key('gone', type, len(0)), key('stays')]
      expect(read(rdb(body)).facts.databases).toEqual([{ database: 0, keys: 1, expires: 0 }])
    },
  )

  test('a module of a release candidate is refused with a next step', () => {
    const error = problem(rdb([key('m', 6, Buffer.concat([moduleId('something'), str('x')]))]))
    expect(error.problem).toBe('module')
    expect(error.details.next).toMatch(/release candidate/)
  })

  test.each([8, 26, 30, 128, 243])('type %i is unknown', (type) => {
    expect(problem(rdb([key('k', type)]))).toMatchObject({ problem: 'malformed', offset: 9 })
  })

  test('an unknown part of a module value', () => {
    expect(problem(rdb([key('m', 7, Buffer.concat([moduleId('something'), len(6)]))])).problem).toBe(
      'malformed',
    )
  })
})

describe('versions and checksums', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])('version %i', (version) => {
    const bytes = rdb([byte(254), len(0), key('k')], { version })
    expect(read(bytes, 1).facts).toEqual({
      version,
      databases: [{ database: 0, keys: 1, expires: 0 }],
      functions: 0,
      modules: [],
      bytes: bytes.length,
      checksum: version < 5 ? 'none' : 'ok',
    })
  })

  test.each([0, 13, 80, 9999])('version %i is not supported', (version) => {
    const error = problem(rdb([key('k')], { version }))
    expect(error.problem).toBe('version')
    expect(error.message).toContain(`RDB version ${version} `)
  })

  test('the format of Valkey 9 is named', () => {
    const error = problem(Buffer.from('VALKEY080\xfa\x00', 'latin1'))
    expect(error.problem).toBe('version')
    expect(error.message).toContain('RDB version 80 of Valkey')
  })

  test('a checksum of zero was switched off', () => {
    expect(read(rdb([key('k')], { checksum: 'disabled' })).facts.checksum).toBe('none')
  })

  test('a wrong checksum', () => {
    expect(problem(rdb([key('k')], { checksum: 'wrong' })).problem).toBe('checksum')
  })

  test('a missing checksum', () => {
    expect(problem(rdb([key('k')], { checksum: 'absent' })).problem).toBe('truncated')
  })

  test.each(['', 'R', 'REDIX0011', 'REDIS00x1', 'REDIS 011', '*2\r\n$6\r\nSELECT', 'VALKEYxyz', 'VALKET080'])(
    '%j is not an RDB',
    (text) => {
      expect(problem(Buffer.from(text)).problem).toBe(text.length < 2 ? 'truncated' : 'not-rdb')
    },
  )
})

describe('the end', () => {
  const bytes = rdb([key('k')])

  test('what follows is refused by default, in the same piece and in a later one', () => {
    expect(problem(Buffer.concat([bytes, byte(0)]))).toMatchObject({
      problem: 'trailing',
      offset: bytes.length,
    })
    const reader = new RdbReader()
    reader.write(bytes)
    expect(() => reader.write(byte(0))).toThrow(expect.objectContaining({ offset: bytes.length }) as Error)
    expect(() => reader.end()).toThrow(RdbError)
  })

  test.each([1, 5, 1000])('what follows is allowed when asked, in pieces of %i bytes', (step) => {
    const all = Buffer.concat([bytes, Buffer.alloc(40, 'f')])
    const reader = new RdbReader(undefined, { trailing: true })
    for (let at = 0; at < all.length; at += step) {
      reader.write(all.subarray(at, at + step))
      expect(reader.endOffset).toBe(at + step >= bytes.length ? bytes.length : undefined)
    }
    expect(reader.end().bytes).toBe(bytes.length)
  })

  test('an error is thrown again', () => {
    const reader = new RdbReader()
    expect(() => reader.write(Buffer.from('nonsense, really'))).toThrow(RdbError)
    expect(() => reader.write(bytes)).toThrow('not an RDB')
    expect(() => reader.end()).toThrow('not an RDB')
  })
})

describe('lengths that can not be', () => {
  const huge = Buffer.concat([byte(0x81), byte(0x80, 0, 0, 0, 0, 0, 0, 0)])

  test('a string of 2^63 bytes', () => {
    expect(problem(rdb([byte(0), huge, str('v')])).problem).toBe('malformed')
    expect(problem(rdb([byte(0), str('k'), huge])).problem).toBe('malformed')
  })

  test('a key of 2^40 bytes is not allocated', () => {
    const large = Buffer.concat([byte(0x81), byte(0, 0, 1, 0, 0, 0, 0, 0)])
    const before = process.memoryUsage().arrayBuffers
    const reader = new RdbReader(() => undefined)
    expect(() => reader.write(rdb([byte(0), large, str('v')]))).toThrow('longer than a key can be')
    const counter = new RdbReader()
    counter.write(rdb([byte(0), large, str('v')]))
    expect(() => counter.end()).toThrow('ends too early')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20)
  })

  test('a compressed key that claims to be far longer than it can be is not allocated', () => {
    const claim = Buffer.concat([byte(0xc3), len(3), len(400_000_000), byte(0, 97, 0)])
    const before = process.memoryUsage().arrayBuffers
    expect(problem(rdb([byte(0), claim, str('v')])).message).toContain('longer than it can be')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20)
  })

  test.each([1, 2, 3, 4, 5, 14, 15, 18])('2^63 elements (type %i)', (type) => {
    expect(problem(rdb([key('k', type, huge)])).problem).toBe('malformed')
  })

  test('a string encoding where a length belongs', () => {
    expect(problem(rdb([key('k', 1, int8(3))])).problem).toBe('malformed')
    expect(problem(rdb([byte(254), int8(3)])).problem).toBe('malformed')
    expect(problem(rdb([byte(0), str('k'), byte(0xc4)])).problem).toBe('malformed')
    expect(problem(rdb([byte(0), str('k'), byte(0x82)])).problem).toBe('malformed')
  })

  test('a database beyond what Redis can have', () => {
    expect(problem(rdb([byte(254), len(2n ** 31n)])).problem).toBe('malformed')
  })
})

test('damaged compressed keys are damage, but only for those who read keys', () => {
  const key = Buffer.concat([byte(0xc3), len(3), len(9), byte(0x80, 0x40, 0x20)])
  const bytes = rdb([byte(0), key, str('v')])
  expect(problem(bytes)).toMatchObject({ problem: 'malformed' })
  const counter = new RdbReader()
  counter.write(bytes)
  expect(counter.end().databases).toEqual([{ database: 0, keys: 1, expires: 0 }])
})

describe('arbitrary bytes', () => {
  const survives = (bytes: Buffer, steps: number[]): void => {
    const reader = new RdbReader(() => undefined, { trailing: true })
    try {
      let at = 0
      for (let turn = 0; at < bytes.length; turn += 1) {
        const step = steps[turn % steps.length] ?? 1
        reader.write(bytes.subarray(at, at + step))
        at += step
      }
      reader.end()
    } catch (error) {
      if (!(error instanceof RdbError)) throw error
    }
  }
  const pieces = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 })

  test('behind a good header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), pieces, (bytes, steps) => {
        survives(Buffer.concat([Buffer.from('REDIS0012'), bytes]), steps)
      }),
      { numRuns: 3000 },
    )
  })

  test('in the middle of good ones', () => {
    const good = everything().bytes.subarray(0, 3000)
    fc.assert(
      fc.property(fc.nat(2990), fc.uint8Array({ maxLength: 40 }), pieces, (at, bytes, steps) => {
        survives(Buffer.concat([good.subarray(0, at), bytes, good.subarray(at + bytes.length)]), steps)
      }),
      { numRuns: 1000 },
    )
  })

  test('as the value of each type', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 27 }),
        fc.uint8Array({ maxLength: 100 }),
        pieces,
        (type, bytes, steps) => {
          survives(rdb([byte(type), str('k'), Buffer.from(bytes)]), steps)
        },
      ),
      { numRuns: 3000 },
    )
  })
})

test('pieces and handlers make no difference to what is counted', () => {
  const string = fc.oneof(
    fc.uint8Array({ maxLength: 100 }).map((bytes) => str(Buffer.from(bytes))),
    fc.integer({ min: -128, max: 127 }).map(int8),
    fc.integer({ min: 1, max: 20_000 }).map((count) => lzf('q', count)),
  )
  const entry = fc.oneof(
    fc.tuple(string, string).map(([name, value]) => Buffer.concat([byte(0), name, value])),
    fc
      .tuple(string, fc.array(string, { minLength: 1 }))
      .map(([name, values]) =>
        Buffer.concat([byte(252), u64le(9), byte(2), name, len(values.length), ...values]),
      ),
    fc.tuple(string).map(([name]) => Buffer.concat([byte(21), name, stream(3)])),
  )
  fc.assert(
    fc.property(fc.array(entry), fc.integer({ min: 1, max: 700 }), (entries, step) => {
      const bytes = rdb(entries)
      expect(read(bytes, step)).toEqual(read(bytes))
      expect(read(bytes).keys).toHaveLength(entries.length)
    }),
    { numRuns: 30 },
  )
})
