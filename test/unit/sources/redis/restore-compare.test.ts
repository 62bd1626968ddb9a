import { describe, expect, test } from 'vitest'
import { compareKeys, parseKeyspace } from '../../../../src/sources/redis/restore/compare.ts'

const db = (database: number, keys: number, expires = 0) => ({ database, keys, expires })

describe('keys of a restored Redis', () => {
  test.each([
    ['as captured', [db(0, 5, 2), db(3, 1)], [db(0, 5, 2), db(3, 1)], '6 keys in 2 databases, as expected'],
    ['some expired', [db(0, 5, 2)], [db(0, 4, 1)], '4 keys in 1 database, as expected (1 has expired)'],
    ['all expired', [db(0, 2, 2)], [], '0 keys in 0 databases, as expected (2 have expired)'],
    ['only one', [db(0, 1)], [db(0, 1)], '1 key in 1 database, as expected'],
    ['nothing of nothing', [], [], '0 keys in 0 databases, as expected'],
  ])('%s: good', (_what, databases, actual, message) => {
    expect(compareKeys({ databases, exact: true }, actual)).toMatchObject({ outcome: 'ok', message })
  })

  test.each([
    ['one without an expiry is missing', [db(0, 5, 2)], [db(0, 4, 2)]],
    ['one more than captured', [db(0, 5, 2)], [db(0, 6, 2)]],
    ['more have an expiry', [db(0, 5, 2)], [db(0, 5, 3)]],
    ['one more, with an expiry', [db(0, 5, 2)], [db(0, 6, 3)]],
    ['another database', [db(0, 5)], [db(1, 5)]],
    ['none at all', [db(0, 5)], []],
    ['some of nothing', [], [db(0, 1)]],
  ])('%s: they differ', (_what, databases, actual) => {
    expect(compareKeys({ databases, exact: true }, actual).outcome).toBe('failed')
    // Commands behind the base of an AOF change what is there, but not all of it.
    const approximate = actual.length === 0 ? 'warning' : 'ok'
    expect(compareKeys({ databases, exact: false }, actual).outcome).toBe(approximate)
  })

  test('says which databases, five of them', () => {
    const many = Array.from({ length: 7 }, (_, at) => db(at, 2, 1))
    const { message } = compareKeys({ databases: many, exact: true }, [])
    expect(message).toContain('db0: expected 2 keys (1 with an expiry), actual 0 keys (0 with an expiry)')
    expect(message).toContain('; 2 databases more')
    expect(message).not.toContain('db5')
  })

  test('are read from INFO', () => {
    const info = new Map([
      ['db0', 'keys=5,expires=1,avg_ttl=0'],
      ['db12', 'keys=7,expires=0,avg_ttl=0,subexpiry=0'],
      ['redis_version', '7.0'],
      ['dbx', 'keys=1,expires=0'],
    ])
    expect(parseKeyspace(info)).toEqual([db(0, 5, 1), db(12, 7)])
  })
})
