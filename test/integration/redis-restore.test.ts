import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RedisCaptureForm } from '../../src/model/facts.ts'
import { LocalHost } from '../lab/local-host.ts'
import { freePort, resp, startRedis } from '../lab/redis.ts'
import type { LabRedis } from '../lab/redis.ts'
import { capture, makeDeployment, redisConfig } from './redis-harness.ts'
import type { Captured } from './redis-harness.ts'
import { everyValue, fillEveryType, restoreSetting } from './redis-restore-harness.ts'

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
    await redis.cli('bgrewriteaof')
    await rewritten(redis)
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
    // What Redis wrote and what we did have the same owner and mode.
    if (expected[0] === 'other.rdb') expect((await stat(join(data, 'other.rdb'))).mode & 0o777).toBe(0o644)
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

async function rewritten(redis: LabRedis | undefined): Promise<void> {
  for (;;) {
    const info = (await redis?.cli('info', 'persistence')) ?? ''
    if (/aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info)) return
  }
}
