import { execFile } from 'node:child_process'
import { once } from 'node:events'
import {
  access,
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { SourceError } from '../../src/errors.ts'
import { LocalHost } from '../lab/local-host.ts'
import { freePort } from '../lab/ports.ts'
import { resp, startRedis } from '../lab/redis.ts'
import { programPath } from '../lab/runner.ts'
import type { LabRedis } from '../lab/redis.ts'
import { capture, look, makeDeployment, redisConfig, streamContent } from './redis-harness.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

const run = promisify(execFile)

/** Long enough for whatever the server's side does by itself. */
async function until<T>(what: string, found: () => Promise<T | undefined | false>): Promise<T> {
  for (let tries = 0; tries < 300; tries += 1) {
    const value = await found()
    if (value !== undefined && value !== false) return value
    await sleep(100)
  }
  throw new Error(`never: ${what}`)
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

async function failure(promise: Promise<unknown>): Promise<SourceError> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(SourceError)
  expect((error as SourceError).details.next, 'a next step').toBeTruthy()
  return error as SourceError
}

/** Every key with its value, by DUMP, of database 0 and 5. */
async function everyKey(redis: LabRedis): Promise<string> {
  const script = `
    local all = {}
    for _, db in ipairs({0, 5}) do
      redis.call('select', db)
      for _, key in ipairs(redis.call('keys', '*')) do
        local value = redis.call('dump', key)
        if redis.call('type', key).ok == 'set' then
          -- A set has no order of its own.
          local members = redis.call('smembers', key)
          table.sort(members)
          value = table.concat(members, ' ')
        end
        all[#all + 1] = db .. ' ' .. redis.sha1hex(key) .. ' ' .. redis.sha1hex(value) .. ' ' .. redis.call('pexpiretime', key)
      end
    end
    table.sort(all)
    return table.concat(all, '\\n')`
  return redis.cli('eval', script, '0')
}

async function fill(redis: LabRedis): Promise<void> {
  await redis.pipe(
    Buffer.concat([
      resp('set', 'text', 'value'),
      resp('set', Buffer.from([0, 255, 10, 13, 32]), Buffer.from([0, 1, 2, 255])),
      resp('set', 'session', 'x', 'px', '10000000'),
      resp('set', 'long', 'x'.repeat(100_000)),
      resp('rpush', 'list', ...Array.from({ length: 2000 }, (_, index) => `entry ${index}`)),
      resp('sadd', 'set', 'a', 'b'),
      resp('sadd', 'numbers', '1', '2', '3'),
      resp('zadd', 'zset', '1.5', 'a', '-inf', 'b'),
      resp('hset', 'hash', 'f', 'v'),
      resp('xadd', 'stream', '1-1', 'f', 'v'),
      resp('xgroup', 'create', 'stream', 'g', '0'),
      resp('xreadgroup', 'group', 'g', 'me', 'streams', 'stream', '>'),
      resp('pfadd', 'visitors', 'a', 'b'),
      resp('select', '5'),
      resp('set', 'elsewhere', '1'),
    ]),
  )
}

describe.each([
  ['dash and GNU tar', ['dash'], 'gnu'],
  ['busybox', ['busybox', 'sh'], 'busybox'],
] as const)('with %s', (_name, shell, tar) => {
  const local = async (): Promise<LocalHost & { probe: { tar: typeof tar } }> => {
    const path = tar === 'gnu' ? undefined : await busyboxPath()
    return Object.assign(new LocalHost({ shell, ...(path === undefined ? {} : { path }) }), {
      probe: { tar },
    })
  }

  test('an RDB that was captured boots a real server with the same keys', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data })
    await fill(redis)
    await writeFile(join(deployment.data, 'users.acl'), 'user default on nopass ~* &* +@all\n')
    await writeFile(join(deployment.data, 'temp-99999.rdb'), 'cut off')
    await mkdir(join(deployment.data, 'appendonlydir'))
    await writeFile(join(deployment.data, 'appendonlydir', 'old'), 'of another time')
    const keys = await everyKey(redis)
    await using host = await local()
    await using captured = await capture(redisConfig(redis.port), {
      host,
      deployment: deployment.path,
      ...host,
    })
    expect(captured.facts).toMatchObject({
      form: 'rdb',
      loads: 'rdb',
      serverVersion: '7.0.15',
      pointInTime: true,
      stopped: false,
      rdb: {
        databases: [
          { database: 0, keys: 11, expires: 1 },
          { database: 5, keys: 1, expires: 0 },
        ],
        checksum: 'ok',
      },
      settings: { dir: deployment.data, dbfilename: 'dump.rdb', appendonly: 'no' },
    })
    expect(captured.outcome.warnings).toEqual([])
    const data = join(await captured.unpack(), 'redis_data')
    expect((await readdir(data)).sort()).toEqual(['dump.rdb', 'users.acl'])
    await using restored = await startRedis({ dir: data })
    expect(await everyKey(restored)).toBe(keys)
    expect(await exists(join(deployment.data, '.relay-backup'))).toBe(false)
  })

  test('an AOF that was captured boots a real server with the same keys', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
    await fill(redis)
    await redis.cli('bgrewriteaof')
    await redis.cli('set', 'after', 'the rewrite')
    const keys = await everyKey(redis)
    await using host = await local()
    await using captured = await capture(redisConfig(redis.port, { capture: 'aof' }), {
      host,
      deployment: deployment.path,
      ...host,
    })
    expect(captured.facts).toMatchObject({
      form: 'aof',
      loads: 'aof',
      aof: { layout: 'multi-part', files: 2, base: { checksum: 'ok' } },
    })
    expect(captured.facts.rdb).toBeUndefined()
    expect([...captured.files.keys()]).toEqual(['', 'aof'])
    const data = join(await captured.unpack(), 'redis_data')
    expect(await readdir(data)).toEqual(['appendonlydir'])
    await using restored = await startRedis({ dir: data, args: ['--appendonly', 'yes'] })
    expect(await everyKey(restored)).toBe(keys)
    expect(await exists(join(deployment.data, '.relay-backup'))).toBe(false)
    expect(await redis.cli('config', 'get', 'auto-aof-rewrite-percentage')).toContain('100')
  })

  test('both forms, under other names than usual', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({
      dir: deployment.data,
      args: [
        ...['--appendonly', 'yes', '--appenddirname', 'my [aof]', '--appendfilename', 'log.aof'],
        ...['--dbfilename', 'my dump.db'],
      ],
    })
    await fill(redis)
    const keys = await everyKey(redis)
    await using host = await local()
    await using captured = await capture(redisConfig(redis.port, { capture: 'both' }), {
      host,
      deployment: deployment.path,
      ...host,
    })
    expect(captured.facts).toMatchObject({
      form: 'both',
      loads: 'aof',
      aof: { files: 2 },
      rdb: { checksum: 'ok' },
    })
    const data = join(await captured.unpack(), 'redis_data')
    expect((await readdir(data)).sort()).toEqual(['my [aof]', 'my dump.db'])
    await using fromRdb = await startRedis({ dir: data, args: ['--dbfilename', 'my dump.db'] })
    expect(await everyKey(fromRdb)).toBe(keys)
  })

  test('a symlinked directory is followed once and recorded', async () => {
    await using deployment = await makeDeployment()
    const real = join(deployment.path, 'disk', 'real, & odd')
    await mkdir(join(deployment.path, 'disk'))
    await rename(deployment.data, real)
    await symlink('disk/real, & odd', deployment.data)
    await using redis = await startRedis({ dir: real, args: ['--appendonly', 'yes'] })
    await fill(redis)
    await using host = await local()
    await using captured = await capture(redisConfig(redis.port, { capture: 'both' }), {
      host,
      deployment: deployment.path,
      ...host,
    })
    expect(captured.outcome.roots).toEqual([
      { path: Buffer.from('redis_data'), link: Buffer.from('disk/real, & odd') },
    ])
    const data = join(await captured.unpack(), 'redis_data')
    expect((await stat(data)).isDirectory()).toBe(true)
    expect((await readdir(data)).sort()).toEqual(['appendonlydir', 'dump.rdb'])
  })

  test('a stopped server: both forms as they lie there, and a dump.rdb that is older than the AOF is stale', async () => {
    await using deployment = await makeDeployment()
    const redis = await startRedis({ dir: deployment.data })
    await redis.cli('set', 'old', '1')
    await redis.stop('save')
    await sleep(20)
    // `save ""`: from here on only the AOF is written.
    const later = await startRedis({ dir: deployment.data, args: ['--appendonly', 'no'] })
    await later.cli('config', 'set', 'appendonly', 'yes')
    await until('the first AOF', async () =>
      (await later.cli('info', 'persistence')).includes('aof_rewrite_in_progress:0'),
    )
    await later.cli('set', 'new', '2')
    await later.stop()
    await using host = await local()
    await using captured = await capture(redisConfig(later.port), {
      host,
      deployment: deployment.path,
      ...host,
    })
    expect(captured.facts).toMatchObject({
      form: 'both',
      loads: 'aof',
      stopped: true,
      rdb: { databases: [{ database: 0, keys: 1 }] },
      aof: { layout: 'multi-part', base: { databases: [{ database: 0, keys: 1 }] } },
    })
    expect(captured.outcome.warnings).toEqual([{ code: 'redis-stopped', count: 1 }])
    expect((await readdir(join(await captured.unpack(), 'redis_data'))).sort()).toEqual([
      'appendonlydir',
      'dump.rdb',
    ])
  })
})

