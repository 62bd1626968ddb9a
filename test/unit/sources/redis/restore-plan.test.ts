import { describe, expect, test } from 'vitest'
import type { RdbFacts, RedisFacts } from '../../../../src/sources/redis/facts.ts'
import { compareKeys, expectedKeys } from '../../../../src/sources/redis/restore/compare.ts'
import { fingerprint } from '../../../../src/sources/redis/merge/fingerprint.ts'
import { arrangement, stagedFiles } from '../../../../src/sources/redis/restore/plan.ts'
import { checkVersion } from '../../../../src/sources/redis/restore/preflight.ts'
import type { ScriptRecord } from '../../../../src/sources/redis/talk/records.ts'
import type { RedisStart } from '../../../../src/sources/redis/start/next-start.ts'

const rdb: RdbFacts = {
  version: 10,
  databases: [{ database: 0, keys: 10, expires: 4 }],
  functions: 0,
  modules: [],
  bytes: 100,
  checksum: 'ok',
}
const facts: RedisFacts = {
  kind: 'redis',
  form: 'rdb',
  loads: 'rdb',
  pointInTime: true,
  stopped: false,
  serverVersion: '7.0.15',
  rdb,
  settings: {},
}
const start = (more: Partial<RedisStart> = {}): RedisStart => ({
  running: true,
  told: true,
  configured: false,
  version: { name: '7.0.15', redis: '7.0.15' },
  binary: { path: '/usr/bin/redis-server', version: { name: '7.0.15', redis: '7.0.15' } },
  appendonly: false,
  dbfilename: 'dump.rdb',
  appenddirname: 'appendonlydir',
  appendfilename: 'appendonly.aof',
  findings: [],
  notes: [],
  ...more,
})
const multiPart: ScriptRecord[] = [
  ['directory', 'appendonlydir'],
  ['manifest', 'appendonlydir/appendonly.aof.manifest'],
  [
    'text',
    'file a.3.incr.aof seq 3 type i\nfile old seq 1 type h\nfile a.2.base.rdb seq 2 type b\nfile a.2.incr.aof seq 2 type i',
  ],
  ...['a.2.base.rdb', 'a.2.incr.aof', 'a.3.incr.aof', 'old'].map((name): ScriptRecord => [
    'part',
    `appendonlydir/${name}`,
  ]),
]
const aof = { layout: 'multi-part', files: 3, bytes: 300, base: rdb, incrementalBytes: 200 } as const
const WORK = '.relay-backup-redis'

describe('the steps of an arrangement', () => {
  test('leave nothing of the other form, also under the names of the target', () => {
    const staged = stagedFiles([
      ['file', 'source.rdb'],
      ['file', 'target.aof'],
      ['other', 'appendonlydir'],
      ['file', 'users.acl'],
    ])
    const steps = arrangement(
      staged,
      { ...facts, settings: { dbfilename: 'source.rdb' } },
      start({ dbfilename: 'target.rdb', appendfilename: 'target.aof' }),
    )
    expect(steps).toEqual([
      ['mkdir', WORK, '.'],
      ['move', 'source.rdb', `${WORK}/target.rdb`],
      ['remove', 'appendonlydir'],
      ['remove', 'target.aof'],
      ['move', `${WORK}/target.rdb`, 'target.rdb'],
      ['remove', WORK],
    ])
  })

  test('put the parts of an AOF into order under new names, without its history', () => {
    const steps = arrangement(
      stagedFiles(multiPart),
      { ...facts, form: 'aof', loads: 'aof', aof },
      start({ appendonly: true, appendfilename: 'b c.aof' }),
    )
    expect(steps.find(([verb]) => verb === 'write')?.[3]).toBe(
      'file "b c.aof.2.base.rdb" seq 2 type b\nfile "b c.aof.2.incr.aof" seq 2 type i\nfile "b c.aof.3.incr.aof" seq 3 type i',
    )
    expect(steps).toContainEqual(['remove', 'appendonlydir'])
  })

  test('put them behind each other for a Redis that writes one file', () => {
    const steps = arrangement(
      stagedFiles(multiPart),
      { ...facts, form: 'aof', loads: 'aof', aof },
      start({ appendonly: true, version: { name: '6.2.1', redis: '6.2.1' } }),
    )
    expect(steps.slice(1, 4)).toEqual([
      ['move', 'appendonlydir/a.2.base.rdb', `${WORK}/appendonly.aof`],
      ['append', 'appendonlydir/a.2.incr.aof', `${WORK}/appendonly.aof`],
      ['append', 'appendonlydir/a.3.incr.aof', `${WORK}/appendonly.aof`],
    ])
  })

  test('give an RDB to a Redis that writes one file as the beginning of it', () => {
    const steps = arrangement(
      stagedFiles([['file', 'dump.rdb']]),
      facts,
      start({ appendonly: true, version: { name: '6.2.1', redis: '6.2.1' } }),
    )
    expect(steps.at(-2)).toEqual(['move', `${WORK}/appendonly.aof`, 'appendonly.aof'])
  })

  test('of a server that was down take the form that it would have loaded, under the names found', () => {
    const staged = stagedFiles([['file', 'mine.rdb'], ...multiPart])
    const stopped = { ...facts, form: 'both', stopped: true, loads: 'aof', aof } as const
    const steps = arrangement(staged, stopped, start({ told: false, appendonly: true }))
    expect(steps).toContainEqual(['remove', 'mine.rdb'])
    expect(steps.at(-2)?.[2]).toBe('appendonlydir')
    const rdbOnly = { ...facts, stopped: true } as const
    expect(
      arrangement(stagedFiles([['file', 'mine.rdb']]), rdbOnly, start({ told: false })).at(-2)?.[2],
    ).toBe('mine.rdb')
  })

  test('refuse what is not whole and names that lead elsewhere', () => {
    expect(() => arrangement(stagedFiles([]), facts, start())).toThrow(/its RDB is not there/)
    const lacking = multiPart.filter(([, value]) => value !== 'appendonlydir/a.3.incr.aof')
    const captured = { ...facts, form: 'aof', loads: 'aof', aof } as const
    expect(() => arrangement(stagedFiles(lacking), captured, start())).toThrow(/lacks a.3.incr.aof/)
    const outside = multiPart.map(([kind, value]): ScriptRecord => [
      kind,
      value.replaceAll('a.3.incr.aof', '../../x'),
    ])
    expect(() =>
      arrangement(stagedFiles(outside.filter(([kind]) => kind !== 'part')), captured, start()),
    ).toThrow(/its AOF lacks/)
    for (const dbfilename of ['../dump.rdb', '..', '', 'a\nb']) {
      expect(() => arrangement(stagedFiles([['file', 'dump.rdb']]), facts, start({ dbfilename }))).toThrow(
        /file name/,
      )
    }
    expect(() => arrangement(stagedFiles(multiPart), captured, start({ binary: undefined }))).toThrow(
      /redis-server/,
    )
  })
})

