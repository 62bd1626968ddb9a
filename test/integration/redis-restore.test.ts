import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, readFile, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { RedisCaptureForm } from '../../src/sources/redis/facts.ts'
import { checkRedis } from '../../src/sources/redis/restore/check.ts'
import { restorableRedis } from '../../src/sources/redis/restore/restore.ts'
import { busyboxTools } from '../lab/busybox.ts'
import { LocalHost } from '../lab/local-host.ts'
import { freePort } from '../lab/ports.ts'
import { resp, startRedis } from '../lab/redis.ts'
import type { LabRedis } from '../lab/redis.ts'
import { tempDir } from '../lab/temp.ts'
import { capture, makeDeployment, redisConfig } from './redis-harness.ts'
import type { Captured } from './redis-harness.ts'
import {
  everyValue,
  fillEveryType,
  restoreContext,
  restoreSetting,
  rewriteAof,
  rewritten,
  stage,
} from './redis-restore-harness.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

const run = promisify(execFile)

const CUSTOM = [
  ...['--dbfilename', 'other.rdb', '--appenddirname', 'their aof', '--appendfilename', 'their.aof'],
]

/** Takes a snapshot of a filled source whose keys are known. */
async function snapshot(
  form: RedisCaptureForm,
  fill: (redis: LabRedis) => Promise<void>,
  args: readonly string[] = [],
): Promise<{ captured: Captured; values: readonly string[] }> {
  await using deployment = await makeDeployment()
  await using redis = await startRedis({
    dir: deployment.data,
    args: [...(form === 'rdb' ? [] : ['--appendonly', 'yes']), ...args],
  })
  await fill(redis)
  if (form !== 'rdb') {
    await rewriteAof(redis)
    await redis.cli('set', 'behind the base', 'x')
  }
  const values = await everyValue(redis)
  await using host = new LocalHost()
  const captured = await capture(redisConfig(redis.port, { capture: form }), {
    host,
    deployment: deployment.path,
  })
  return { captured, values }
}

const few = (redis: LabRedis): Promise<void> => fillEveryType(redis, 100)

/** The persistence files of a directory. */
async function forms(data: string): Promise<readonly string[]> {
  const names = await readdir(data)
  return names.filter((name) => /rdb|aof|appendonly|relay/.test(name)).toSorted()
}

const outcomes = (findings: readonly { check: string; outcome: string }[]): readonly string[] =>
  findings.filter(({ outcome }) => outcome === 'failed').map(({ check }) => check)

describe.each(['rdb', 'aof', 'both'] as const)('a snapshot by capture: %s', (form) => {
  test.each([
    ['AOF off', ['--appendonly', 'no'], ['dump.rdb']],
    ['AOF on', ['--appendonly', 'yes'], ['appendonlydir']],
    ['AOF off under other names', ['--appendonly', 'no', ...CUSTOM], ['other.rdb']],
    ['AOF on under other names', ['--appendonly', 'yes', ...CUSTOM], ['their aof']],
  ])('comes up whole on a target with %s, which has exactly one form', async (_name, args, expected) => {
    const { captured, values } = await snapshot(form, few)
    await using _captured = captured
    await using host = new LocalHost()
    await using setting = await restoreSetting(redisConfig, await freePort(), { args })
    const { target, preflight, findings, data } = await setting.restore(captured, host)
    expect(outcomes(preflight.findings)).toEqual([])
    expect(preflight.notes.at(-1)).toMatch(args.includes('yes') ? /^An AOF is written/ : /^An RDB is written/)
    expect(await everyValue(target)).toEqual(values)
    expect(await forms(data)).toEqual(expected)
    expect(outcomes(findings)).toEqual([])
    expect(findings.map(({ check }) => check)).toContain('redis-keys')
  })

  test('comes up whole on a target that was never started', async () => {
    const { captured, values } = await snapshot(form, few, ['--dbfilename', 'source.rdb'])
    await using _captured = captured
    await using host = new LocalHost()
    const args = ['--dbfilename', 'source.rdb', '--appendonly', form === 'rdb' ? 'no' : 'yes']
    await using setting = await restoreSetting(redisConfig, await freePort(), { args, running: false })
    const { target, preflight, findings, data } = await setting.restore(captured, host)
    expect(preflight.notes[0]).toMatch(/does not run there/)
    expect(await everyValue(target)).toEqual(values)
    expect(await forms(data)).toEqual(form === 'rdb' ? ['source.rdb'] : ['appendonlydir'])
    expect(outcomes(findings)).toEqual([])
  })
})