async function busyboxPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'relay-redis-busybox-'))
  bins.push(folder)
  const { stdout } = await run('busybox', ['--list'])
  for (const name of stdout.trim().split('\n')) await symlink('/usr/bin/busybox', join(folder, name))
  await symlink((await run('sh', ['-c', 'command -v redis-cli'])).stdout.trim(), join(folder, 'redis-cli'))
  await symlink((await run('sh', ['-c', 'command -v zstd'])).stdout.trim(), join(folder, 'zstd'))
  return folder
}
const bins: string[] = []
afterAll(async () => {
  await Promise.all(bins.map((bin) => rm(bin, { recursive: true, force: true })))
})

describe('a stopped server', () => {
  test('is none while its process works in the directory: the address is wrong', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data })
    await redis.cli('set', 'a', '1')
    await using host = new LocalHost()
    const wrong = redisConfig(await freePort())
    await expect(capture(wrong, { host, deployment: deployment.path })).rejects.toMatchObject({
      code: 'redis-elsewhere',
    })
  })

  test('that has only an RDB, and one that has nothing', async () => {
    await using deployment = await makeDeployment()
    const port = await freePort()
    await using host = new LocalHost()
    {
      await using captured = await capture(redisConfig(port), { host, deployment: deployment.path })
      expect(captured.facts).toMatchObject({ loads: 'nothing', stopped: true })
    }
    const redis = await startRedis({ dir: deployment.data, port })
    await redis.cli('set', 'a', '1')
    await redis.stop('save')
    await using captured = await capture(redisConfig(port), { host, deployment: deployment.path })
    expect(captured.facts).toMatchObject({
      form: 'rdb',
      loads: 'rdb',
      stopped: true,
      serverVersion: '7.0.15',
    })
  })

  test('an RDB that was saved after the AOF was turned off is what counts', async () => {
    await using deployment = await makeDeployment()
    const redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
    await redis.cli('set', 'a', '1')
    await redis.cli('config', 'set', 'appendonly', 'no')
    await redis.cli('set', 'b', '1')
    await sleep(20)
    await redis.stop('save')
    await using host = new LocalHost()
    await using captured = await capture(redisConfig(redis.port), { host, deployment: deployment.path })
    expect(captured.facts).toMatchObject({ form: 'both', loads: 'rdb' })
  })

  test('whose AOF lacks a file is refused', async () => {
    await using deployment = await makeDeployment()
    const redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
    await redis.stop()
    await rm(join(deployment.data, 'appendonlydir', 'appendonly.aof.1.incr.aof'))
    await using host = new LocalHost()
    const error = await failure(capture(redisConfig(redis.port), { host, deployment: deployment.path }))
    expect(error.message).toContain('appendonly.aof.1.incr.aof')
  })

  test('of a Redis before 7 has a single file with an RDB in front', async () => {
    await using deployment = await makeDeployment()
    const redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
    await redis.cli('set', 'a', '1')
    await redis.stop()
    const folder = join(deployment.data, 'appendonlydir')
    const base = await readFile(join(folder, 'appendonly.aof.1.base.rdb'))
    const increment = await readFile(join(folder, 'appendonly.aof.1.incr.aof'))
    await rm(folder, { recursive: true })
    await writeFile(join(deployment.data, 'appendonly.aof'), Buffer.concat([base, increment]))
    await using host = new LocalHost()
    await using captured = await capture(redisConfig(redis.port), { host, deployment: deployment.path })
    expect(captured.facts).toMatchObject({
      form: 'aof',
      loads: 'aof',
      aof: {
        layout: 'single-file',
        files: 1,
        bytes: base.length + increment.length,
        base: { bytes: base.length },
        incrementalBytes: increment.length,
      },
    })
  })
})

