import { once } from 'node:events'
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { RedisCaptureForm } from '../../src/model/facts.ts'
import { mergeRedis, preflightMerge } from '../../src/sources/redis/merge/merge.ts'
import { unmergeRedis } from '../../src/sources/redis/merge/undo.ts'
import { RemoteError } from '../../src/errors.ts'
import { LocalHost } from '../lab/local-host.ts'
import { freePort } from '../lab/ports.ts'
import { resp, startRedis } from '../lab/redis.ts'
import type { LabRedis, RedisOptions } from '../lab/redis.ts'
import { tempDir } from '../lab/temp.ts'
import { capture, makeDeployment, redisConfig } from './redis-harness.ts'
import { everyValue, fillEveryType, restoreContext, rewriteAof, stage } from './redis-restore-harness.ts'

const BINARY = Buffer.from([0, 255, 10, 13, 34, 92, 39, 32])

/** A snapshot, staged beside a target that runs, and a journal. */
async function mergeSetting(
  fill: (redis: LabRedis) => Promise<void>,
  options: {
    form?: RedisCaptureForm
    target?: RedisOptions
    username?: string
    /** How long the server may be silent, in ms. */
    patience?: number
  } = {},
) {
  const form = options.form ?? 'rdb'
  const stack = new AsyncDisposableStack()
  const host = stack.use(new LocalHost(options.patience === undefined ? {} : { patience: options.patience }))
  const source = stack.use(await makeDeployment())
  const deployment = stack.use(await makeDeployment())
  const folder = await mkdtemp(join(tmpdir(), 'relay-merge-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const redis = stack.use(
    await startRedis({ dir: source.data, args: form === 'rdb' ? [] : ['--appendonly', 'yes'] }),
  )
  await fill(redis)
  // Behind the base are commands, and replaying them gives the consumers of streams another time.
  if (form !== 'rdb') await rewriteAof(redis)
  const captured = stack.use(
    await capture(redisConfig(redis.port, { capture: form }), { host, deployment: source.path }),
  )
  const staged = await stage(captured, deployment.path)
  const target = stack.use(await startRedis({ dir: deployment.data, ...options.target }))
  const steps: string[] = []
  const context = restoreContext(host, deployment.path, {
    steps,
    password: options.target?.password ?? 'secret',
  })
  const secured = options.target?.password !== undefined || options.username !== undefined
  const config = redisConfig(target.port, {
    ...(secured ? { password: { env: 'UNUSED' } } : {}),
    ...(options.username === undefined ? {} : { username: options.username }),
  })
  const journal = join(folder, 'journal')
  return {
    host,
    redis,
    target,
    context,
    config,
    journal,
    steps,
    staged,
    facts: captured.facts,
    merge: () => mergeRedis(context, config, captured.facts, staged, journal),
    unmerge: () => unmergeRedis(context, config, journal),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

test.each(['rdb', 'aof'] as const)(
  'adds 3000 keys of every type from a snapshot by capture: %s',
  async (form) => {
    await using setting = await mergeSetting((redis) => fillEveryType(redis, 3000), { form })
    const values = await everyValue(setting.redis)
    const preflight = await preflightMerge(setting.context, setting.config, setting.facts)
    expect(preflight.findings.map(({ outcome }) => outcome)).toEqual(['ok', 'ok'])
    const result = await setting.merge()
    expect(result).toMatchObject({ added: values.length, existed: 0 })
    expect(result.databases.map(({ database }) => database)).toEqual([0, 1])
    expect(await everyValue(setting.target)).toEqual(values)
    expect(setting.steps.at(-1)).toBe(
      `merging keys: ${values.length} of ${values.length} looked at, ${values.length} added`,
    )
    expect(setting.host.running.size).toBe(0)
    expect(await setting.unmerge()).toEqual({ removed: values.length, changed: 0, changedKeys: [], gone: 0 })
    expect(await everyValue(setting.target)).toEqual([])
    expect(await setting.unmerge()).toMatchObject({ removed: 0, gone: values.length })
  },
)

test('keys that are there stay as they are, and rollback removes only what is still as it was added', async () => {
  await using setting = await mergeSetting(async (redis) => {
    await redis.pipe(
      Buffer.concat([
        resp('set', 'both', 'of the snapshot'),
        resp('set', 'session', 'x', 'px', '10000000'),
        resp('set', BINARY, BINARY),
        resp('rpush', 'appended', 'a'),
        resp('hset', 'touched', 'f', 'v'),
        resp('set', 'made to stay', 'x', 'px', '10000000'),
        resp('set', 'deleted', 'x'),
        resp('select', '7'),
        resp('set', 'elsewhere', '1'),
      ]),
    )
  })
  const { target } = setting
  await target.pipe(Buffer.concat([resp('set', 'both', 'of the target'), resp('set', 'own', '1')]))
  const before = await everyValue(target)
  expect(await setting.merge()).toEqual({
    added: 7,
    existed: 1,
    databases: [
      { database: 0, added: 6 },
      { database: 7, added: 1 },
    ],
  })
  expect(await target.cli('get', 'both')).toBe('of the target')
  expect(await target.cli('pexpiretime', 'session')).toBe(await setting.redis.cli('pexpiretime', 'session'))
  expect(await target.cli('-n', '7', 'get', 'elsewhere')).toBe('1')
  await target.cli('rpush', 'appended', 'b')
  await target.cli('hset', 'touched', 'f', 'w')
  await target.cli('persist', 'made to stay')
  await target.cli('del', 'deleted')
  const back = await setting.unmerge()
  expect({ ...back, changedKeys: back.changedKeys.toSorted() }).toEqual({
    removed: 3,
    changed: 3,
    changedKeys: ['db0 appended', 'db0 made to stay', 'db0 touched'],
    gone: 1,
  })
  await target.cli('del', 'appended', 'touched', 'made to stay')
  expect(await everyValue(target)).toEqual(before)
})

test('big sets and hashes are known again after a restart has given them another order', async () => {
  await using setting = await mergeSetting((redis) => fillEveryType(redis, 300), {
    target: {
      args: ['--appendonly', 'yes', '--set-max-intset-entries', '2', '--hash-max-listpack-entries', '1'],
    },
  })
  const { added } = await setting.merge()
  await setting.target.cli('debug', 'reload').catch(() => undefined)
  await setting.target.stop()
  await using again = await startRedis({
    dir: setting.target.dir,
    port: setting.target.port,
    args: ['--appendonly', 'yes', '--set-max-intset-entries', '2', '--hash-max-listpack-entries', '1'],
  })
  expect(await setting.unmerge()).toMatchObject({ removed: added, changed: 0 })
  expect(await again.cli('dbsize')).toBe('0')
})

test('with a password, with an ACL user, and refused without the rights, before anything is added', async () => {
  const fill = (redis: LabRedis): Promise<void> => fillEveryType(redis, 20)
  {
    await using setting = await mergeSetting(fill, { target: { password: 'geheim' } })
    expect(await setting.merge()).toMatchObject({ added: 20 })
    for (const { args } of setting.host.commands) expect(args?.join(' ')).not.toContain('geheim')
  }
  {
    await using setting = await mergeSetting(fill, {
      username: 'backup',
      target: { users: ['user backup on >secret ~* &* +@all'] },
    })
    expect(await setting.merge()).toMatchObject({ added: 20 })
  }
  await using setting = await mergeSetting(fill, {
    username: 'backup',
    target: { users: ['user backup on >secret ~* +ping +info +config|get +select +exists +auth'] },
  })
  await expect(setting.merge()).rejects.toMatchObject({ code: 'redis-no-permission' })
  expect(await setting.target.cli('dbsize')).toBe('0')
  expect(setting.host.running.size).toBe(0)
})

test('an announced key that was never added, and a line that was cut off, do no harm', async () => {
  await using setting = await mergeSetting((redis) => fillEveryType(redis, 20))
  await setting.merge()
  const text = await readFile(setting.journal, 'utf8')
  expect(text.endsWith('end\n')).toBe(true)
  const own = Buffer.from('own').toString('base64')
  await setting.target.cli('set', 'own', 'mine')
  await appendFile(setting.journal, `add 0 ${own} ${'0'.repeat(32)} 0\nadd 0 ${own.slice(0, 3)}`)
  expect(await setting.unmerge()).toMatchObject({ removed: 20, changed: 1, changedKeys: ['db0 own'] })
  expect(await setting.target.cli('get', 'own')).toBe('mine')
})

test('is refused in preflight where Redis does not run', async () => {
  await using setting = await mergeSetting((redis) => fillEveryType(redis, 20))
  await setting.target.stop()
  const { findings } = await preflightMerge(setting.context, setting.config, setting.facts)
  expect(findings).toMatchObject([{ check: 'redis-running', outcome: 'failed' }])
})

/** Stands before a Redis, at a port or a socket, and says nothing more once a key is to be restored. */
async function hangingAtRestore(port: number, at: number | string): Promise<AsyncDisposable> {
  const hung = new AbortController()
  const server = createServer((client) => {
    const redis = connect(port, '127.0.0.1')
    for (const socket of [client, redis]) socket.on('error', () => {})
    client.on('data', (chunk) => {
      if (chunk.includes('RESTORE')) hung.abort()
      if (!hung.signal.aborted) redis.write(chunk)
    })
    redis.on('data', (chunk) => client.write(chunk))
    client.on('close', () => redis.destroy())
    redis.on('close', () => client.destroy())
  })
  if (typeof at === 'string') server.listen(at)
  else server.listen(at, '127.0.0.1')
  await once(server, 'listening')
  return { [Symbol.asyncDispose]: async () => void server.close() }
}

test.each(['TCP', 'redis-cli'] as const)(
  'a Redis that hangs in the middle ends the merge, not the night: by %s',
  async (by) => {
    await using setting = await mergeSetting((redis) => fillEveryType(redis, 20), { patience: 2000 })
    await using folder = await tempDir()
    const port = await freePort()
    const socket = join(folder.path, 'redis.sock')
    await using _hanging = await hangingAtRestore(setting.target.port, by === 'TCP' ? port : socket)
    const at = by === 'TCP' ? redisConfig(port).at : { socket }
    const { context, facts, staged, journal } = setting
    await expect(
      mergeRedis(context, { ...setting.config, at }, facts, staged, journal),
    ).rejects.toMatchObject({
      code: 'redis-silent',
      details: { next: expect.stringContaining('SLOWLOG') as string },
    })
    // What was announced is taken back as if it had been added.
    expect(await setting.unmerge()).toMatchObject({ removed: 0, gone: 20 })
  },
)

test('a server that forwards no TCP is spoken to by redis-cli', async () => {
  await using setting = await mergeSetting((redis) => fillEveryType(redis, 20))
  setting.host.connectTcp = (address, port, signal) =>
    port === setting.target.port
      ? Promise.reject(new RemoteError('tcp-failed', 'administratively prohibited'))
      : LocalHost.prototype.connectTcp.call(setting.host, address, port, signal)
  expect(await setting.merge()).toMatchObject({ added: 20 })
  expect(setting.host.commands.map(({ script }) => script)).toContain('sources/redis/session')
})
