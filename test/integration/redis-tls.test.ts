import { chmod, copyFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SourceError } from '../../src/errors.ts'
import type { RedisSourceConfig, RedisTlsConfig } from '../../src/sources/redis/config.ts'
import { mergeRedis, preflightMerge } from '../../src/sources/redis/merge/merge.ts'
import { restorableRedis } from '../../src/sources/redis/restore/restore.ts'
import { busyboxTools } from '../lab/busybox.ts'
import { makeCa } from '../lab/certificates.ts'
import type { Certificate } from '../lab/certificates.ts'
import { LocalHost } from '../lab/local-host.ts'
import { freePort } from '../lab/ports.ts'
import { startRedis } from '../lab/redis.ts'
import { tempDir } from '../lab/temp.ts'
import { capture, makeDeployment, redisConfig } from './redis-harness.ts'
import { restoreContext, stage } from './redis-restore-harness.ts'

let folder: Awaited<ReturnType<typeof tempDir>>
let ca: Certificate
let other: Certificate
let server: Certificate
let client: Certificate
let stranger: Certificate
beforeAll(async () => {
  folder = await tempDir()
  const trusted = await makeCa(folder.path, 'ca')
  const strange = await makeCa(folder.path, 'other')
  ;[ca, other] = [trusted, strange]
  server = await trusted.sign('server')
  client = await trusted.sign('client')
  stranger = await strange.sign('stranger')
})
afterAll(() => folder[Symbol.asyncDispose]())

/** A server that speaks TLS beside its plain port, with two keys; `wants`: client certificates. */
async function startTls(dir: string, wants: 'yes' | 'no', ...more: string[]) {
  const tlsPort = await freePort()
  const redis = await startRedis({
    dir,
    args: [
      ...['--tls-port', String(tlsPort), '--tls-cert-file', server.cert, '--tls-key-file', server.key],
      ...['--tls-ca-cert-file', ca.cert, '--tls-auth-clients', wants, ...more],
    ],
  })
  await redis.cli('mset', 'a', '1', 'b', '2')
  return { redis, tlsPort, [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose]() }
}

const at = (port: number, tls: Partial<RedisTlsConfig> | boolean): Partial<RedisSourceConfig> => ({
  at: {
    address: '127.0.0.1',
    port,
    tls: typeof tls === 'boolean' ? tls : { insecure: false, ...tls },
  },
})
const onServer = (path: string): { server: string } => ({ server: path })
const here = (path: string): { here: string } => ({ here: path })

const code = async (promise: Promise<unknown>): Promise<SourceError> => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(SourceError)
  expect((error as SourceError).details.next).toBeTruthy()
  return error as SourceError
}