describe('regressions', () => {
  test('two saves in a second are told apart', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data })
    await using host = new LocalHost()
    for (let count = 1; count <= 5; count += 1) {
      await redis.cli('set', `key ${count}`, 'x')
      // One just before ours, in the same second: LASTSAVE does not tell them apart.
      await redis.cli('save')
      await redis.cli('set', `key ${count} again`, 'x')
      await using captured = await capture(redisConfig(redis.port), { host, deployment: deployment.path })
      expect(captured.facts.rdb?.databases).toEqual([{ database: 0, keys: count * 2, expires: 0 }])
    }
  })

  test('the 40 bytes that a diskless server sends behind an RDB are cut off', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({
      dir: deployment.data,
      args: ['--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0'],
    })
    await fill(redis)
    const keys = await everyKey(redis)
    const raw = (await run('redis-cli', ['-p', String(redis.port), '--rdb', '-'], { encoding: 'buffer' }))
      .stdout
    await chmod(deployment.path, 0o755)
    await chmod(deployment.data, 0o700)
    await using host = new LocalHost({ uid: 65_534, gid: 65_534 })
    await using captured = await capture(redisConfig(redis.port), { host, deployment: deployment.path })
    expect(captured.formats.get('')).toBe('stream')
    const rdb = await streamContent(captured.files.get('') ?? '')
    expect(rdb.length).toBe(captured.facts.rdb?.bytes)
    expect(raw.length, 'the server does send a mark').toBe(rdb.length + 40)
    expect(captured.facts).toMatchObject({ form: 'rdb', loads: 'rdb', rdb: { checksum: 'ok' } })
    expect(captured.outcome.warnings).toEqual([{ code: 'redis-stream', count: 1 }])
    await using elsewhere = await makeDeployment()
    await writeFile(join(elsewhere.data, 'dump.rdb'), rdb)
    await using restored = await startRedis({ dir: elsewhere.data })
    expect(await everyKey(restored)).toBe(keys)
  })

  test('a save that runs already is waited for, and ours comes after it', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data, args: ['--rdb-key-save-delay', '300000'] })
    await redis.cli('mset', 'a', '1', 'b', '2', 'c', '3')
    await redis.cli('bgsave')
    await redis.cli('set', 'later', '4')
    await redis.cli('config', 'set', 'rdb-key-save-delay', '1000')
    await using host = new LocalHost()
    await using captured = await capture(redisConfig(redis.port), { host, deployment: deployment.path })
    expect(captured.facts.rdb?.databases).toEqual([{ database: 0, keys: 4, expires: 0 }])
    expect(captured.steps).toContain('waiting for a save that is running')
  })

  test('saves that go on while tar reads do no harm', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data, args: ['--enable-debug-command', 'yes'] })
    await redis.cli('debug', 'populate', '300000')
    await using host = new LocalHost()
    await using captured = await capture(redisConfig(redis.port), {
      host,
      deployment: deployment.path,
      onArchive: async () => {
        await redis.cli('save')
        await redis.cli('save')
      },
    })
    expect(captured.facts.rdb?.databases).toEqual([{ database: 0, keys: 300_000, expires: 0 }])
    expect(captured.outcome.warnings).toEqual([])
  })
})

