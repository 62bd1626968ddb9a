import { randomBytes } from 'node:crypto'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LabRedis, startRedis } from '../lab/redis.ts'
import { mountTmpfs } from '../lab/tmpfs.ts'
import {
  expectCleanServer,
  expectClearFailure,
  expectGoodPull,
  vaultState,
  vaultTree,
} from '../lab/unharmed.ts'
import { startWorld, type World } from '../lab/world.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

const RIGHT = 'correct-horse-battery'
const WRONG = 'hunter2-wrong-staple'

let world: World
let before: Awaited<ReturnType<typeof vaultState>>
let good: Record<string, Record<string, unknown>>
beforeAll(async () => {
  world = await startWorld()
  await world.redis.cli('CONFIG', 'SET', 'repl-diskless-sync-delay', '0')
  const host = world.config.hosts['prod']!
  good = { redis_data: { ...host.sources['redis_data'] } }
  host.sources = good
  await world.writeConfig()
  await writeFile(join(world.home, 'wrong'), `${WRONG}\n`, { mode: 0o600 })
  await expectGoodPull(world)
  before = await vaultState(world)
})
afterAll(() => world[Symbol.asyncDispose]())

/** Pulls only this Redis. */
async function pullFrom(redis: LabRedis, more: Record<string, unknown> = {}) {
  const source = { kind: 'redis', path: redis.dir, address: `127.0.0.1:${redis.port}`, ...more }
  world.config.hosts['prod']!.sources = { redis_data: source }
  await world.writeConfig()
  const result = await world.cli('pull', 'prod')
  world.config.hosts['prod']!.sources = good
  await world.writeConfig()
  return result
}

async function expectUnharmed(): Promise<void> {
  expect(vaultTree(world)).toEqual(before.tree)
  await expectCleanServer(world)
}

describe('a Redis', () => {
  test('with a password that we do not have, and then with a wrong one', async () => {
    await using redis = await startRedis({ password: RIGHT })
    const missing = await pullFrom(redis)
    expectClearFailure(missing, { code: 1, says: /wants a password/, next: /Add `password` to this source/ })
    const wrong = await pullFrom(redis, { password: { file: 'wrong' } })
    const says = /does not accept the password of user default/
    expectClearFailure(wrong, { code: 1, says, next: /Check `password`/, secrets: [RIGHT, WRONG] })
    await expectUnharmed()
  })

  test('that is still loading', async () => {
    const dir = join(world.home, 'loading')
    await mkdir(dir)
    {
      await using filling = await startRedis({ dir })
      await filling.pipe(Array.from({ length: 20_000 }, (_, key) => `SET k${key} v\r\n`).join(''))
      await filling.cli('SAVE')
    }
    const slowly = ['--key-load-delay', '1000', '--loading-process-events-interval-bytes', '1024']
    await using redis = await startRedis({ dir, loading: true, args: slowly })
    expectClearFailure(await pullFrom(redis), {
      code: 1,
      says: /is still loading its data/,
      next: /loading:0/,
    })
    await expectUnharmed()
  })

  test('whose disk is full: BGSAVE fails, and nothing of it stays there', async () => {
    await using small = await mountTmpfs(join(world.home, 'small'), '256k')
    await using redis = await startRedis({ dir: small.path })
    await redis.cli('SET', 'large', randomBytes(600_000))
    const says = /could not save: its BGSAVE failed \(free where it writes: \d+ KiB\)/
    expectClearFailure(await pullFrom(redis), { code: 1, says, next: /disk is full/ })
    expect(await redis.cli('DBSIZE')).toBe('1')
    await expectUnharmed()
  })

  test('whose directory was replaced beneath it: no restart is advised, its data is only in memory', async () => {
    const dir = join(world.home, 'replaced')
    await mkdir(dir)
    await using redis = await startRedis({ dir })
    await redis.cli('SET', 'only', 'here')
    await rename(dir, `${dir}.old`)
    await mkdir(dir)
    const moved = await pullFrom(redis, { path: dir })
    expectClearFailure(moved, {
      code: 1,
      says: /writes to \S+replaced\.old, not to \S+replaced$/m,
      next: /Set `path`/,
    })
    await rm(`${dir}.old`, { recursive: true })
    const gone = await pullFrom(redis, { path: dir })
    expectClearFailure(gone, {
      code: 1,
      says: /was moved or removed beneath it/,
      next: /Do not restart Redis/,
    })
    // What is advised works.
    await redis.cli('--rdb', join(dir, 'dump.rdb'))
    await using again = await startRedis({ dir })
    expect(await again.cli('GET', 'only')).toBe('here')
    await expectUnharmed()
  })

  test('that is a replica without its master, and refuses stale reads', async () => {
    const args = ['--replicaof', '127.0.0.1', '1', '--replica-serve-stale-data', 'no']
    await using redis = await startRedis({ args })
    expectClearFailure(await pullFrom(redis), {
      code: 1,
      says: /is a replica that has lost its master/,
      next: /point this source at the master/,
    })
    await expectUnharmed()
  })

  test('that is a replica without its master, and serves what it has: captured, with a warning', async () => {
    await using redis = await startRedis({ args: ['--replicaof', '127.0.0.1', '1'] })
    const result = await pullFrom(redis)
    expect(result.code).toBe(0)
    expect(result.stderr).toMatch(
      /the link to it is down: what it has may be old\n +Next: Point this source at the master/,
    )
  })

  test('that is a healthy read-only replica is captured like any other', async () => {
    await using redis = await startRedis({ args: ['--replicaof', '127.0.0.1', String(world.redis.port)] })
    for (
      let tries = 0;
      tries < 100 && !(await redis.cli('INFO')).includes('master_link_status:up');
      tries += 1
    )
      await sleep(100)
    const result = await pullFrom(redis)
    expect(result.code).toBe(0)
    expect(result.stderr).not.toContain('may be old')
    const manifest = await world.manifest((await world.snapshots()).at(-1) ?? '')
    expect(JSON.stringify(manifest)).toMatch(/"keys":3/)
  })
})

test('after all of it the next pull succeeds, and the settings of Redis are as they were', async () => {
  await expectGoodPull(world)
  expect(await world.redis.cli('CONFIG', 'GET', 'auto-aof-rewrite-percentage')).toContain('100')
})