describe('a Redis that speaks TLS and wants client certificates', () => {
  test.each(['dash', 'busybox', 'bash'])(
    'is captured with files of the server, or of this machine: %s',
    async (shell) => {
      await using deployment = await makeDeployment()
      await using tls = await startTls(deployment.data, 'yes', '--appendonly', 'yes')
      await using tools = await tempDir()
      const path = await busyboxTools(join(tools.path, 'bin'))
      await symlink('/usr/bin/redis-cli', join(path, 'redis-cli'))
      await using host = new LocalHost(
        shell === 'busybox' ? { shell: ['busybox', 'sh'], path } : { shell: [shell] },
      )
      for (const place of shell === 'dash' ? [onServer, here] : [here]) {
        const more = shell === 'busybox' ? { probe: { tar: 'busybox' as const, versions: {} } } : {}
        const files = { ca: place(ca.cert), cert: place(client.cert), key: place(client.key) }
        await using captured = await capture(
          redisConfig(0, {
            ...at(tls.tlsPort, { ...files, serverName: 'redis.example.org' }),
            capture: 'both',
          }),
          { host, deployment: deployment.path, secretFiles: true, ...more },
        )
        expect(captured.facts).toMatchObject({
          form: 'both',
          loads: 'aof',
          rdb: { databases: [{ keys: 2 }] },
        })
        expect(captured.notices).toEqual([])
      }
      for (const { args } of host.commands) expect(JSON.stringify(args)).not.toMatch(/PRIVATE KEY/)
    },
  )

  test('is copied as a stream, and key by key, through it', async () => {
    await using deployment = await makeDeployment()
    for (const [rights, pointInTime] of [
      ['+sync +psync +replconf', true],
      ['~* +select +scan +dump +pexpiretime +pttl +function|dump', false],
    ] as const) {
      await using tls = await startTls(deployment.data, 'yes')
      await tls.redis.cli('acl', 'setuser', 'backup', 'on', '>secret', '+ping', '+info', ...rights.split(' '))
      await using host = new LocalHost()
      const files = { ca: here(ca.cert), cert: here(client.cert), key: here(client.key) }
      const config = redisConfig(0, { ...at(tls.tlsPort, files), username: 'backup', password: { env: 'X' } })
      await using captured = await capture(config, {
        host,
        deployment: deployment.path,
        password: 'secret',
        secretFiles: true,
      })
      expect(captured.formats.get('')).toBe('stream')
      expect(captured.facts).toMatchObject({ pointInTime, rdb: { databases: [{ keys: 2 }] } })
    }
  })

  test('takes a restore and a merge', async () => {
    await using deployment = await makeDeployment()
    await using tls = await startTls(deployment.data, 'yes')
    await using host = new LocalHost()
    const files = { ca: onServer(ca.cert), cert: onServer(client.cert), key: onServer(client.key) }
    const config = redisConfig(0, at(tls.tlsPort, files))
    await using captured = await capture(config, { host, deployment: deployment.path })
    await tls.redis.cli('del', 'a')
    const context = restoreContext(host, deployment.path)
    for (const { findings } of [
      await restorableRedis.preflight(context, config, captured.facts),
      await preflightMerge(context, config, captured.facts),
    ]) {
      expect(findings.filter(({ outcome }) => outcome !== 'ok')).toEqual([])
    }
    const staged = await stage(captured, deployment.path)
    const merged = await mergeRedis(context, config, captured.facts, staged, join(deployment.path, 'journal'))
    expect(merged).toMatchObject({ added: 1, existed: 1 })
    expect(await tls.redis.cli('get', 'a')).toBe('1')
    const checked = await restorableRedis.check(context, config, captured.facts)
    expect(checked.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok'])
  })

  test('tells an unknown CA, a missing and a strange client certificate, and wrong files apart', async () => {
    await using deployment = await makeDeployment()
    await using tls = await startTls(deployment.data, 'yes')
    await using host = new LocalHost()
    const mine = { cert: onServer(client.cert), key: onServer(client.key) }
    const tried = (files: Partial<RedisTlsConfig> | boolean): Promise<SourceError> =>
      code(
        capture(redisConfig(0, at(tls.tlsPort, files)), {
          host,
          deployment: deployment.path,
          secretFiles: true,
        }),
      )
    for (const files of [true, mine, { ca: onServer(other.cert), ...mine }] as const) {
      expect((await tried(files)).code).toBe('redis-tls-untrusted')
    }
    const missing = await tried({ ca: onServer(ca.cert) })
    expect(missing).toMatchObject({
      code: 'redis-tls-client',
      message: expect.stringMatching(/wants a client certificate/) as string,
    })
    expect((await tried({ insecure: true })).message).toMatch(/wants a client certificate/)
    const strange = { ca: onServer(ca.cert), cert: onServer(stranger.cert), key: onServer(stranger.key) }
    expect(await tried(strange)).toMatchObject({
      code: 'redis-tls-client',
      message: expect.stringMatching(/does not accept the client certificate/) as string,
    })
    const noKey = join(folder.path, 'no.key')
    await copyFile(client.cert, noKey)
    await chmod(noKey, 0o600)
    for (const [files, name] of [
      [{ ca: onServer('/no/such/ca.crt') }, 'ca'],
      [{ ca: onServer(ca.cert), cert: onServer('/no/such.crt'), key: onServer(client.key) }, 'cert'],
      [{ ca: onServer(ca.cert), cert: onServer(client.cert), key: onServer(stranger.key) }, 'key'],
      [{ ca: here('/no/such/ca.crt') }, 'ca'],
      [{ ca: here(client.key) }, 'ca'],
      [{ ca: here(ca.cert), cert: here(client.cert), key: here(noKey) }, 'key'],
    ] as const) {
      const error = await tried(files as Partial<RedisTlsConfig>)
      expect([error.code, error.message]).toEqual([
        'redis-tls-file',
        expect.stringContaining(`tls.${name}`) as string,
      ])
    }
  })

  test('a key of this machine that others can read is refused', async () => {
    await using open = await tempDir()
    const key = join(open.path, 'open.key')
    await copyFile(client.key, key)
    await chmod(key, 0o644)
    await using deployment = await makeDeployment()
    await using host = new LocalHost()
    const files = { ca: here(ca.cert), cert: here(client.cert), key: here(key) }
    await expect(
      capture(redisConfig(0, at(1, files)), { host, deployment: deployment.path, secretFiles: true }),
    ).rejects.toThrow(/can be read by others/)
    expect(host.commands).toEqual([])
  })
})

test('a Redis that wants no client certificate is reached with its CA, or without looking', async () => {
  await using deployment = await makeDeployment()
  await using tls = await startTls(deployment.data, 'no')
  await using host = new LocalHost()
  for (const files of [{ ca: onServer(ca.cert) }, { insecure: true }]) {
    await using captured = await capture(redisConfig(0, at(tls.tlsPort, files)), {
      host,
      deployment: deployment.path,
    })
    expect(captured.facts.rdb?.databases).toMatchObject([{ keys: 2 }])
  }
  const plain = await code(capture(redisConfig(tls.tlsPort), { host, deployment: deployment.path }))
  expect(plain).toMatchObject({
    code: 'redis-not-redis',
    message: expect.stringContaining('wants TLS') as string,
  })
})

describe('a Redis at a unix socket', () => {
  test('is captured, as files and key by key, takes a merge, and is seen when it is down', async () => {
    await using deployment = await makeDeployment()
    const socket = join(deployment.path, 'redis.sock')
    const config = (more: Partial<RedisSourceConfig> = {}): RedisSourceConfig =>
      redisConfig(0, { at: { socket }, ...more })
    const redis = await startRedis({
      dir: deployment.data,
      args: ['--unixsocket', socket],
      users: ['user scan on >secret ~* +ping +info +select +scan +dump +pexpiretime +pttl +function|dump'],
    })
    await using host = new LocalHost()
    const options = { host, deployment: deployment.path }
    try {
      await redis.cli('mset', 'a', '1', 'b', '2')
      await using captured = await capture(config(), options)
      expect(captured.facts.rdb?.databases).toMatchObject([{ keys: 2 }])
      const secret = { username: 'scan', password: { env: 'X' } }
      await using scanned = await capture(config(secret), { ...options, password: 'secret' })
      expect(scanned.facts).toMatchObject({ pointInTime: false, rdb: { databases: [{ keys: 2 }] } })
      await redis.cli('del', 'a')
      const staged = await stage(captured, deployment.path)
      const context = restoreContext(host, deployment.path)
      const journal = join(deployment.path, 'journal')
      expect(await mergeRedis(context, config(), captured.facts, staged, journal)).toMatchObject({ added: 1 })
      const { findings } = await restorableRedis.preflight(context, config(), captured.facts)
      expect(findings.filter(({ outcome }) => outcome !== 'ok')).toEqual([])
    } finally {
      await redis.stop('save')
    }
    await using stopped = await capture(config(), options)
    expect(stopped.facts.stopped).toBe(true)
    expect(stopped.notices[0]?.message).toContain(`Nothing listens at unix:${socket}`)
  })

  test('a password that is refused is told, even where all is answered without one', async () => {
    await using deployment = await makeDeployment()
    const socket = join(deployment.path, 'redis.sock')
    await using _redis = await startRedis({
      dir: deployment.data,
      args: ['--unixsocket', socket],
      users: ['user backup on >secret ~* +@all'],
    })
    await using host = new LocalHost()
    const config = redisConfig(0, { at: { socket }, username: 'backup', password: { env: 'X' } })
    const options = { host, deployment: deployment.path, password: 'wrong' }
    expect((await code(capture(config, options))).code).toBe('redis-wrong-password')
  })

  test.runIf(process.getuid?.() === 0)('that the SSH user may not use says so', async () => {
    await using deployment = await makeDeployment()
    await chmod(deployment.path, 0o755)
    const socket = join(deployment.path, 'redis.sock')
    await using _redis = await startRedis({
      dir: deployment.data,
      args: ['--unixsocket', socket, '--unixsocketperm', '700'],
    })
    await using host = new LocalHost({ uid: 65_534, gid: 65_534 })
    const error = await code(
      capture(redisConfig(0, { at: { socket } }), { host, deployment: deployment.path }),
    )
    expect(error).toMatchObject({
      code: 'redis-unreachable',
      message: expect.stringContaining('may not use the socket') as string,
    })
  })
})