describe('capture: aof, whatever happens', () => {
  const percentage = (redis: LabRedis): Promise<string> =>
    redis.cli('config', 'get', 'auto-aof-rewrite-percentage')

  test('a busy writer and rewrites at every turn', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({
      dir: deployment.data,
      args: [
        '--appendonly',
        'yes',
        '--auto-aof-rewrite-percentage',
        '1',
        '--auto-aof-rewrite-min-size',
        '1kb',
      ],
    })
    await redis.cli('set', 'first', 'x')
    let writing = true
    let written = 0
    const writer = (async (): Promise<void> => {
      while (writing) {
        const commands = Array.from({ length: 500 }, (_, index) =>
          resp('set', `k${written + index}`, 'v'.repeat(50)),
        )
        await redis.pipe(Buffer.concat(commands))
        written += 500
      }
    })()
    await until('many rewrites', async () => written > 20_000)
    const before = written
    await using host = new LocalHost()
    await using captured = await capture(redisConfig(redis.port, { capture: 'aof' }), {
      host,
      deployment: deployment.path,
    })
    writing = false
    await writer
    const data = join(await captured.unpack(), 'redis_data')
    await using restored = await startRedis({ dir: data, args: ['--appendonly', 'yes'] })
    expect(Number(await restored.cli('dbsize'))).toBeGreaterThan(before)
    expect(await percentage(redis)).toMatch(/\n1$/)
    expect(await exists(join(deployment.data, '.relay-backup'))).toBe(false)
    expect(captured.outcome.warnings).toEqual([])
  })

  test('the connection is cut while the setting is changed', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
    await using host = new LocalHost()
    let seen = ''
    const cut = capture(redisConfig(redis.port, { capture: 'aof' }), {
      host,
      deployment: deployment.path,
      onArchive: async (archive) => {
        if (archive.part !== 'aof') return
        seen = await percentage(redis)
        expect(await exists(join(deployment.data, '.relay-backup'))).toBe(true)
        host.cut()
      },
    })
    // Whether tar's own end comes first is chance.
    await expect(cut).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:ERR_STREAM_PREMATURE_CLOSE|redis-aof-hold)$/) as string,
    })
    expect(seen).toMatch(/\n0$/)
    await until('the setting is back', async () => /\n100$/.test(await percentage(redis)))
    await until('nothing is left', async () => !(await exists(join(deployment.data, '.relay-backup'))))
  })

  test.each(['sources/tree/scan', 'sources/tree/tar'])(
    'a connection that was lost before %s was told as a source that vanished',
    async (script) => {
      await using deployment = await makeDeployment()
      const aside = join(deployment.data, '.relay-backup')
      await using redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
      /** The server gives us up right before the pinned files are read, and puts everything back. */
      class GivenUp extends LocalHost {
        override async spawn(...asked: Parameters<LocalHost['spawn']>): ReturnType<LocalHost['spawn']> {
          if (asked[0].script === script && (await exists(aside))) {
            this.cut()
            await until('the links are gone', async () => !(await exists(aside)))
          }
          return await super.spawn(...asked)
        }
      }
      await using host = new GivenUp()
      const lost = capture(redisConfig(redis.port, { capture: 'aof' }), { host, deployment: deployment.path })
      await expect(lost).rejects.toMatchObject({
        code: 'redis-aof-hold',
        message: 'Pinning the AOF on the server was cut off',
      })
    },
  )

  test('the script is killed, as by a reboot, and the next pull puts the setting back', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
    await using host = new LocalHost()
    const killed = capture(redisConfig(redis.port, { capture: 'aof' }), {
      host,
      deployment: deployment.path,
      onArchive: async (archive) => {
        if (archive.part !== 'aof') return
        for (const pid of await scriptProcesses('link_all')) process.kill(pid, 'SIGKILL')
      },
    })
    await killed.then(
      (captured) => captured[Symbol.asyncDispose](),
      () => undefined,
    )
    expect(await percentage(redis)).toMatch(/\n0$/)
    expect(await exists(join(deployment.data, '.relay-backup'))).toBe(true)
    // A look is not a run.
    const seen = await look(redisConfig(redis.port), { host, deployment: deployment.path })
    expect(seen.map((notice) => notice.code)).not.toContain('redis-settled')
    expect(await percentage(redis)).toMatch(/\n0$/)
    expect(await exists(join(deployment.data, '.relay-backup'))).toBe(true)
    await using again = await capture(redisConfig(redis.port), { host, deployment: deployment.path })
    expect(again.notices.map((notice) => notice.code)).toContain('redis-settled')
    expect(await percentage(redis)).toMatch(/\n100$/)
    expect(await exists(join(deployment.data, '.relay-backup'))).toBe(false)
  })

  test('a pull that is under way is not taken for a leftover by another one', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
    await using host = new LocalHost()
    await using captured = await capture(redisConfig(redis.port, { capture: 'aof' }), {
      host,
      deployment: deployment.path,
      onArchive: async (archive) => {
        if (archive.part !== 'aof') return
        await using other = await capture(redisConfig(redis.port), { host, deployment: deployment.path })
        expect(other.notices).toEqual([])
        expect(await percentage(redis)).toMatch(/\n0$/)
      },
    })
    expect(captured.facts.form).toBe('aof')
    expect(await percentage(redis)).toMatch(/\n100$/)
  })

  test('a setting that somebody else changed meanwhile stays as they want it', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
    await using host = new LocalHost()
    await using _captured = await capture(redisConfig(redis.port, { capture: 'aof' }), {
      host,
      deployment: deployment.path,
      onArchive: async (archive) => {
        if (archive.part === 'aof') await redis.cli('config', 'set', 'auto-aof-rewrite-percentage', '77')
      },
    })
    expect(await percentage(redis)).toMatch(/\n77$/)
  })

  test('it is off: an error for aof, a warning for both', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data })
    await using host = new LocalHost()
    const options = { host, deployment: deployment.path }
    const error = await failure(capture(redisConfig(redis.port, { capture: 'aof' }), options))
    expect(error.code).toBe('redis-aof-off')
    await using captured = await capture(redisConfig(redis.port, { capture: 'both' }), options)
    expect(captured.facts.form).toBe('rdb')
    expect(captured.outcome.warnings).toEqual([{ code: 'redis-aof-off', count: 1 }])
  })

  test("another user than Redis' may not link, and is told so", async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
    await chmod(deployment.path, 0o755)
    await chmod(deployment.data, 0o755)
    await using host = new LocalHost({ uid: 65_534, gid: 65_534 })
    const error = await failure(
      capture(redisConfig(redis.port, { capture: 'aof' }), { host, deployment: deployment.path }),
    )
    expect(error.code).toBe('redis-aof-link')
    expect(error.details.next).toContain('sudo')
    expect(await percentage(redis)).toMatch(/\n100$/)
  })
})

