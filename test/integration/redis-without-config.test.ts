import { chmod, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SourceError } from '../../src/errors.ts'
import { restorableRedis } from '../../src/sources/redis/restore/restore.ts'
import { busyboxTools } from '../lab/busybox.ts'
import { LocalHost } from '../lab/local-host.ts'
import { startRedis } from '../lab/redis.ts'
import { tempDir } from '../lab/temp.ts'
import { capture, makeDeployment, redisConfig } from './redis-harness.ts'
import { everyValue, fillEveryType, restoreContext, rewriteAof } from './redis-restore-harness.ts'

const NO_CONFIG = ['--rename-command', 'CONFIG', '']

const failure = async (promise: Promise<unknown>): Promise<SourceError> => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(SourceError)
  return error as SourceError
}

const codes = (captured: { notices: readonly { code: string }[] }): readonly string[] =>
  captured.notices.map(({ code }) => code)

describe('a Redis whose CONFIG is renamed or forbidden', () => {
  test.each(['dash', 'busybox'])('gives the RDB that changed, not one that lies there: %s', async (shell) => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({
      dir: deployment.data,
      args: ['--dbfilename', 'its own.rdb', ...NO_CONFIG],
    })
    await redis.cli('save')
    for (const name of ['dump.rdb', 'old.rdb']) await writeFile(join(deployment.data, name), 'REDIS0010stale')
    await redis.cli('mset', 'a', '1', 'b', '2')
    await using tools = await tempDir()
    const path = await busyboxTools(join(tools.path, 'bin'))
    await symlink('/usr/bin/redis-cli', join(path, 'redis-cli'))
    await using host = new LocalHost(shell === 'dash' ? {} : { shell: ['busybox', 'sh'], path })
    await using captured = await capture(redisConfig(redis.port), {
      host,
      deployment: deployment.path,
      ...(shell === 'dash' ? {} : { probe: { tar: 'busybox' as const, versions: {} } }),
    })
    expect(captured.facts).toMatchObject({
      form: 'rdb',
      loads: 'rdb',
      rdb: { databases: [{ database: 0, keys: 2, expires: 0 }] },
      settings: { dbfilename: 'its own.rdb', appendonly: 'no' },
    })
    expect(codes(captured)).toEqual(['redis-config-refused'])
    expect(captured.notices[0]?.message).toContain(`it works in ${redis.dir}`)
    expect(captured.notices[0]?.next).toMatch(/renamed or disabled/)
    expect(captured.notices[0]?.next).not.toMatch(/ACL/)
  })

  test('is streamed where its process works in another directory, and has no AOF there', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ args: ['--appendonly', 'yes', ...NO_CONFIG] })
    await redis.cli('set', 'a', '1')
    await using host = new LocalHost()
    const options = { host, deployment: deployment.path }
    await using captured = await capture(redisConfig(redis.port), options)
    expect(captured.formats.get('')).toBe('stream')
    expect(captured.facts.rdb?.databases).toEqual([{ database: 0, keys: 1, expires: 0 }])
    const streamed = captured.notices.find(({ code }) => code === 'redis-stream')
    expect(streamed?.message).toContain(`works in ${redis.dir}, not in ${deployment.data}`)
    const error = await failure(capture(redisConfig(redis.port, { capture: 'both' }), options))
    expect(error.code).toBe('redis-other-directory')
  })

  test.runIf(process.getuid?.() === 0)('is streamed where nothing changes in the path', async () => {
    await using deployment = await makeDeployment()
    await chmod(deployment.path, 0o755)
    await using redis = await startRedis({ args: NO_CONFIG })
    await redis.cli('set', 'a', '1')
    // Another user does not see where a process works.
    await using host = new LocalHost({ uid: 65_534, gid: 65_534 })
    await using captured = await capture(redisConfig(redis.port), { host, deployment: deployment.path })
    expect(captured.formats.get('')).toBe('stream')
    expect(captured.facts.rdb?.databases).toEqual([{ database: 0, keys: 1, expires: 0 }])
    const streamed = captured.notices.find(({ code }) => code === 'redis-stream')
    expect(streamed?.message).toContain(`saved, but nothing changed in ${deployment.data}`)
    expect(streamed?.next).not.toMatch(/redis-cli CONFIG GET/)
  })

  test('gives its AOF whole, under the name that lies there, while rewrites go on', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({
      dir: deployment.data,
      args: ['--appendonly', 'yes', '--appenddirname', 'their aof', ...NO_CONFIG],
    })
    await fillEveryType(redis, 100)
    await rewriteAof(redis)
    await redis.cli('set', 'behind the base', 'x')
    const values = await everyValue(redis)
    await using host = new LocalHost()
    await using captured = await capture(redisConfig(redis.port, { capture: 'both' }), {
      host,
      deployment: deployment.path,
      onArchive: async ({ part }) => {
        // What is held stays as it is.
        if (part === 'aof') await rewriteAof(redis)
      },
    })
    expect(captured.facts).toMatchObject({ form: 'both', loads: 'aof', aof: { layout: 'multi-part' } })
    const unpacked = join(await captured.unpack(), 'redis_data')
    for (const appendonly of ['yes', 'no']) {
      await using booted = await startRedis({
        dir: unpacked,
        args: ['--appendonly', appendonly, '--appenddirname', 'their aof'],
      })
      expect(await everyValue(booted)).toEqual(values)
    }
  })

  test('whose AOF is off has none to give, and is not told to use CONFIG', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data, args: NO_CONFIG })
    await using host = new LocalHost()
    const config = redisConfig(redis.port, { capture: 'aof' })
    const error = await failure(capture(config, { host, deployment: deployment.path }))
    expect(error.code).toBe('redis-aof-off')
    expect(error.details.next).not.toContain('CONFIG')
  })

  test('and one that lets settings be read only gives its AOF, too', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({
      dir: deployment.data,
      args: ['--appendonly', 'yes'],
      users: ['user backup on >secret ~* +ping +info +config|get'],
    })
    await redis.cli('set', 'a', '1')
    await using host = new LocalHost()
    const config = redisConfig(redis.port, { capture: 'aof', username: 'backup', password: { env: 'X' } })
    await using captured = await capture(config, { host, deployment: deployment.path, password: 'secret' })
    expect(captured.facts).toMatchObject({ form: 'aof', loads: 'aof' })
    expect(await redis.cli('config', 'get', 'auto-aof-rewrite-percentage')).toMatch(/\n100$/)
  })

  test('is restored onto by what its process and its config file tell', async () => {
    await using deployment = await makeDeployment()
    const file = join(deployment.path, 'redis.conf')
    await writeFile(file, 'dbfilename "named in the file.rdb"\nrename-command CONFIG ""\n')
    await using redis = await startRedis({ dir: deployment.data, config: file })
    await redis.cli('set', 'a', '1')
    await using host = new LocalHost()
    await using captured = await capture(redisConfig(redis.port), { host, deployment: deployment.path })
    expect(captured.facts.settings['dbfilename']).toBe('named in the file.rdb')
    const context = restoreContext(host, deployment.path)
    const { findings, notes } = await restorableRedis.preflight(
      context,
      redisConfig(redis.port),
      captured.facts,
    )
    expect(findings.filter(({ outcome }) => outcome !== 'ok')).toEqual([])
    expect(notes.at(-1)).toMatch(/^An RDB is written \(named in the file\.rdb\)/)
    const wrong = redisConfig(redis.port, { path: deployment.path })
    const other = await restorableRedis.preflight(context, wrong, captured.facts)
    expect(other.findings[0]).toMatchObject({ check: 'redis-directory', outcome: 'failed' })
  })
})
