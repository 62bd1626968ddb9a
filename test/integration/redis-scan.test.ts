import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { LocalHost } from '../lab/local-host.ts'
import { resp, startRedis } from '../lab/redis.ts'
import type { LabRedis } from '../lab/redis.ts'
import { capture, makeDeployment, redisConfig, streamContent } from './redis-harness.ts'

const run = promisify(execFile)

const READER = '~* +ping +info +select +scan +dump +pexpiretime +pttl +function|dump'
const secret = { username: 'backup', password: { env: 'X' } }

/** Fifty thousand keys of all types and both kinds of expiry, small and large, in three databases. */
const FILL = `
  local function db(number, count)
    redis.call('select', number)
    for i = 1, count do
      local k = 'key:' .. number .. ':' .. i
      local kind = i % 8
      local size = (i % 200 == 0) and 600 or 3
      if kind == 0 then redis.call('set', k, string.rep('v', i % 5000) .. i)
      elseif kind == 1 then redis.call('set', k, i)
      elseif kind == 2 then for j = 1, size do redis.call('rpush', k, 'entry ' .. j) end
      elseif kind == 3 then for j = 1, size do redis.call('sadd', k, (i % 16 == 3) and j or 'm' .. j) end
      elseif kind == 4 then for j = 1, size do redis.call('zadd', k, j / 3, 'z' .. j) end
      elseif kind == 5 then for j = 1, size do redis.call('hset', k, 'f' .. j, 'v' .. j) end
      elseif kind == 6 then for j = 1, size do redis.call('xadd', k, j .. '-1', 'f', 'v' .. j) end
      else redis.call('pfadd', k, i, i + 1) end
      if kind == 6 then redis.call('xgroup', 'create', k, 'g', '0') end
      if i % 3 == 0 then redis.call('pexpireat', k, 4102444800123 + i) end
    end
  end
  db(0, 40000) db(3, 9999) db(15, 1)`

/** Every key of every database: type, expiry and value, as a digest. */
const EVERYTHING = `
  local all = {}
  for db = 0, 15 do
    redis.call('select', db)
    for _, key in ipairs(redis.call('keys', '*')) do
      local kind = redis.call('type', key).ok
      local value
      if kind == 'set' then
        local members = redis.call('smembers', key)
        table.sort(members)
        value = table.concat(members, ' ')
      elseif kind == 'hash' then
        local flat = redis.call('hgetall', key)
        local pairs = {}
        for at = 1, #flat, 2 do pairs[#pairs + 1] = flat[at] .. '=' .. flat[at + 1] end
        table.sort(pairs)
        value = table.concat(pairs, ' ')
      elseif kind == 'string' then value = redis.call('get', key)
      elseif kind == 'list' then value = table.concat(redis.call('lrange', key, 0, -1), ' ')
      elseif kind == 'zset' then value = table.concat(redis.call('zrange', key, 0, -1, 'withscores'), ' ')
      else value = redis.call('dump', key) end
      all[#all + 1] = db .. ' ' .. kind .. ' ' .. redis.sha1hex(key) .. ' ' .. redis.sha1hex(value) .. ' ' .. redis.call('pexpiretime', key)
    end
  end
  table.sort(all)
  return { #all, redis.sha1hex(table.concat(all, '\\n')) }`

const everything = (redis: LabRedis): Promise<string> => redis.cli('eval', EVERYTHING, '0')

