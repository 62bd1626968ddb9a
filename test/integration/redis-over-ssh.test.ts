import { access, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RemoteHost } from '../../src/remote/contract.ts'
import { connectSsh } from '../../src/remote/ssh.ts'
import { startRedis } from '../lab/redis.ts'
import type { LabRedis } from '../lab/redis.ts'
import { startSshd } from '../lab/sshd.ts'
import type { Sshd } from '../lab/sshd.ts'
import { capture, makeDeployment, redisConfig, streamContent } from './redis-harness.ts'

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

describe('over a real sshd', () => {
  let sshd: Sshd
  beforeAll(async () => {
    sshd = await startSshd()
  })
  afterAll(async () => {
    await sshd[Symbol.asyncDispose]()
  })
  const connect = (): Promise<RemoteHost> =>
    connectSsh(
      { name: 'lab', ssh: sshd.sshConfig() },
      {
        resolveSecret: () => Promise.reject(new Error('no secret is needed')),
        signal: new AbortController().signal,
      },
    )
  const percentage = (redis: LabRedis): Promise<string> =>
    redis.cli('config', 'get', 'auto-aof-rewrite-percentage')

  test('both forms, with a password, boot real servers with all keys', async () => {
    await using deployment = await makeDeployment()
    const password = "it's `secret` $HOME"
    await using redis = await startRedis({
      dir: deployment.data,
      password,
      args: ['--appendonly', 'yes', '--enable-debug-command', 'yes'],
    })
    await redis.cli('debug', 'populate', '100000', 'key', '100')
    await redis.cli('bgrewriteaof')
    for (let tries = 0; tries < 300; tries += 1) {
      if ((await redis.cli('info', 'persistence')).includes('aof_rewrite_in_progress:0')) break
      await sleep(50)
    }
    await redis.cli('set', 'last', 'write')
    const digest = await redis.cli('debug', 'digest')
    await using host = await connect()
    const config = redisConfig(redis.port, { capture: 'both', password: { env: 'X' } })
    await using captured = await capture(config, { host, deployment: deployment.path, password })
    expect(captured.facts).toMatchObject({
      form: 'both',
      rdb: { databases: [{ database: 0, keys: 100_001, expires: 0 }] },
      aof: { base: { databases: [{ database: 0, keys: 100_000, expires: 0 }] } },
    })
    const data = join(await captured.unpack(), 'redis_data')
    expect((await readdir(data)).sort()).toEqual(['appendonlydir', 'dump.rdb'])
    await using fromAof = await startRedis({
      dir: data,
      args: ['--appendonly', 'yes', '--enable-debug-command', 'yes'],
    })
    expect(await fromAof.cli('debug', 'digest')).toBe(digest)
    await fromAof.kill()
    await using fromRdb = await startRedis({ dir: data, args: ['--enable-debug-command', 'yes'] })
    expect(await fromRdb.cli('debug', 'digest')).toBe(digest)
    expect(await percentage(redis)).toMatch(/\n100$/)
    expect(await exists(join(deployment.data, '.relay-backup'))).toBe(false)
  })

  test("the session's sshd is killed while the setting is changed", async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
    await redis.cli('set', 'a', '1')
    await using host = await connect()
    let changed = ''
    const cut = capture(redisConfig(redis.port, { capture: 'aof' }), {
      host,
      deployment: deployment.path,
      onArchive: async (archive) => {
        if (archive.part !== 'aof') return
        changed = await percentage(redis)
        await sshd.killSessions()
      },
    })
    await expect(cut).rejects.toMatchObject({ code: 'connection-lost' })
    expect(changed).toMatch(/\n0$/)
    for (let tries = 0; tries < 300 && !/\n100$/.test(await percentage(redis)); tries += 1) await sleep(100)
    expect(await percentage(redis)).toMatch(/\n100$/)
    for (let tries = 0; tries < 100 && (await exists(join(deployment.data, '.relay-backup'))); tries += 1) {
      await sleep(100)
    }
    expect(await exists(join(deployment.data, '.relay-backup'))).toBe(false)
  })

  test('as a stream, where save is not permitted', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({
      dir: deployment.data,
      users: ['user backup on >secret ~* +ping +info +config|get +sync +psync +replconf'],
      args: [
        '--repl-diskless-sync',
        'yes',
        '--repl-diskless-sync-delay',
        '0',
        '--enable-debug-command',
        'yes',
      ],
    })
    await redis.cli('debug', 'populate', '50000', 'key', '100')
    const digest = await redis.cli('debug', 'digest')
    await using host = await connect()
    const config = redisConfig(redis.port, { username: 'backup', password: { env: 'X' } })
    await using captured = await capture(config, { host, deployment: deployment.path, password: 'secret' })
    expect(captured.formats.get('')).toBe('stream')
    const folder = await mkdtemp(join(tmpdir(), 'relay-redis-stream-'))
    try {
      await mkdir(join(folder, 'data'))
      await writeFile(join(folder, 'data', 'dump.rdb'), await streamContent(captured.files.get('') ?? ''))
      await using restored = await startRedis({
        dir: join(folder, 'data'),
        args: ['--enable-debug-command', 'yes'],
      })
      expect(await restored.cli('debug', 'digest')).toBe(digest)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
