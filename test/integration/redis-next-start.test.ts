import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { RedisFacts } from '../../src/sources/redis/facts.ts'
import type { RestoreContext } from '../../src/sources/contract.ts'
import { restorableRedis } from '../../src/sources/redis/restore/restore.ts'
import { LocalHost } from '../lab/local-host.ts'
import { freePort } from '../lab/ports.ts'
import { startRedis } from '../lab/redis.ts'
import { capture, makeDeployment, redisConfig } from './redis-harness.ts'
import { everyValue, fillEveryType, restoreContext, restoreSetting } from './redis-restore-harness.ts'

const run = promisify(execFile)

const facts: RedisFacts = {
  kind: 'redis',
  form: 'rdb',
  loads: 'rdb',
  pointInTime: true,
  stopped: false,
  settings: { appendonly: 'yes' },
}

interface Started extends AsyncDisposable {
  readonly deployment: string
  readonly file: string
  readonly port: number
  preflight(
    more?: Partial<Parameters<typeof redisConfig>[1]>,
    context?: Partial<RestoreContext>,
  ): ReturnType<typeof restorableRedis.preflight>
}

/** A server of this config that is started as people start it: by its config file, and options. */
async function started(text: string, ...options: string[]): Promise<Started> {
  const made = await makeDeployment()
  const port = await freePort()
  const file = join(made.path, 'redis.conf')
  const whole = (lines: string): string =>
    `port ${port}\nbind 127.0.0.1\ndir ${made.data}\nsave ""\ndaemonize no\n${lines}\n`
  await writeFile(file, whole(text))
  // A process is known to be younger than a file when both are not of the same hundredth of a second.
  await run('redis-server', ['--version'])
  const child = spawn('redis-server', [file, ...options], { stdio: ['ignore', 'pipe', 'ignore'] })
  for await (const chunk of child.stdout) if (/Ready to accept/.test(String(chunk))) break
  child.stdout.resume()
  const host = new LocalHost()
  return {
    deployment: made.path,
    file,
    port,
    preflight: (more, context) =>
      restorableRedis.preflight(
        { ...restoreContext(host, made.path), ...context },
        redisConfig(port, more),
        facts,
      ),
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      await host[Symbol.asyncDispose]()
      await made[Symbol.asyncDispose]()
    },
  }
}

/** As an administrator edits it for the next start. */
async function edit(file: string, from: string, to: string): Promise<void> {
  const before = await readFile(file, 'utf8')
  expect(before).toContain(from)
  await writeFile(file, before.replace(from, to))
}

const starts = (found: Awaited<ReturnType<Started['preflight']>>): readonly string[] =>
  found.findings.filter(({ check }) => check === 'redis-start').map(({ outcome }) => outcome)

describe('a config file that was edited after the start', () => {
  test('counts, where the command line has no room for another word', async () => {
    await using redis = await started('appendonly yes')
    await edit(redis.file, 'appendonly yes', 'appendonly no')
    const found = await redis.preflight()
    expect(starts(found)).toEqual(['warning'])
    expect(found.notes.at(-1)).toMatch(/^An RDB is written .* appendonly no/)
  })

  test('the other way round, and under another name of the AOF', async () => {
    await using redis = await started('appendonly no')
    await edit(redis.file, 'appendonly no', 'appendonly yes\nappenddirname "another"')
    const found = await redis.preflight()
    expect(starts(found)).toEqual(['warning', 'warning'])
    expect(found.notes.at(-1)).toMatch(/^An AOF is written \(another\//)
  })

  test('is asked about before anything stops where the command line may say it, and the answer is taken', async () => {
    await using redis = await started('appendonly yes', '--loglevel', 'notice', '--hz', '10')
    await edit(redis.file, 'appendonly yes', 'appendonly no')
    const asked = await redis.preflight()
    expect(starts(asked)).toEqual(['failed'])
    expect(asked.findings.find(({ check }) => check === 'redis-start')).toMatchObject({
      message: expect.stringMatching(/changed since its start, says no, and its command line/) as string,
      next: expect.stringContaining('startsWith: rdb') as string,
    })
    for (const [startsWith, form] of [
      ['rdb', 'An RDB'],
      ['aof', 'An AOF'],
    ] as const) {
      const answered = await redis.preflight({ startsWith })
      expect(starts(answered)).toEqual([])
      expect(answered.notes.at(-1)).toMatch(new RegExp(`^${form} is written .*startsWith: ${startsWith}`))
    }
  })

  test('does not matter where the config of the host says how Redis is started', async () => {
    await using redis = await started('appendonly yes', '--loglevel', 'notice', '--hz', '10')
    await edit(redis.file, 'appendonly yes', 'appendonly no')
    const line = (options: string): Partial<RestoreContext> => ({
      starter: { line: `cd /tmp && redis-server ${redis.file} ${options} --daemonize yes` },
    })
    expect((await redis.preflight({}, line(''))).notes.at(-1)).toMatch(/^An RDB is written/)
    expect((await redis.preflight({}, line('--appendonly yes'))).notes.at(-1)).toMatch(/^An AOF is written/)
    const other = { starter: { line: 'redis-server --port 1 --daemonize yes' } }
    expect(starts(await redis.preflight({}, other))).toEqual(['failed'])
  })
})

test('a file as it was at the start tells what the command line says', async () => {
  await using redis = await started('appendonly no', '--appendonly', 'yes', '--loglevel', 'notice')
  const found = await redis.preflight()
  expect(starts(found)).toEqual([])
  expect(found.notes.at(-1)).toMatch(/^An AOF is written .* appendonly yes/)
})

test('a Redis that is down starts as the line of the config says, not as the source did', async () => {
  await using made = await makeDeployment()
  await using host = new LocalHost()
  const port = await freePort()
  const context = {
    ...restoreContext(host, made.path),
    starter: { line: `redis-server --port ${port} --appendonly no --daemonize yes` },
  }
  const { notes } = await restorableRedis.preflight(context, redisConfig(port), facts)
  expect(notes).toEqual([
    expect.stringMatching(/^An RDB is written .* because Redis starts with appendonly no/),
  ])
})

test('what startsWith says is written, and comes up whole', async () => {
  await using source = await makeDeployment()
  await using redis = await startRedis({ dir: source.data })
  await fillEveryType(redis, 50)
  const values = await everyValue(redis)
  await using host = new LocalHost()
  await using captured = await capture(redisConfig(redis.port), { host, deployment: source.path })
  const file = join(source.path, 'redis.conf')
  await writeFile(file, 'appendonly no\n')
  await using setting = await restoreSetting(
    (port) => redisConfig(port, { startsWith: 'aof' }),
    await freePort(),
    { config: file },
  )
  await edit(file, 'no', 'yes')
  const { target, preflight } = await setting.restore(captured, host)
  expect(preflight.findings.filter(({ outcome }) => outcome === 'failed')).toEqual([])
  expect(await target.cli('config', 'get', 'appendonly')).toBe('appendonly\nyes')
  expect(await everyValue(target)).toEqual(values)
})
