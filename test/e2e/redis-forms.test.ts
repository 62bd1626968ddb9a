import { cp, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startRedis } from '../lab/redis.ts'
import { startWorld, type World } from '../lab/world.ts'

const DEBUG = ['--enable-debug-command', 'yes'] as const
const EMPTY = '0'.repeat(40)

let world: World
let digest: string
beforeAll(async () => {
  world = await startWorld({ redis: { args: ['--appendonly', 'yes', ...DEBUG] } })
  const { redis_data } = world.config.hosts['prod']!.sources
  world.config.hosts['prod']!.sources = { redis_data: redis_data! }
  // By a command that goes to the AOF, which DEBUG POPULATE does not.
  await world.redis.cli('eval', "for i = 1, 5000 do redis.call('set', 'key' .. i, i) end", '0')
  await world.redis.cli('rpush', 'list', 'a', 'b')
  await world.redis.cli('set', 'fleeting', 'x', 'ex', '100000')
  digest = await world.redis.cli('debug', 'digest')
})
afterAll(() => world[Symbol.asyncDispose]())

/** Pulls in this form and opens the archive with stock tools; gives Redis's directory. */
async function pulledAs(capture: string): Promise<string> {
  world.config.hosts['prod']!.sources['redis_data']!['capture'] = capture
  await world.writeConfig()
  const result = await world.cli('pull', 'prod')
  expect(result.code, result.stderr).toBe(0)
  const target = join(world.home, `as-${capture}`)
  await mkdir(target)
  await world.extract((await world.snapshots()).at(-1) ?? '', target)
  return join(target, 'redis_data')
}

/** What a server that starts on a copy of these files holds. */
async function booted(directory: string, appendonly: 'yes' | 'no'): Promise<string> {
  const copy = `${directory}-${appendonly}`
  await cp(directory, copy, { recursive: true })
  await using redis = await startRedis({ dir: copy, args: ['--appendonly', appendonly, ...DEBUG] })
  return await redis.cli('debug', 'digest')
}

describe('the files of a pulled Redis, in a real server', () => {
  test('captured as AOF, load where AOF is on', async () => {
    const directory = await pulledAs('aof')
    expect(await readdir(directory)).toContain('appendonlydir')
    expect(await booted(directory, 'yes')).toBe(digest)
    expect(await booted(directory, 'no')).toBe(EMPTY)
  })

  test('captured as both, load with AOF and without', async () => {
    const directory = await pulledAs('both')
    expect((await readdir(directory)).sort()).toEqual(['appendonlydir', 'dump.rdb'])
    expect(await booted(directory, 'yes')).toBe(digest)
    expect(await booted(directory, 'no')).toBe(digest)
  })

  test('captured as RDB, load without AOF', async () => {
    const directory = await pulledAs('rdb')
    expect(await readdir(directory)).toEqual(['dump.rdb'])
    expect(await booted(directory, 'no')).toBe(digest)
  })

  test('and the server goes on as before', async () => {
    expect(await world.redis.cli('config', 'get', 'auto-aof-rewrite-percentage')).toMatch(/\n100$/)
    expect(await world.redis.cli('debug', 'digest')).toBe(digest)
    expect(await readdir(join(world.deployment, 'redis_data'))).not.toContain('.relay-backup')
  })
})
