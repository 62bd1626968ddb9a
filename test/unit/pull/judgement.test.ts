import { describe, expect, test } from 'vitest'
import type { CaptureType, HostConfig, SourceConfig } from '../../../src/model/config.ts'
import type { Facts } from '../../../src/model/facts.ts'
import type { RedisFacts } from '../../../src/sources/redis/facts.ts'
import type { ManifestSource } from '../../../src/model/snapshot.ts'
import { archiveFileName } from '../../../src/pull/archive-name.ts'
import { freshEnough } from '../../../src/pull/freshness.ts'
import { asType } from '../../../src/pull/capture-type.ts'
import { selectSources } from '../../../src/pull/select-sources.ts'
import { findShrinkage } from '../../../src/pull/shrinkage.ts'
import { pullExitCode } from '../../../src/commands/pull.ts'
import type { Snapshot } from '../../../src/vault/contract.ts'

function source(name: string, facts: Facts): ManifestSource {
  return {
    name,
    kind: facts.kind,
    mode: 'full',
    parents: [],
    archives: [],
    entries: 1,
    facts,
    warnings: [],
  }
}

function files(bytes: number): Facts {
  return { kind: 'files', files: 1, directories: 1, links: 0, others: 0, bytes }
}

function redis(keys: number, more: Partial<RedisFacts> = {}): Facts {
  return {
    kind: 'redis',
    form: 'rdb',
    loads: 'rdb',
    pointInTime: true,
    stopped: false,
    settings: {},
    rdb: {
      version: 10,
      databases: [{ database: 0, keys, expires: 0 }],
      functions: 0,
      modules: [],
      bytes: 100,
      checksum: 'ok',
    },
    ...more,
  }
}

describe('a source that lost nearly everything', () => {
  const nobody = new Set<string>()
  test.each([
    ['gone', [source('a', files(1000))], [], 'source-gone'],
    ['empty', [source('a', files(1000))], [source('a', files(0))], 'source-empty'],
    ['smaller by more than 90 %', [source('a', files(1000))], [source('a', files(99))], 'source-shrank'],
    ['a Redis with few keys left', [source('a', redis(1000))], [source('a', redis(99))], 'source-shrank'],
    ['a Redis that was flushed', [source('a', redis(1000))], [source('a', redis(0))], 'source-empty'],
    [
      'a Redis that does not answer any more',
      [source('a', redis(5))],
      [source('a', redis(5, { stopped: true }))],
      'source-stopped',
    ],
  ] as const)('%s', (_name, before, now, code) => {
    expect(findShrinkage(before, now, nobody).map((found) => found.code)).toEqual([code])
  })

  test('ten per cent, an empty one that was empty, and a stopped one that was stopped are no news', () => {
    const before = [source('a', files(1000)), source('b', files(0)), source('c', redis(3, { stopped: true }))]
    const now = [source('a', files(100)), source('b', files(0)), source('c', redis(3, { stopped: true }))]
    expect(findShrinkage(before, now, nobody)).toEqual([])
  })

  test('what was not asked for or failed is not judged', () => {
    expect(findShrinkage([source('a', files(1000))], [], new Set(['a']))).toEqual([])
  })
})

describe('freshness', () => {
  const at = (id: string, complete = true, purpose = 'pull') =>
    ({ id, manifest: { complete, purpose } }) as unknown as Snapshot
  const now = new Date('2025-11-20T12:00:00Z')
  const hour = 3_600_000

  test('the newest complete pull counts', () => {
    expect(freshEnough([at('20251120T020000Z')], 20 * hour, now)).toBe(10 * hour)
    expect(freshEnough([at('20251119T020000Z')], 20 * hour, now)).toBeUndefined()
    expect(freshEnough([], 20 * hour, now)).toBeUndefined()
  })

  test('partial ones, safety copies and those dated in the future do not', () => {
    const snapshots = [
      at('20251120T110000Z', false),
      at('20251120T110001Z', true, 'safety'),
      at('20261120T020000Z'),
    ]
    expect(freshEnough(snapshots, 20 * hour, now)).toBeUndefined()
  })
})

describe('the selection', () => {
  const host = {
    name: 'prod',
    deployment: '~/app',
    sourcesByDefault: true,
    sources: [
      {
        kind: 'redis',
        name: 'redis_data',
        path: 'redis_data',
        capture: 'rdb',
        at: { address: '127.0.0.1', port: 6379, tls: false },
      },
      { kind: 'files', name: 'logs', paths: ['logs'], exclude: [] },
      { kind: 'files', name: 'config', paths: ['.env', 'docker-compose.yml'], exclude: [] },
    ],
  } as unknown as HostConfig

  test('by default takes what exists, also of a source with several paths', () => {
    const { sources, everything } = selectSources(host, undefined, new Set(['logs', '.env']))
    expect(sources).toMatchObject([{ name: 'logs' }, { name: 'config', paths: ['.env'] }])
    expect(everything).toBe(true)
  })

  test('of some sources is not everything', () => {
    const named = { ...host, sourcesByDefault: false }
    const { sources, everything } = selectSources(named, ['logs'], new Set())
    expect(sources.map((one) => one.name)).toEqual(['logs'])
    expect(everything).toBe(false)
  })

  test('by type leaves out what has no schema, unless it was asked for', () => {
    const db = {
      kind: 'postgres',
      name: 'db',
      databases: ['app'],
      capture: 'schema',
    } as unknown as SourceConfig
    const mixed = { sources: [...host.sources, db], everything: true }
    const names = (type: CaptureType, asked?: string[]) => {
      const { sources, everything } = asType(host, mixed, type, asked)
      return [sources.map(({ name, capture }) => `${name} ${String(capture)}`), everything]
    }
    expect(names('data')).toEqual([['db data'], false])
    expect(names('full')).toEqual([['redis_data rdb', 'logs undefined', 'config undefined', 'db full'], true])
    expect(() => names('schema', ['logs'])).toThrow(
      /logs is a .* source, and that can't be captured by its schema alone/,
    )
    expect(() => asType(host, { sources: host.sources, everything: true }, 'schema')).toThrow(/no source can/)
  })

  test('refuses a source that is not configured, and a server without any', () => {
    expect(() => selectSources(host, ['nope'], new Set(['logs']))).toThrow(/no source nope/)
    expect(() => selectSources(host, undefined, new Set())).toThrow(/none of the default sources/)
  })
})

test('archives are named by source, part, form and compression', () => {
  expect(archiveFileName('logs', { part: '', format: 'tar' }, 'zstd')).toBe('logs.tar.zst.gpg')
  expect(archiveFileName('logs', { part: 'reread', format: 'tar' }, 'gzip')).toBe('logs.reread.tar.gz.gpg')
  expect(archiveFileName('r', { part: '', format: 'stream', extension: 'rdb' }, 'none')).toBe('r.rdb.gpg')
})

test.each([
  [['done', 'skipped'], 0],
  [['done', 'failed'], 3],
  [['failed', 'failed'], 1],
  [['partial'], 3],
  [['locked', 'locked'], 5],
  [['locked', 'done'], 3],
  [['locked', 'failed'], 1],
  [['done', 'interrupted'], 130],
] as const)('%j exits %i', (outcomes, code) => {
  expect(pullExitCode(outcomes.map((outcome) => ({ host: 'h', outcome, sources: [], duration: 0 })))).toBe(
    code,
  )
})