/** Processes of a script, told by a word of its text. */
async function scriptProcesses(marker: string): Promise<number[]> {
  const found: number[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue
    const line = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')
    if (line.includes('relay-backup') && line.includes(marker)) found.push(Number(pid))
  }
  return found
}

describe('passwords and users', () => {
  const password = 'correct horse $battery `staple'

  test('the password works, and is never among the arguments of a process', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data, password, args: ['--appendonly', 'yes'] })
    const tools = join(deployment.path, 'tools')
    const log = join(deployment.path, 'arguments')
    await mkdir(tools)
    const shim = `#!/bin/sh\ntr '\\0' ' ' </proc/$$/cmdline >>'${log}'\nexec '${programPath('redis-cli')}' "$@"\n`
    await writeFile(join(tools, 'redis-cli'), shim, { mode: 0o755 })
    await using host = new LocalHost({ path: `${tools}:${process.env['PATH'] ?? ''}` })
    let watching = true
    const watch = (async (): Promise<void> => {
      while (watching) {
        for (const pid of await readdir('/proc')) {
          if (!/^\d+$/.test(pid) || Number(pid) === redis.pid) continue
          const line = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')
          if (line.includes(password) && !line.includes('--requirepass'))
            throw new Error(`shown: ${line.slice(0, 80)}`)
        }
        await sleep(1)
      }
    })()
    const config = redisConfig(redis.port, { capture: 'both', password: { env: 'X' } })
    await using captured = await capture(config, { host, deployment: deployment.path, password })
    watching = false
    await watch
    expect(captured.facts.form).toBe('both')
    const seen = await readFile(log, 'utf8')
    expect(seen).toContain('redis-cli')
    expect(seen).not.toContain('battery')
    expect(JSON.stringify([captured.notices, captured.steps, captured.facts])).not.toContain('battery')
  })

  test('a wrong password, none, and one too many', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data, password })
    await using host = new LocalHost()
    const options = { host, deployment: deployment.path }
    const wrong = await failure(
      capture(redisConfig(redis.port, { password: { env: 'X' } }), { ...options, password: 'guess' }),
    )
    expect(wrong.code).toBe('redis-wrong-password')
    expect(JSON.stringify(wrong.details)).not.toContain('guess')
    expect((await failure(capture(redisConfig(redis.port), options))).code).toBe('redis-password-needed')
    const broken = await failure(
      capture(redisConfig(redis.port, { password: { env: 'X' } }), { ...options, password: 'two\nlines' }),
    )
    expect(broken.code).toBe('redis-password-line')
    await redis.cli('config', 'set', 'requirepass', '')
    await using captured = await capture(redisConfig(redis.port, { password: { env: 'X' } }), {
      ...options,
      password: 'not needed',
    })
    expect(captured.facts.rdb?.checksum).toBe('ok')
  })

  const as = async (
    rules: string,
  ): Promise<{ error?: SourceError; facts?: unknown; codes: string[]; format?: string }> => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({
      dir: deployment.data,
      users: [`user backup on >secret ~* ${rules}`],
    })
    await redis.cli('set', 'a', '1')
    await using host = new LocalHost()
    const config = redisConfig(redis.port, { username: 'backup', password: { env: 'X' } })
    try {
      await using captured = await capture(config, { host, deployment: deployment.path, password: 'secret' })
      const codes = captured.notices.map((notice) => notice.code)
      return { facts: captured.facts.rdb?.databases, codes, format: captured.formats.get('') ?? '' }
    } catch (error) {
      expect(error).toBeInstanceOf(SourceError)
      expect((error as SourceError).details.next).toBeTruthy()
      return { error: error as SourceError, codes: [] }
    }
  }
  const ONE_KEY = [{ database: 0, keys: 1, expires: 0 }]

  test('a user with just what a backup needs', async () => {
    expect(await as('+ping +info +config|get +bgsave')).toEqual({ facts: ONE_KEY, codes: [], format: 'tar' })
  })

  test('a user who may not read settings: a notice', async () => {
    expect(await as('+ping +info +bgsave')).toEqual({
      facts: ONE_KEY,
      codes: ['redis-config-refused'],
      format: 'tar',
    })
  })

  test('a user who may not save, but replicate: as a stream', async () => {
    expect(await as('+ping +info +config|get +sync +psync +replconf')).toEqual({
      facts: ONE_KEY,
      codes: ['redis-stream'],
      format: 'stream',
    })
  })

  test('a user who may do neither: an error with the rules that are missing', async () => {
    const { error } = await as('+ping +info')
    expect(error?.code).toBe('redis-no-permission')
    expect(error?.details.next).toContain('ACL SETUSER backup')
  })

  test('a user who may not even ask', async () => {
    expect((await as('+get')).error?.code).toBe('redis-no-permission')
  })

  test('a user who is not there', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data })
    await using host = new LocalHost()
    const config = redisConfig(redis.port, { username: 'nobody', password: { env: 'X' } })
    const error = await failure(capture(config, { host, deployment: deployment.path, password: 'x' }))
    expect(error.code).toBe('redis-wrong-password')
  })
})

