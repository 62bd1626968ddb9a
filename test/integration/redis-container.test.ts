import { chmod, mkdir, readFile, readdir, rename, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RedisSourceConfig } from '../../src/sources/redis/config.ts'
import { RelayError } from '../../src/errors.ts'
import { mergingRedis } from '../../src/sources/redis/merge/merging.ts'
import { restorableRedis } from '../../src/sources/redis/restore/restore.ts'
import { connectSsh } from '../../src/remote/ssh.ts'
import { busyboxTools } from '../lab/busybox.ts'
import { writeDockerDeployment } from '../lab/docker-deployment.ts'
import type { DockerDeploymentOptions } from '../lab/docker-deployment.ts'
import { startDocker } from '../lab/docker.ts'
import type { LabDocker } from '../lab/docker.ts'
import { LocalHost } from '../lab/local-host.ts'
import { createUser, startSshd } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'
import { capture, redisConfig } from './redis-harness.ts'
import { restoreContext, stage } from './redis-restore-harness.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

let engine: LabDocker
let number = 0

beforeAll(async () => {
  engine = await startDocker()
  process.env['DOCKER_HOST'] = engine.env.DOCKER_HOST
}, 120_000)

afterAll(async () => {
  delete process.env['DOCKER_HOST']
  await engine[Symbol.asyncDispose]()
}, 120_000)

interface Project extends AsyncDisposable {
  readonly name: string
  readonly path: string
  readonly data: string
  redis(...command: string[]): Promise<string>
  container(service?: string): string
  compose(...args: string[]): Promise<string>
}

/** A Compose project whose Redis nobody reaches from the host. */
async function project(options: DockerDeploymentOptions & { readonly up?: boolean } = {}): Promise<Project> {
  const temp = await tempDir('relay-redis-container-')
  await chmod(temp.path, 0o755)
  const name = `redis${(number += 1)}`
  const path = join(temp.path, 'app')
  await mkdir(path)
  await writeDockerDeployment(path, { project: name, ...options })
  const compose = (...args: string[]) => engine.compose(path, ...args)
  const container = (service = 'redis') => `${name}_${service}_1`
  if (options.up !== false) {
    await compose('up', '-d', 'redis')
    await answering(container())
  }
  return {
    name,
    path,
    data:
      options.redisVolume === undefined
        ? join(path, 'redis_data')
        : await engine.docker(
            'volume',
            'inspect',
            '--format',
            '{{.Mountpoint}}',
            `${name}_${options.redisVolume}`,
          ),
    redis: (...command) => engine.docker('exec', container(), 'redis-cli', ...command),
    container,
    compose,
    [Symbol.asyncDispose]: async () => {
      await compose('down', '-v', '-t', '1')
      await temp[Symbol.asyncDispose]()
    },
  }
}

async function answering(container: string, ...options: string[]): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    const answer = await engine.docker('exec', container, 'redis-cli', ...options, 'ping').catch(() => '')
    if (/PONG|NOAUTH/.test(answer)) return
    await sleep(50)
  }
  throw new Error(`${container} does not answer`)
}

const byService = (more: Partial<RedisSourceConfig> = {}): RedisSourceConfig =>
  redisConfig(0, { at: { service: 'redis' }, ...more })

async function failure(promise: Promise<unknown>): Promise<RelayError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof RelayError) return error
  throw error instanceof Error ? error : new Error('it did not fail')
}

