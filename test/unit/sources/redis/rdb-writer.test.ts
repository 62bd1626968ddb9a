import { describe, expect, it } from 'vitest'
import { RdbReader } from '../../../../src/sources/redis/rdb/reader.ts'
import { RdbWriter, parsePayload } from '../../../../src/sources/redis/rdb/writer.ts'
import { str } from './rdb-fixture.ts'

/** What Redis 7.0 answered to DUMP of the string `value`. */
const PAYLOAD = Buffer.from('000576616c75650a0081f6c138c1aa9b6e', 'hex')

describe('RdbWriter', () => {
  it('writes what the reader reads: versions, databases, expiries, names of any length', () => {
    const writer = new RdbWriter()
    const content = Buffer.concat([Buffer.from([0]), str('value')])
    const rdb = Buffer.concat([
      writer.header(10, new Map([['redis-ver', '7.0.15']])),
      writer.selectDatabase(0),
      writer.key(Buffer.from('a'), content, undefined),
      writer.key(Buffer.from('b'.repeat(100)), content, 4_102_444_800_123),
      writer.key(Buffer.from('c'.repeat(20_000)), content, 1),
      writer.selectDatabase(100),
      writer.key(Buffer.from([0, 255]), content, undefined),
      writer.end(),
    ])
    const reader = new RdbReader()
    reader.write(rdb)
    expect(reader.end()).toMatchObject({
      version: 10,
      redisVersion: '7.0.15',
      checksum: 'ok',
      databases: [
        { database: 0, keys: 3, expires: 2 },
        { database: 100, keys: 1, expires: 0 },
      ],
    })
  })

  it('has no AUX fields where they are not known', () => {
    const writer = new RdbWriter()
    expect(writer.header(6, new Map([['redis-ver', '2.8']])).toString()).toBe('REDIS0006')
  })
})

describe('parsePayload', () => {
  it('takes the version and the checksum off', () => {
    expect(parsePayload(PAYLOAD)).toEqual({
      version: 10,
      content: Buffer.concat([Buffer.from([0]), str('value')]),
    })
  })

  it('refuses what is cut or changed', () => {
    expect(parsePayload(PAYLOAD.subarray(0, -1))).toBeUndefined()
    expect(parsePayload(Buffer.from(PAYLOAD).fill(1, 3, 4))).toBeUndefined()
    expect(parsePayload(Buffer.alloc(5))).toBeUndefined()
  })
})