describe('servers that are not as they should be', () => {
  test('one that is loading', async () => {
    await using deployment = await makeDeployment()
    const first = await startRedis({ dir: deployment.data, args: ['--enable-debug-command', 'yes'] })
    await first.cli('debug', 'populate', '2000', 'key', '1000')
    await first.stop('save')
    await using redis = await startRedis({
      dir: deployment.data,
      loading: true,
      args: ['--key-load-delay', '20000', '--loading-process-events-interval-bytes', '1024'],
    })
    await using host = new LocalHost()
    const options = { host, deployment: deployment.path }
    const seen = await failure(look(redisConfig(redis.port), options))
    expect(seen.code).toBe('redis-loading')
    const error = await failure(capture(redisConfig(redis.port), options))
    expect(error.code).toBe('redis-loading')
  })

  test('one whose saves fail', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data })
    await redis.cli('set', 'a', '1')
    // A directory is in the way of the new file.
    await mkdir(join(deployment.data, 'dump.rdb'))
    await using host = new LocalHost()
    const error = await failure(capture(redisConfig(redis.port), { host, deployment: deployment.path }))
    expect(error.code).toBe('redis-save-failed')
    expect(error.message).toContain('free where it writes')
  })

  test('one whose disk is full', async () => {
    await using deployment = await makeDeployment()
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', deployment.data])
    try {
      await using redis = await startRedis({ dir: deployment.data, args: ['--enable-debug-command', 'yes'] })
      await redis.cli('debug', 'populate', '3000', 'key', '1000')
      await using host = new LocalHost()
      const options = { host, deployment: deployment.path }
      const config = redisConfig(redis.port)
      await redis.cli('config', 'set', 'rdbcompression', 'no')
      expect((await failure(capture(config, options))).code).toBe('redis-save-failed')
      // Where it can be foreseen it is not even tried: a failed save may stop the application's writes.
      await redis.cli('flushall')
      await redis.cli('debug', 'populate', '600', 'key', '1000')
      await redis.cli('save')
      await redis.cli('set', 'marker', 'x')
      const before = /rdb_saves:\d+/.exec(await redis.cli('info', 'persistence'))?.[0]
      const error = await failure(capture(config, options))
      expect(error.code).toBe('redis-no-space')
      expect(await redis.cli('info', 'persistence')).toContain(before)
      expect(await redis.cli('info', 'persistence')).toContain('rdb_last_bgsave_status:ok')
    } finally {
      await run('umount', [deployment.data])
    }
  })

  test('a replica is captured with a warning; one that lost its master too', async () => {
    await using deployment = await makeDeployment()
    await using master = await startRedis()
    await master.cli('set', 'a', '1')
    await using redis = await startRedis({
      dir: deployment.data,
      args: ['--replicaof', `127.0.0.1 ${master.port}`, '--appendonly', 'yes'],
    })
    await until('the link', async () =>
      (await redis.cli('info', 'replication')).includes('master_link_status:up'),
    )
    await using host = new LocalHost()
    const options = { host, deployment: deployment.path }
    {
      await using captured = await capture(redisConfig(redis.port, { capture: 'both' }), options)
      expect(captured.facts.rdb?.databases).toEqual([{ database: 0, keys: 1, expires: 0 }])
      expect(captured.outcome.warnings).toEqual([{ code: 'redis-replica', count: 1 }])
      expect(await redis.cli('config', 'get', 'auto-aof-rewrite-percentage')).toMatch(/\n100$/)
    }
    await master.kill()
    await until('the loss', async () =>
      (await redis.cli('info', 'replication')).includes('master_link_status:down'),
    )
    {
      await using captured = await capture(redisConfig(redis.port), options)
      expect(captured.outcome.warnings).toEqual([{ code: 'redis-replica-stale', count: 1 }])
    }
    await redis.cli('config', 'set', 'replica-serve-stale-data', 'no')
    expect((await failure(capture(redisConfig(redis.port), options))).code).toBe('redis-master-down')
  })

  test('one that writes elsewhere: both directories are named', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis()
    await using host = new LocalHost()
    const error = await failure(capture(redisConfig(redis.port), { host, deployment: deployment.path }))
    expect(error.code).toBe('redis-other-directory')
    expect(error.message).toContain(redis.dir)
    expect(error.message).toContain(deployment.data)
  })

  test('one with BGSAVE renamed away, and replication and DUMP too', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({
      dir: deployment.data,
      args: [
        ...['--rename-command', 'BGSAVE', ''],
        ...['--rename-command', 'SYNC', ''],
        ...['--rename-command', 'PSYNC', ''],
        ...['--rename-command', 'DUMP', ''],
      ],
    })
    await redis.cli('set', 'a', '1')
    await using host = new LocalHost()
    const error = await failure(capture(redisConfig(redis.port), { host, deployment: deployment.path }))
    expect(error.code).toBe('redis-no-command')
  })

  test('what answers is not Redis', async () => {
    await using deployment = await makeDeployment()
    await using host = new LocalHost()
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    try {
      const error = await failure(capture(redisConfig(port), { host, deployment: deployment.path }))
      expect(error.code).toBe('redis-not-redis')
    } finally {
      server.close()
    }
  })

  test('an address nobody knows', async () => {
    await using deployment = await makeDeployment()
    await using host = new LocalHost()
    const at = { address: 'no-such-host.invalid', port: 6379, tls: false }
    const error = await failure(capture(redisConfig(0, { at }), { host, deployment: deployment.path }))
    expect(error.code).toMatch(/^redis-(unresolved|unreachable)$/)
  })

  test('no redis-cli on the server: TCP needs none, a pin of the AOF does, and a socket that is there', async () => {
    await using deployment = await makeDeployment()
    const socket = join(deployment.path, 'redis.sock')
    const redis = await startRedis({
      dir: deployment.data,
      args: ['--appendonly', 'yes', '--unixsocket', socket],
    })
    const path = await busyboxPath()
    await rm(join(path, 'redis-cli'))
    await using host = new LocalHost({ path })
    const options = { host, deployment: deployment.path, probe: { tar: 'busybox' as const } }
    await redis.cli('set', 'a', '1')
    await using running = await capture(redisConfig(redis.port), options)
    expect(running.facts).toMatchObject({ form: 'rdb', rdb: { databases: [{ keys: 1 }], checksum: 'ok' } })
    const pinned = await failure(capture(redisConfig(redis.port, { capture: 'aof' }), options))
    expect(pinned.code).toBe('no-redis-cli')
    expect(await redis.cli('config', 'get', 'auto-aof-rewrite-percentage')).toMatch(/\n100$/)
    expect(await exists(join(deployment.data, '.relay-backup'))).toBe(false)
    const unasked = await failure(capture(redisConfig(0, { at: { socket } }), options))
    expect(unasked.code).toBe('no-redis-cli')
    await redis.stop('save')
    await using captured = await capture(redisConfig(redis.port), options)
    expect(captured.facts).toMatchObject({ stopped: true, rdb: { checksum: 'ok' } })
  })
})