test('50,000 keys of every type are the same, value by value, behind the AOF of the target', async () => {
  const { captured, values } = await snapshot('rdb', (redis) => fillEveryType(redis, 50_000))
  await using _captured = captured
  await using host = new LocalHost()
  await using setting = await restoreSetting(redisConfig, await freePort(), { args: ['--appendonly', 'yes'] })
  const { target, findings } = await setting.restore(captured, host)
  expect(await everyValue(target)).toEqual(values)
  expect(values.length).toBeGreaterThan(49_000)
  expect(findings.find(({ check }) => check === 'redis-keys')).toMatchObject({ outcome: 'ok' })
})

test('the AOF trap: a target with AOF on that is given an RDB comes up with all keys, not empty', async () => {
  const { captured, values } = await snapshot('rdb', few)
  await using _captured = captured
  await using host = new LocalHost()
  await using setting = await restoreSetting(redisConfig, await freePort(), { args: ['--appendonly', 'yes'] })
  const { target, data } = await setting.restore(captured, host)
  expect(await everyValue(target)).toEqual(values)
  // And again, from what it has written itself by now.
  await target.cli('set', 'later', '1')
  await target.stop()
  await using again = await startRedis({ dir: data, args: ['--appendonly', 'yes'] })
  expect(await everyValue(again)).toHaveLength(values.length + 1)
})

test('the stale AOF: AOF off, then 500 keys, then AOF turned on and a start with it: all are there', async () => {
  const { captured, values } = await snapshot('both', few)
  await using _captured = captured
  await using host = new LocalHost()
  await using setting = await restoreSetting(redisConfig, await freePort(), { args: ['--appendonly', 'no'] })
  const { target, data } = await setting.restore(captured, host)
  // Had the captured AOF been left here, a start with AOF on would load it instead of what was saved since.
  expect(await forms(data)).toEqual(['dump.rdb'])
  await target.pipe(Buffer.concat(Array.from({ length: 500 }, (_, at) => resp('set', `later ${at}`, '1'))))
  await target.cli('config', 'set', 'appendonly', 'yes')
  await rewritten(target)
  await target.stop()
  await using again = await startRedis({ dir: data, args: ['--appendonly', 'yes'] })
  expect(await everyValue(again)).toHaveLength(values.length + 500)
})

