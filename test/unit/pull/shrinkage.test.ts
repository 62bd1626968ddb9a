import { expect, test } from 'vitest'
import type { FilesFacts } from '../../../src/sources/files/facts.ts'
import type { RedisFacts } from '../../../src/sources/redis/facts.ts'
import type { ManifestSource } from '../../../src/model/snapshot.ts'
import { findShrinkage } from '../../../src/pull/shrinkage.ts'

const source = (name: string, facts: FilesFacts | RedisFacts): ManifestSource => ({
  name,
  kind: facts.kind,
  mode: 'full',
  parents: [],
  archives: [],
  entries: 1,
  facts,
  warnings: [],
})
const files = (bytes: number): ManifestSource =>
  source('data', { kind: 'files', files: 1, directories: 1, links: 0, others: 0, bytes })
const redis = (keys: number): ManifestSource =>
  source('redis_data', {
    kind: 'redis',
    form: 'rdb',
    loads: 'rdb',
    pointInTime: true,
    stopped: false,
    settings: {},
    rdb: {
      version: 10,
      databases: keys === 0 ? [] : [{ database: 0, keys, expires: 0 }],
      functions: 0,
      modules: [],
      bytes: 100_000,
      checksum: 'ok',
    },
  })
const codes = (before: ManifestSource[], now: ManifestSource[], notJudged: string[] = []) =>
  findShrinkage(before, now, new Set(notJudged)).map(({ source: name, code }) => [name, code])

test('a source that vanished since the last complete snapshot', () => {
  expect(codes([files(10), redis(5)], [redis(5)])).toEqual([['data', 'source-gone']])
})

test('a source that was emptied', () => {
  expect(codes([files(10), redis(5)], [files(0), redis(0)])).toEqual([
    ['data', 'source-empty'],
    ['redis_data', 'source-empty'],
  ])
})

test('a source that lost more than nine tenths, by bytes or by keys', () => {
  expect(codes([files(1000), redis(100)], [files(99), redis(9)])).toEqual([
    ['data', 'source-shrank'],
    ['redis_data', 'source-shrank'],
  ])
  expect(codes([files(1000), redis(100)], [files(100), redis(10)])).toEqual([])
})

test('a source that failed, or was not asked for, or was empty before, is no loss', () => {
  expect(codes([files(10), redis(5)], [], ['data', 'redis_data'])).toEqual([])
  expect(codes([files(0), redis(0)], [files(0), redis(0)])).toEqual([])
})

test('a Redis that answered last time and does not now, as after a wrong address', () => {
  const stopped = (one: ManifestSource): ManifestSource => ({
    ...one,
    facts: { ...one.facts, stopped: true } as RedisFacts,
  })
  expect(codes([redis(5)], [stopped(redis(5))])).toEqual([['redis_data', 'source-stopped']])
  expect(codes([stopped(redis(5))], [stopped(redis(5))])).toEqual([])
  expect(codes([stopped(redis(5))], [redis(5)])).toEqual([])
})