describe('directories', () => {
  test('outside the deployment', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis()
    await redis.cli('set', 'a', '1')
    await using host = new LocalHost()
    await using captured = await capture(redisConfig(redis.port, { path: redis.dir }), {
      host,
      deployment: deployment.path,
    })
    const member = redis.dir.slice(1)
    expect(captured.outcome.absolutePrefixes).toEqual([member])
    expect(captured.facts.rdb?.databases).toEqual([{ database: 0, keys: 1, expires: 0 }])
    expect(await exists(join(await captured.unpack(), member, 'dump.rdb'))).toBe(true)
  })

  test('that are not there, or no directories', async () => {
    await using deployment = await makeDeployment()
    await using host = new LocalHost()
    const options = { host, deployment: deployment.path }
    expect((await failure(capture(redisConfig(1, { path: 'nowhere' }), options))).code).toBe('no-such-path')
    await writeFile(join(deployment.path, 'file'), '')
    expect((await failure(capture(redisConfig(1, { path: 'file' }), options))).code).toBe('not-a-directory')
  })

  test('that we can not read while the server is stopped', async () => {
    await using deployment = await makeDeployment()
    await chmod(deployment.path, 0o755)
    await chmod(deployment.data, 0o700)
    await using host = new LocalHost({ uid: 65_534, gid: 65_534 })
    const error = await failure(capture(redisConfig(await freePort()), { host, deployment: deployment.path }))
    expect(error.code).toBe('unreadable')
    expect(error.message).toContain('uid 65534')
  })

  test('that holds something else which we can not read: the capture goes on without it', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data })
    await redis.cli('set', 'a', '1')
    await redis.cli('save')
    await writeFile(join(deployment.data, 'old.rdb.gz'), 'x', { mode: 0o600 })
    await chmod(join(deployment.data, 'dump.rdb'), 0o644)
    await chmod(deployment.path, 0o755)
    await chmod(deployment.data, 0o755)
    await using host = new LocalHost({ uid: 65_534, gid: 65_534 })
    const config = redisConfig(redis.port)
    await using captured = await capture(config, { host, deployment: deployment.path })
    expect(captured.outcome.warnings).toContainEqual({ code: 'file-unreadable', count: 1 })
    expect(captured.facts.rdb?.databases).toEqual([{ database: 0, keys: 1, expires: 0 }])
  })

  test('whose RDB we can not read although the directory can be listed', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data })
    await redis.cli('set', 'a', '1')
    await redis.cli('save')
    await chmod(join(deployment.data, 'dump.rdb'), 0o600)
    await chmod(deployment.path, 0o755)
    await chmod(deployment.data, 0o755)
    await using host = new LocalHost({ uid: 65_534, gid: 65_534 })
    await using captured = await capture(redisConfig(redis.port), { host, deployment: deployment.path })
    expect(captured.formats.get('')).toBe('stream')
  })

  test('with a file of a strange name that is written to while it is read: it is marked as torn', async () => {
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data })
    const name = 'Größe\n1'
    await writeFile(join(deployment.data, name), 'x'.repeat(1000))
    const tools = await mkdtemp(join(tmpdir(), 'relay-tools-'))
    // It is appended to when tar has read it, and tar then says so.
    await writeFile(
      join(tools, 'tar'),
      `#!/bin/sh
if [ "$1" = --create ]; then set -- "$@" --checkpoint=1000 "--checkpoint-action=exec=echo more >>'${deployment.data}/$(printf 'Größe\\n1')'"; fi
exec /usr/bin/env PATH=${process.env['PATH']} tar "$@"
`,
      { mode: 0o755 },
    )
    await using host = new LocalHost({ path: `${tools}:${process.env['PATH']}` })
    await truncate(join(deployment.data, name), 40_000_000)
    await using captured = await capture(redisConfig(redis.port), { host, deployment: deployment.path })
    const member = Buffer.from(`redis_data/${name}`).toString('latin1')
    expect([...captured.outcome.amendments]).toEqual([[`\0${member}`, { flags: ['torn'] }]])
    expect(captured.outcome.warnings).toContainEqual({ code: 'file-changed', count: 1 })
    await rm(tools, { recursive: true })
  })

  test.each(['gnu', 'busybox'] as const)(
    'of which %s tar leaves a file out: the source fails',
    async (kind) => {
      await using deployment = await makeDeployment()
      await using redis = await startRedis({ dir: deployment.data })
      await writeFile(join(deployment.data, 'users.acl'), 'user default on')
      const tools = await mkdtemp(join(tmpdir(), 'relay-tools-'))
      await writeFile(
        join(tools, 'tar'),
        `#!/bin/sh
exec python3 -c 'import io, sys, tarfile
out = tarfile.open(fileobj=sys.stdout.buffer, mode="w|")
info = tarfile.TarInfo("redis_data"); info.type = tarfile.DIRTYPE; info.mode = 0o755
out.addfile(info)
data = open("${deployment.data}/dump.rdb", "rb").read()
info = tarfile.TarInfo("redis_data/dump.rdb"); info.size = len(data)
out.addfile(info, io.BytesIO(data))
out.close()'
`,
        { mode: 0o755 },
      )
      await using host = new LocalHost({ path: `${tools}:${process.env['PATH']}` })
      const error = await failure(
        capture(redisConfig(redis.port), { host, deployment: deployment.path, probe: { tar: kind } }),
      )
      expect(error.code).toBe(kind === 'gnu' ? 'missing-members' : 'capture-failed')
      await rm(tools, { recursive: true })
    },
  )

  test('a damaged RDB of a stopped server is noticed', async () => {
    await using deployment = await makeDeployment()
    const redis = await startRedis({ dir: deployment.data })
    await redis.cli('set', 'a', 'x'.repeat(100))
    await redis.stop('save')
    const file = join(deployment.data, 'dump.rdb')
    const bytes = await readFile(file)
    bytes[bytes.length - 20] = bytes[bytes.length - 20]! ^ 1
    await writeFile(file, bytes)
    await using host = new LocalHost()
    await expect(
      capture(redisConfig(redis.port), { host, deployment: deployment.path }),
    ).rejects.toMatchObject({
      problem: 'checksum',
    })
  })
})

test('an interrupted pull stops waiting for a save', async () => {
  await using deployment = await makeDeployment()
  await using redis = await startRedis({ dir: deployment.data, args: ['--rdb-key-save-delay', '1000000'] })
  for (let index = 0; index < 60; index += 1) await redis.cli('set', `k${index}`, '1')
  await using host = new LocalHost()
  const controller = new AbortController()
  const stopped = capture(redisConfig(redis.port), {
    host,
    deployment: deployment.path,
    signal: controller.signal,
    onStep: (text) => {
      if (text.startsWith('Redis is saving')) controller.abort(new Error('interrupted by the test'))
    },
  })
  await expect(stopped).rejects.toThrow('interrupted by the test')
})