test('a target whose AOF was turned on and never written to its config gets what its start loads', async () => {
  const { captured, values } = await snapshot('rdb', few)
  await using _captured = captured
  await using host = new LocalHost()
  const folder = await makeDeployment()
  await using _folder = folder
  const include = join(folder.path, 'more.conf')
  await writeFile(include, 'dbfilename "from include.rdb"\n')
  const file = join(folder.path, 'redis.conf')
  await writeFile(
    file,
    `requirepass never-told\nrequirepass ""\nappendonly yes\nAppendOnly no\ninclude ${include}\n`,
  )
  const port = await freePort()
  const args = ['--set-proc-title', 'no']
  await using setting = await restoreSetting(redisConfig, port, { args, config: file })
  await setting.before?.cli('config', 'set', 'appendonly', 'yes')
  await rewritten(setting.before)
  const { target, preflight, data } = await setting.restore(captured, host)
  expect(preflight.findings).toContainEqual(
    expect.objectContaining({
      check: 'redis-start',
      outcome: 'warning',
      message: expect.stringMatching(/runs with appendonly yes, but starts with no \(CONFIG SET/) as string,
    }),
  )
  expect(await forms(data)).toEqual(['from include.rdb'])
  expect(await everyValue(target)).toEqual(values)
})

test('with busybox, an AOF becomes an RDB and an RDB an AOF', async () => {
  await using tools = await tempDir()
  const path = await busyboxTools(join(tools.path, 'bin'))
  for (const name of ['redis-cli', 'redis-server']) await symlink(`/usr/bin/${name}`, join(path, name))
  for (const [form, appendonly] of [
    ['aof', 'no'],
    ['rdb', 'yes'],
  ] as const) {
    const { captured, values } = await snapshot(form, few)
    await using _captured = captured
    await using host = new LocalHost({ shell: ['busybox', 'sh'], path })
    await using setting = await restoreSetting(redisConfig, await freePort(), {
      args: ['--appendonly', appendonly, ...CUSTOM],
    })
    const { target, data, findings } = await setting.restore(captured, host)
    expect(await everyValue(target)).toEqual(values)
    expect(await forms(data)).toEqual([appendonly === 'no' ? 'other.rdb' : 'their aof'])
    expect(outcomes(findings)).toEqual([])
  }
})

test('without redis-cli: by TCP all is looked at; at a socket nothing that runs', async () => {
  const { captured, values } = await snapshot('rdb', few)
  await using _captured = captured
  await using tools = await tempDir()
  const path = await busyboxTools(join(tools.path, 'bin'))
  await using host = new LocalHost({ shell: ['busybox', 'sh'], path })
  const socket = join(tools.path, 'redis.sock')
  await using setting = await restoreSetting(redisConfig, await freePort(), {
    running: false,
    args: ['--unixsocket', socket],
  })
  const { target, preflight, findings } = await setting.restore(captured, host)
  expect(await everyValue(target)).toEqual(values)
  for (const found of [preflight.findings, findings]) expect(outcomes(found)).toEqual([])
  expect(findings).toContainEqual(expect.objectContaining({ check: 'redis-keys', outcome: 'ok' }))
  const context = restoreContext(host, setting.deployment)
  const config = { ...setting.config, at: { socket } }
  const refused = await restorableRedis.preflight(context, config, captured.facts)
  expect(refused.findings).toEqual([
    expect.objectContaining({ outcome: 'failed', message: 'The server has no redis-cli' }),
  ])
  expect(await restorableRedis.check(context, config, captured.facts)).toEqual([
    expect.objectContaining({ check: 'redis-cli', outcome: 'warning' }),
  ])
})

test('with a password, which never shows in arguments, and with an ACL user of few rights', async () => {
  for (const secured of [
    { password: 'geheim' },
    { users: ['user backup on >geheim ~* +ping +info +config|get'], username: 'backup' },
  ]) {
    const { username, ...options } = { username: undefined, ...secured }
    const { captured } = await snapshot('rdb', few)
    await using _captured = captured
    await using host = new LocalHost()
    await using setting = await restoreSetting(
      (port) =>
        redisConfig(port, { password: { env: 'UNUSED' }, ...(username === undefined ? {} : { username }) }),
      await freePort(),
      { args: ['--appendonly', 'yes'], ...options, secret: 'geheim' },
    )
    const { preflight, findings } = await setting.restore(captured, host)
    expect(outcomes([...preflight.findings, ...findings])).toEqual([])
    for (const { args } of host.commands) expect(args?.join(' ')).not.toContain('geheim')
  }
})

test('a wrong password is said in preflight', async () => {
  const { captured } = await snapshot('rdb', few)
  await using _captured = captured
  await using target = await startRedis({ password: 'geheim' })
  await using host = new LocalHost()
  const context = restoreContext(host, '/', { password: 'falsch' })
  const config = redisConfig(target.port, { path: target.dir, password: { env: 'UNUSED' } })
  const { findings } = await restorableRedis.preflight(context, config, captured.facts)
  expect(findings).toMatchObject([{ check: 'redis-reachable', outcome: 'failed' }])
  expect(JSON.stringify(findings)).not.toContain('falsch')
})

test('an older server, fewer databases, a replica and another directory are refused in preflight', async () => {
  const { captured } = await snapshot('rdb', few)
  await using _captured = captured
  await using master = await startRedis()
  await using target = await startRedis({
    args: ['--databases', '2', '--replicaof', `127.0.0.1 ${master.port}`],
  })
  await using host = new LocalHost()
  const { facts } = captured
  const rdb = facts.rdb ?? expect.fail()
  const { findings } = await restorableRedis.preflight(
    restoreContext(host, '/'),
    redisConfig(target.port, { path: master.dir }),
    { ...facts, rdb: { ...rdb, version: 12, databases: [{ database: 2, keys: 1, expires: 0 }] } },
  )
  expect(outcomes(findings)).toEqual(['redis-directory', 'redis-version', 'redis-databases', 'redis-replica'])
  expect(findings.find(({ check }) => check === 'redis-version')?.message).toMatch(
    /Redis 7\.0\.15 .* needs Redis 7\.4/,
  )
})

test('an RDB that came as a stream is restored under the name of the target', async () => {
  await using source = await startRedis()
  await few(source)
  const values = await everyValue(source)
  await using deployment = await makeDeployment()
  await using host = new LocalHost()
  await using captured = await capture(redisConfig(source.port, { path: source.dir }), {
    host: new LocalHost({ uid: 65_534, gid: 65_534 }),
    deployment: deployment.path,
  })
  expect(captured.formats.get('')).toBe('stream')
  await using setting = await restoreSetting(redisConfig, await freePort(), { args: CUSTOM })
  const { target, data } = await setting.restore(captured, host)
  expect(await everyValue(target)).toEqual(values)
  expect(await forms(data)).toEqual(['other.rdb'])
})

test('a single file of an older Redis with an RDB preamble is restored, as AOF and as RDB', async () => {
  for (const appendonly of ['yes', 'no']) {
    const { captured, values } = await snapshot('aof', few)
    await using _captured = captured
    await using host = new LocalHost()
    await using setting = await restoreSetting(redisConfig, await freePort(), {
      args: ['--appendonly', appendonly],
    })
    const { facts } = captured
    const aof = facts.aof ?? expect.fail()
    const { target, data } = await setting.restore(
      { ...captured, facts: { ...facts, aof: { ...aof, layout: 'single-file' } } },
      host,
      async (staged) => {
        // What 6.2 would have written: the base and the commands in one file.
        const parts = (await readdir(join(staged, 'appendonlydir'))).filter(
          (name) => !name.endsWith('.manifest'),
        )
        for (const part of parts.toSorted()) {
          await appendFile(
            join(staged, 'appendonly.aof'),
            await readFile(join(staged, 'appendonlydir', part)),
          )
        }
        await rm(join(staged, 'appendonlydir'), { recursive: true })
      },
    )
    expect(await everyValue(target)).toEqual(values)
    expect(await forms(data)).toEqual([appendonly === 'yes' ? 'appendonlydir' : 'dump.rdb'])
  }
})

test('missing keys are a failed check with both numbers, and so is a server that does not come up', async () => {
  const { captured } = await snapshot('rdb', few)
  await using _captured = captured
  await using host = new LocalHost()
  await using setting = await restoreSetting(redisConfig, await freePort(), {})
  const { target, findings } = await setting.restore(captured, host)
  expect(outcomes(findings)).toEqual([])
  await target.cli('flushall')
  const context = restoreContext(host, setting.deployment)
  const again = await restorableRedis.check(context, setting.config, captured.facts)
  expect(again.find(({ check }) => check === 'redis-keys')).toMatchObject({
    outcome: 'failed',
    message: expect.stringMatching(/db0: expected 100 keys \(10 with an expiry\), actual 0 keys/) as string,
  })
  await target.stop()
  const down = await checkRedis(context, setting.config, captured.facts, 1)
  expect(down).toMatchObject([{ check: 'redis-up', outcome: 'failed' }])
})

test('a server that is still loading is waited for', async () => {
  const { captured } = await snapshot('rdb', (redis) => fillEveryType(redis, 2000))
  await using _captured = captured
  await using host = new LocalHost()
  await using setting = await restoreSetting(redisConfig, await freePort(), {
    // 2 s, in which nothing but the bytes that were loaded moves.
    args: ['--key-load-delay', '1000', '--loading-process-events-interval-bytes', '1024'],
    loading: true,
  })
  const { findings, steps } = await setting.restore(captured, host)
  expect(outcomes(findings)).toEqual([])
  expect(steps).toContainEqual(expect.stringMatching(/^Redis is loading: .* of /))
})

test.runIf(process.getuid?.() === 0)(
  'what is made has the owner and the mode of what was captured',
  async () => {
    for (const [form, appendonly] of [
      ['rdb', 'yes'],
      ['aof', 'no'],
      ['aof', 'yes'],
    ] as const) {
      const { captured } = await snapshot(form, few)
      await using _captured = captured
      await using host = new LocalHost()
      await using setting = await restoreSetting(redisConfig, await freePort(), {
        args: ['--appendonly', appendonly, ...CUSTOM],
      })
      const staged = await stage(captured, setting.deployment)
      await run('chown', ['-R', '990:991', staged])
      await run('find', [staged, '-type', 'f', '-exec', 'chmod', '0640', '{}', '+'])
      await run('find', [staged, '-type', 'd', '-exec', 'chmod', '0750', '{}', '+'])
      const context = restoreContext(host, setting.deployment)
      await restorableRedis.arrange(context, setting.config, captured.facts, { staged, target: setting.data })
      const files = (await readdir(staged, { recursive: true })).toSorted()
      expect(files).toContain(appendonly === 'no' ? 'other.rdb' : 'their aof/their.aof.manifest')
      for (const name of files) {
        const { uid, gid, mode } = await stat(join(staged, name))
        expect([name, uid, gid, mode & 0o777]).toEqual([name, 990, 991, name === 'their aof' ? 0o750 : 0o640])
      }
    }
  },
)

test('a symlink in what was unpacked leads nowhere', async () => {
  const { captured } = await snapshot('aof', few)
  await using _captured = captured
  await using host = new LocalHost()
  await using outside = await tempDir()
  await using setting = await restoreSetting(redisConfig, await freePort(), { args: ['--appendonly', 'yes'] })
  const restore = setting.restore(captured, host, async (staged) => {
    await rename(join(staged, 'appendonlydir'), join(outside.path, 'real'))
    await symlink(join(outside.path, 'real'), join(staged, 'appendonlydir'))
  })
  await expect(restore).rejects.toMatchObject({ code: 'redis-restore-files' })
  expect(await readdir(join(outside.path, 'real'))).toHaveLength(3)
})

test('when the client is gone, the server that only loads an AOF ends', async () => {
  const { captured } = await snapshot('aof', few)
  await using _captured = captured
  await using host = new LocalHost()
  await using setting = await restoreSetting(redisConfig, await freePort(), {})
  let socket = ''
  const restore = setting.restore(captured, host, (staged) => {
    socket = join(staged, '.relay-backup-redis', 'redis.sock')
    const watch = setInterval(() => {
      if (!existsSync(socket)) return
      clearInterval(watch)
      host.cut()
    }, 5)
    return Promise.resolve()
  })
  await expect(restore).rejects.toMatchObject({ code: 'redis-restore' })
  while (host.running.size > 0) await sleep(50)
  expect(existsSync(socket)).toBe(false)
})