describe('capture', () => {
  test('both forms of a bind mount, by service and by name', async () => {
    await using app = await project()
    await app.redis('mset', 'a', '1', 'b', '2')
    await app.redis('set', 'c', '3', 'ex', '10000')
    await using host = new LocalHost()
    for (const config of [
      byService({ capture: 'both' }),
      redisConfig(0, { at: { container: app.container() }, capture: 'both' }),
    ]) {
      await using captured = await capture(config, { host, deployment: app.path })
      expect(captured.notices).toEqual([])
      expect(captured.facts).toMatchObject({
        form: 'both',
        loads: 'aof',
        stopped: false,
        rdb: { databases: [{ database: 0, keys: 3, expires: 1 }] },
        aof: { layout: 'multi-part' },
        settings: { dir: '/data', appendonly: 'yes' },
      })
      expect((await readdir(join(await captured.unpack(), 'redis_data'))).sort()).toEqual([
        'appendonlydir',
        'dump.rdb',
      ])
    }
    expect(await app.redis('config', 'get', 'auto-aof-rewrite-percentage')).toMatch(/100$/)
    expect(await readdir(app.data)).not.toContain('.relay-backup')
  })

  test('a password goes to redis-cli without showing in any arguments; port and file come from its config', async () => {
    const password = `it's $HOME "${'x'.repeat(8)}"`
    await using app = await project({ redisCommand: 'redis-server /data/redis.conf', up: false })
    await writeFile(
      join(app.data, 'redis.conf'),
      `dir /data\nport 6390\nappendonly yes\ndbfilename mine.rdb\nrequirepass "${password.replaceAll('"', '\\"')}"\n`,
    )
    await app.compose('up', '-d', 'redis')
    const redis = (...command: string[]) =>
      engine.docker(
        'exec',
        '-e',
        `REDISCLI_AUTH=${password}`,
        app.container(),
        'redis-cli',
        '-p',
        '6390',
        ...command,
      )
    await answering(app.container(), '-p', '6390')
    await redis('mset', 'a', '1', 'b', '2')
    await using host = new LocalHost()
    const config = byService({ capture: 'both', password: { env: 'UNUSED' } })
    const seen = watchArguments()
    const options = { host, deployment: app.path }
    await using captured = await capture(config, { ...options, password })
    const lines = await seen.end()
    expect(captured.notices).toEqual([])
    expect(captured.facts).toMatchObject({ form: 'both', rdb: { databases: [{ keys: 2 }] } })
    expect(await readdir(join(await captured.unpack(), 'redis_data'))).toContain('mine.rdb')
    expect(lines.filter((line) => line.includes('redis-cli')).length).toBeGreaterThan(0)
    expect(lines.filter((line) => line.includes('xxxxxxxx'))).toEqual([])

    expect((await failure(capture(config, { ...options, password: 'wrong' }))).code).toBe(
      'redis-wrong-password',
    )
    expect((await failure(capture(byService(), options))).code).toBe('redis-password-needed')
  })

  test('a named volume, and a path that is not the one of the container', async () => {
    await using app = await project({ redisVolume: 'store' })
    await app.redis('set', 'a', '1')
    await using host = new LocalHost()
    const wrong = await failure(capture(byService(), { host, deployment: app.path }))
    expect(wrong).toMatchObject({
      code: 'redis-other-directory',
      details: { next: `Set \`path\` of this source to ${app.data}.` },
    })
    await using captured = await capture(byService({ path: app.data }), { host, deployment: app.path })
    expect(captured.facts.rdb?.databases).toEqual([{ database: 0, keys: 1, expires: 0 }])
  })

  test('a stopped container: both forms, and the one that its command line makes it load', async () => {
    for (const [appendonly, loads] of [
      ['yes', 'aof'],
      ['no', 'rdb'],
    ] as const) {
      await using app = await project({ redisCommand: `redis-server --dir /data --appendonly ${appendonly}` })
      await app.redis('set', 'a', '1')
      await app.redis('config', 'set', 'appendonly', 'yes')
      await app.redis('save')
      await sleep(50)
      await app.compose('stop', '-t', '5', 'redis')
      // Whichever was written last says nothing.
      const later = new Date(Date.now() + 60_000)
      if (loads === 'aof') await utimes(join(app.data, 'dump.rdb'), later, later)
      else await utimes(join(app.data, 'appendonlydir/appendonly.aof.manifest'), later, later)
      await using host = new LocalHost()
      await using captured = await capture(byService(), { host, deployment: app.path })
      expect(captured.facts).toMatchObject({ form: 'both', loads, stopped: true, settings: { appendonly } })
      expect(captured.notices.map(({ code }) => code)).toEqual(['redis-stopped'])
      expect(captured.notices[0]?.message).toContain(`Container ${app.container()} does not run`)
    }
  })

  test('as one of the group docker who may not read the files: by replication', async () => {
    await using app = await project()
    await app.redis('mset', 'a', '1', 'b', '2')
    await chmod(app.data, 0o700)
    await using user = await createUser({ groups: ['docker'] })
    await using sshd = await startSshd({ config: [`SetEnv DOCKER_HOST=${engine.env.DOCKER_HOST}`] })
    await using host = await connectSsh(
      { name: 'lab', ssh: sshd.sshConfig(user.name) },
      {
        resolveSecret: () => Promise.reject(new Error('no secrets here')),
        signal: AbortSignal.timeout(600_000),
      },
    )
    await using captured = await capture(byService(), { host, deployment: app.path })
    expect(captured.formats.get('')).toBe('stream')
    expect(captured.facts.rdb?.databases).toEqual([{ database: 0, keys: 2, expires: 0 }])
  })

  test('when the client goes, the pin of the AOF is undone through docker', async () => {
    await using app = await project()
    await app.redis('set', 'a', '1')
    const percentage = async () =>
      (await app.redis('config', 'get', 'auto-aof-rewrite-percentage')).split('\n')[1]
    await using host = new LocalHost()
    let held: string | undefined
    const cut = capture(byService({ capture: 'aof' }), {
      host,
      deployment: app.path,
      onArchive: async ({ part }) => {
        if (part !== 'aof') return
        held = await percentage()
        host.cut()
      },
    })
    await cut.then(
      (captured) => captured[Symbol.asyncDispose](),
      () => undefined,
    )
    expect(held).toBe('0')
    for (let tries = 0; (await percentage()) !== '100' && tries < 200; tries += 1) await sleep(50)
    expect(await percentage()).toBe('100')
    for (let tries = 0; host.running.size > 0 && tries < 200; tries += 1) await sleep(50)
    expect(await readdir(app.data)).not.toContain('.relay-backup')
  })

  test('what is not there, not alone, or not in a state to be asked, is said', async () => {
    await using app = await project()
    await app.redis('set', 'a', '1')
    await using host = new LocalHost()
    const options = { host, deployment: app.path }
    const code = async (config: RedisSourceConfig) => {
      const error = await failure(capture(config, options))
      return `${error.code}: ${error.message}`
    }
    expect(await code(byService({ at: { service: 'reddis' } }))).toBe(
      'container-unknown: There is no service reddis on local; did you mean redis?',
    )
    expect(await code(byService({ at: { container: `${app.name}_redis` } }))).toContain(
      `did you mean ${app.container()}?`,
    )
    await engine.pause(app.container())
    expect(await code(byService())).toBe(`redis-paused: Redis of service redis is paused: ${app.container()}`)
    await engine.docker('unpause', app.container())

    await app.compose('up', '-d', '--scale', 'redis=2', 'redis')
    expect(await code(byService())).toBe(
      `container-ambiguous: The service redis on local is 2 containers: ${app.name}_redis_1, ${app.name}_redis_2`,
    )
    await app.compose('up', '-d', '--scale', 'redis=1', 'redis')

    await app.compose('up', '-d', 'idle')
    expect(await code(byService({ at: { service: 'idle' } }))).toBe(
      `redis-not-listening: Container ${app.name}_idle_1 runs, but no Redis listens on port 6379 in it`,
    )
    await app.compose('down', '-t', '1')
    await using captured = await capture(byService(), options)
    expect(captured.facts).toMatchObject({ stopped: true, form: 'both' })
    expect(captured.notices[0]?.message).toContain('There is no container of service redis')
  })

  test('a Redis that restarts over and over is not captured in between', async () => {
    await using app = await project({ redisCommand: 'sh -c "sleep 0.1; exit 7"', up: false })
    await app.compose('up', '-d', 'redis')
    for (let tries = 0; tries < 300; tries += 1) {
      if (
        (
          await engine.docker('inspect', '--format', '{{.State.Status}} {{.RestartCount}}', app.container())
        ).startsWith('restarting')
      )
        break
      await sleep(20)
    }
    await using host = new LocalHost()
    const error = await failure(capture(byService(), { host, deployment: app.path }))
    expect(error.code).toBe('redis-restarting')
    expect(error.details.next).toContain(`docker logs ${app.container()}`)
  })
})