test('an RDB of a newer Redis is refused, with both versions named', () => {
  const newer = { ...facts, serverVersion: '7.4.1', rdb: { ...rdb, version: 12 } }
  const [finding] = checkVersion(newer, start())
  expect(finding).toMatchObject({ check: 'redis-version', outcome: 'failed' })
  expect(finding?.message).toBe(
    'Redis 7.0.15 there is too old: the snapshot has RDB version 12 (written by Redis 7.4.1), which needs Redis 7.4 or later',
  )
  expect(checkVersion(facts, start())[0]?.outcome).toBe('ok')
  expect(checkVersion(facts, start({ version: undefined }))[0]?.outcome).toBe('warning')
})

describe('keys per database', () => {
  const expected = {
    databases: [
      { database: 0, keys: 10, expires: 4 },
      { database: 3, keys: 1, expires: 1 },
    ],
    exact: true,
  }

  test.each([
    [
      'all are there',
      [
        [0, 10, 4],
        [3, 1, 1],
      ],
      'ok',
    ],
    ['some have expired, and a database with them', [[0, 7, 1]], 'ok'],
    [
      'a key without an expiry is missing',
      [
        [0, 9, 4],
        [3, 1, 1],
      ],
      'failed',
    ],
    [
      'there are more',
      [
        [0, 11, 5],
        [3, 1, 1],
      ],
      'failed',
    ],
    [
      'there is another database',
      [
        [0, 10, 4],
        [3, 1, 1],
        [4, 1, 0],
      ],
      'failed',
    ],
    ['it is empty', [], 'failed'],
  ])('%s', (_name, actual, outcome) => {
    const databases = actual.map(([database = 0, keys = 0, expires = 0]) => ({ database, keys, expires }))
    expect(compareKeys(expected, databases)).toMatchObject({ check: 'redis-keys', outcome })
    // Keys that the commands behind an AOF's base have made looked like damage.
    const approximate = compareKeys({ ...expected, exact: false }, databases)
    expect(approximate.outcome).toBe(databases.length === 0 ? 'warning' : 'ok')
    expect(approximate.message).not.toContain('differ from')
  })

  test('both numbers are named', () => {
    expect(compareKeys(expected, []).message).toContain(
      'db0: expected 10 keys (4 with an expiry), actual 0 keys',
    )
  })

  test('counts of an AOF with commands behind its base never decide', () => {
    expect(expectedKeys({ ...facts, form: 'aof', loads: 'aof', aof }, true)?.exact).toBe(false)
    const quiet = { ...aof, incrementalBytes: 0 }
    expect(expectedKeys({ ...facts, form: 'aof', loads: 'aof', aof: quiet }, true)?.exact).toBe(true)
    expect(expectedKeys({ ...facts, form: 'both', aof }, false)?.exact).toBe(true)
  })
})

test('a fingerprint does not depend on the order of a set or on the version, but on all else', () => {
  const dump = (...bytes: (number | string)[]): Buffer =>
    Buffer.concat([
      ...bytes.map((byte) => (typeof byte === 'number' ? Buffer.from([byte]) : Buffer.from(byte))),
      Buffer.from([10, 0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ])
  const newer = (payload: Buffer): Buffer =>
    Buffer.concat([payload.subarray(0, -10), Buffer.from('0123456789')])
  const set = dump(2, 2, 3, 'abc', 0xc0, 7)
  expect(fingerprint(dump(2, 2, 0xc0, 7, 3, 'abc'))).toBe(fingerprint(newer(set)))
  expect(fingerprint(dump(2, 2, 0xc0, 8, 3, 'abc'))).not.toBe(fingerprint(set))
  expect(fingerprint(dump(4, 2, 1, 'a', 1, 'b', 1, 'c', 1, 'd'))).toBe(
    fingerprint(dump(4, 2, 1, 'c', 1, 'd', 1, 'a', 1, 'b')),
  )
  expect(fingerprint(dump(4, 2, 1, 'a', 1, 'd', 1, 'c', 1, 'b'))).not.toBe(
    fingerprint(dump(4, 2, 1, 'a', 1, 'b', 1, 'c', 1, 'd')),
  )
  // A list has an order.
  expect(fingerprint(dump(1, 2, 1, 'a', 1, 'b'))).not.toBe(fingerprint(dump(1, 2, 1, 'b', 1, 'a')))
  expect(fingerprint(Buffer.alloc(0))).toBe(fingerprint(Buffer.alloc(3)))
})