/** Boots a real server on an RDB that redis-check-rdb finds good. */
async function boot(rdb: Buffer): Promise<{ redis: LabRedis } & AsyncDisposable> {
  const dir = await mkdtemp(join(tmpdir(), 'relay-redis-boot-'))
  const file = join(dir, 'dump.rdb')
  await writeFile(file, rdb)
  const { stdout } = await run('redis-check-rdb', [file])
  expect(stdout).toContain('RDB looks OK')
  const redis = await startRedis({ dir })
  return {
    redis,
    async [Symbol.asyncDispose]() {
      await redis[Symbol.asyncDispose]()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

describe('a Redis whose files and SYNC are out of reach', () => {
  test('gives its keys one by one: an RDB with all of them boots a real server', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ users: [`user backup on >secret ${READER}`] })
    await redis.cli('eval', FILL, '0')
    await redis.pipe(resp('set', Buffer.from([0, 255, 10, 13, 32]), Buffer.from([0, 1, 2, 255])))
    await redis.cli('set', 'big', 'x'.repeat(100_000))
    await redis.cli(
      'function',
      'load',
      "#!lua name=lib\nredis.register_function('one', function() return 1 end)",
    )
    await using host = new LocalHost()
    await using captured = await capture(redisConfig(redis.port, secret), {
      host,
      deployment: deployment.path,
      password: 'secret',
    })
    expect(captured.formats.get('')).toBe('stream')
    expect(captured.facts).toMatchObject({
      pointInTime: false,
      rdb: {
        databases: [
          { database: 0, keys: 40_002 },
          { database: 3, keys: 9999 },
          { database: 15, keys: 1 },
        ],
        functions: 1,
        checksum: 'ok',
      },
    })
    expect(captured.outcome.warnings).toContainEqual({ code: 'not-point-in-time', count: 1 })
    for (const { args, script } of host.commands) expect([script, ...(args ?? [])]).not.toContain('secret')
    await using copy = await boot(await streamContent(captured.files.get('') ?? ''))
    expect(await everything(copy.redis)).toBe(await everything(redis))
    expect(await copy.redis.cli('fcall', 'one', '0')).toBe('1')
  })

  test('that is written to meanwhile gives an RDB that loads, with what was there all the time', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ users: [`user backup on >secret ${READER}`] })
    await redis.cli('eval', `for i = 1, 5000 do redis.call('set', 'k' .. i, i) end`, '0')
    await using host = new LocalHost()
    let over = false
    // The server's table grows and shrinks, and SCAN tells keys twice; a name moves between two values.
    const writer = (async () => {
      while (!over) {
        await redis.cli('eval', `for i = 1, 20000 do redis.call('set', 'extra' .. i, i) end`, '0')
        await redis.cli('set', 'moving', 'short', 'px', '600000')
        await redis.cli('eval', `for i = 1, 20000 do redis.call('del', 'extra' .. i) end`, '0')
        await redis.cli('set', 'moving', 'forever')
      }
    })()
    await using captured = await capture(redisConfig(redis.port, secret), {
      host,
      deployment: deployment.path,
      password: 'secret',
    }).finally(() => (over = true))
    await writer
    await using copy = await boot(await streamContent(captured.files.get('') ?? ''))
    expect(await copy.redis.cli('mget', 'k1', 'k2500', 'k5000')).toBe('1\n2500\n5000')
    const value = await copy.redis.cli('get', 'moving')
    expect((await copy.redis.cli('pttl', 'moving')) === '-1').toBe(value === 'forever')
  })

  test('that is empty gives an RDB without keys', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({
      users: [`user backup on >secret ${READER.replace('+function|dump', '')}`],
    })
    await using host = new LocalHost()
    await using captured = await capture(redisConfig(redis.port, secret), {
      host,
      deployment: deployment.path,
      password: 'secret',
    })
    expect(captured.facts.rdb).toMatchObject({ databases: [], version: 6 })
    expect(captured.outcome.warnings).toContainEqual({ code: 'redis-functions-unread', count: 1 })
    await using copy = await boot(await streamContent(captured.files.get('') ?? ''))
    expect(await copy.redis.cli('dbsize')).toBe('0')
  })

  test('that tells only the time that is left (before 7.0) keeps the expiries', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({
      users: [`user backup on >secret ${READER.replace('+pexpiretime', '+time')}`],
    })
    await redis.cli('set', 'later', 'x', 'pxat', '4102444800123')
    await redis.cli('set', 'stays', 'x')
    await using host = new LocalHost()
    await using captured = await capture(redisConfig(redis.port, secret), {
      host,
      deployment: deployment.path,
      password: 'secret',
    })
    await using copy = await boot(await streamContent(captured.files.get('') ?? ''))
    const expiry = Number(await copy.redis.cli('pexpiretime', 'later'))
    expect(Math.abs(expiry - 4_102_444_800_123)).toBeLessThan(10_000)
    expect(await copy.redis.cli('pexpiretime', 'stays')).toBe('-1')
  })

  test.each([
    ['may not read some keys', READER.replace('~*', '~other:*')],
    ['may not SCAN', READER.replace('+scan', '')],
    ['may not DUMP', READER.replace('+dump', '')],
  ])('whose user %s is an error that names both sets of rules', async (_what, rules) => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ users: [`user backup on >secret ${rules}`] })
    await redis.cli('set', 'a', '1')
    await using host = new LocalHost()
    const failed = capture(redisConfig(redis.port, secret), {
      host,
      deployment: deployment.path,
      password: 'secret',
    })
    await expect(failed).rejects.toMatchObject({
      code: 'redis-no-permission',
      details: { next: expect.stringMatching(/\+sync .*\+scan \+dump/) as string },
    })
  })

  test('that is stopped in the middle fails the source', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ users: [`user backup on >secret ${READER}`] })
    await redis.cli('eval', `for i = 1, 20000 do redis.call('set', 'k' .. i, string.rep('x', 1000)) end`, '0')
    await using host = new LocalHost()
    const failed = capture(redisConfig(redis.port, secret), {
      host,
      deployment: deployment.path,
      password: 'secret',
      onStep: (text) => {
        if (text.startsWith('reading the keys')) void redis.kill()
      },
    })
    await expect(failed).rejects.toThrow('The connection to Redis was lost')
  })
})