/** A server that has Docker, and nothing of Redis. */
async function bareHost(folder: string): Promise<LocalHost> {
  const path = await busyboxTools(join(folder, 'tools'))
  await symlink('/usr/bin/docker', join(path, 'docker'))
  return new LocalHost({ shell: ['busybox', 'sh'], path })
}

describe('restore', () => {
  test('the form that the command line of the container loads, whether it runs or not', async () => {
    await using source = await project({ redisCommand: 'redis-server --dir /data --appendonly yes' })
    await source.redis('mset', 'a', '1', 'b', '2', 'c', '3')
    await using tools = await tempDir()
    await using host = await bareHost(tools.path)
    await using usual = new LocalHost()
    await using captured = await capture(byService({ capture: 'aof' }), {
      host: usual,
      deployment: source.path,
    })

    // Without an AOF there, it is loaded into a Redis of the image and saved as an RDB.
    await using target = await project({ redisCommand: 'redis-server --dir /data --appendonly no' })
    await target.redis('set', 'old', '1')
    const context = restoreContext(host, target.path)
    for (const state of ['running', 'stopped']) {
      if (state === 'stopped') await target.compose('stop', '-t', '5', 'redis')
      const { findings, notes } = await restorableRedis.preflight(context, byService(), captured.facts)
      expect(findings.filter(({ outcome }) => outcome !== 'ok')).toEqual([])
      expect(notes).toContain(
        'An RDB is written (dump.rdb), because Redis starts with appendonly no; it is made from the captured AOF',
      )
    }
    const staged = await stage(captured, target.path)
    await restorableRedis.arrange(context, byService(), captured.facts, { staged, target: target.data })
    expect(await readdir(staged)).toEqual(['dump.rdb'])
    await rename(target.data, join(target.path, 'old'))
    await rename(staged, target.data)
    await target.compose('start', 'redis')
    const found = await restorableRedis.check(context, byService(), captured.facts)
    expect(found.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    expect(found[0]).toMatchObject({ check: 'redis-up', outcome: 'ok' })
    expect(await target.redis('mget', 'a', 'b', 'c', 'old')).toBe('1\n2\n3')
    expect(await engine.docker('ps', '--quiet', '--all', '--filter', 'label=relay-backup.helper')).toBe('')
  })

  test('a merge through the container adds what is missing, and is taken back', async () => {
    await using app = await project()
    const binary = Buffer.from([0, 10, 13, 34, 92, 195, 255])
    await app.redis('mset', 'a', '1', 'kept', 'old value')
    await app.redis('-n', '2', 'set', 'expiring', 'ü', 'ex', '10000')
    await app.redis('eval', `redis.call('set', '${luaBytes(binary)}', '${luaBytes(binary)}')`, '0')
    const digest = () =>
      app.redis('eval', `return redis.sha1hex(redis.call('get', '${luaBytes(binary)}') or '')`, '0')
    const before = await digest()
    await using tools = await tempDir()
    await using host = await bareHost(tools.path)
    await using usual = new LocalHost()
    await using captured = await capture(byService(), { host: usual, deployment: app.path })
    await app.redis('flushall')
    await app.redis('set', 'kept', 'new value')

    const context = restoreContext(host, app.path)
    const { findings } = await mergingRedis.preflight(context, byService(), captured.facts)
    expect(findings.filter(({ outcome }) => outcome !== 'ok')).toEqual([])
    const staged = await stage(captured, app.path)
    const journal = join(app.path, 'journal')
    const merged = await mergingRedis.merge(context, byService(), captured.facts, {
      ...{ staged, journal, target: app.path },
    })
    expect(merged).toMatchObject({ added: 3, existed: 1 })
    expect(await app.redis('mget', 'a', 'kept')).toBe('1\nnew value')
    expect(await digest()).toBe(before)
    expect(Number(await app.redis('-n', '2', 'ttl', 'expiring'))).toBeGreaterThan(9000)

    await app.redis('set', 'a', 'touched')
    const undone = await mergingRedis.unmerge(context, byService(), journal)
    expect(undone).toMatchObject({ removed: 2, changed: 1, gone: 0 })
    expect((await app.redis('keys', '*')).split('\n').sort()).toEqual(['a', 'kept'])
    expect(await app.redis('-n', '2', 'keys', '*')).toBe('')
    expect(await engine.docker('ps', '--quiet', '--all', '--filter', 'label=relay-backup.helper')).toBe('')
  })
})

const luaBytes = (bytes: Buffer) => [...bytes].map((byte) => `\\${byte}`).join('')

/** The arguments of every process of this machine, again and again, until `end`. */
function watchArguments(): { end(): Promise<readonly string[]> } {
  const seen = new Set<string>()
  let watching = true
  const watch = (async () => {
    while (watching) {
      for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
        const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
        // The tests' own: engine.docker of this file and others.
        if (!line.includes('REDISCLI_AUTH=')) seen.add(line.replaceAll('\0', ' '))
      }
    }
  })()
  return {
    end: async () => {
      watching = false
      await watch
      return [...seen]
    },
  }
}
