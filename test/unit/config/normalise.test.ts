import { describe, expect, test } from 'vitest'
import { HEAD, parse, withHost } from './fixture.ts'

const DAY = 86_400_000

describe('a minimal config', () => {
  const config = parse(`${HEAD}hosts:\n  prod: { ssh: ubuntu@relay.example.com }\n`)

  test('gets every default', () => {
    expect(config).toEqual({
      file: '/etc/rb/hosts.yaml',
      vault: '/home/me/vault',
      encryption: {
        mode: 'recipients',
        recipients: ['/etc/rb/a.asc'],
        aead: false,
        allowUnauthenticatedStream: true,
      },
      compression: { kind: 'auto' },
      retention: { last: 7, daily: 7, weekly: 4, within: 7 * DAY, safety: 14 * DAY },
      fullEvery: 30,
      runTimeout: 86_400_000,
      schedules: [],
      alerts: {
        overdueAfter: 90_000_000,
        afterFailures: 1,
        disk: 0.85,
        remindEvery: DAY,
        anomaly: { size: 3, duration: 5 },
        health: {
          connections: 0.9,
          memory: 0.9,
          hitRate: 0.7,
          query: 300_000,
          lag: 300_000,
          clock: 60_000,
        },
      },
      notify: [],
      hosts: [
        {
          name: 'prod',
          ssh: {
            host: 'relay.example.com',
            user: 'ubuntu',
          },
          deployment: '~/claude-relay-deployment',
          sudo: false,
          tags: [],
          retention: { last: 7, daily: 7, weekly: 4, within: 7 * DAY, safety: 14 * DAY },
          compression: { kind: 'auto' },
          fullEvery: 30,
          runTimeout: 86_400_000,
          services: { manager: 'none' },
          sources: [
            {
              name: 'redis_data',
              kind: 'redis',
              path: 'redis_data',
              capture: 'rdb',
              at: { address: '127.0.0.1', port: 6379, tls: false },
            },
            { name: 'logs', kind: 'files', paths: ['logs'], exclude: [] },
            { name: 'data', kind: 'files', paths: ['data'], exclude: [] },
            { name: 'config', kind: 'files', paths: ['.env', 'docker-compose.yml'], exclude: [] },
          ],
          sourcesByDefault: true,
          lives: [],
        },
      ],
    })
  })
})

test('limits of alerts are in ms and parts of one', () => {
  const { alerts } = parse(
    `${HEAD}alerts: { overdueAfter: 8d, afterFailures: 3, disk: 90% }\nhosts:\n  prod: { ssh: root@a }\n`,
  )
  expect(alerts).toMatchObject({ overdueAfter: 8 * DAY, afterFailures: 3, disk: 0.9 })
})

describe('ssh', () => {
  const ssh = (keys: string) => parse(`${HEAD}hosts:\n  prod: { ssh: ${keys} }\n`).hosts[0]?.ssh

  test('short forms', () => {
    expect(ssh('relay')).toMatchObject({ host: 'relay', port: undefined })
    expect(ssh('me@relay:2222')).toMatchObject({ user: 'me', host: 'relay', port: 2222 })
    expect(ssh('"me@[2001:db8::1]:2222"')).toMatchObject({ user: 'me', host: '2001:db8::1', port: 2222 })
  })

  test('the long form, with local paths made absolute', () => {
    expect(
      ssh(
        '{ host: relay, port: 2, user: me, identityFile: ~/.ssh/id, identityPassphrase: { file: pass },' +
          ' agent: run/agent, password: { env: PW }, knownHosts: /kh, keepAlive: 5s, connectTimeout: 1m }',
      ),
    ).toEqual({
      host: 'relay',
      port: 2,
      user: 'me',
      identityFile: '/home/me/.ssh/id',
      identityPassphrase: { file: '/etc/rb/pass' },
      agent: '/etc/rb/run/agent',
      password: { env: 'PW' },
      knownHosts: '/kh',
      keepAlive: 5000,
      connectTimeout: 60_000,
    })
  })

  test('agent may be a switch', () => {
    expect(ssh('{ host: relay, agent: false }')).toMatchObject({ agent: false })
  })
})

describe('defaults', () => {
  test('are merged key by key into ssh, and replaced as a whole elsewhere', () => {
    const config = parse(`${HEAD}
defaults:
  ssh: { user: deploy, port: 2222, identityFile: id }
  tags: [all]
  sudo: true
hosts:
  a: { ssh: relay-a }
  b: { ssh: me@relay-b, tags: [b], sudo: false }
`)
    const [a, b] = config.hosts
    expect(a).toMatchObject({
      ssh: { host: 'relay-a', user: 'deploy', identityFile: '/etc/rb/id' },
      tags: ['all'],
      sudo: true,
    })
    expect(b).toMatchObject({ ssh: { host: 'relay-b', user: 'me' }, tags: ['b'], sudo: false })
  })

  test('a default port is not lost to a short form that names none', () => {
    const config = parse(
      `${HEAD}defaults: { ssh: { port: 2222 } }\nhosts:\n  a: { ssh: me@relay }\n  b: { ssh: "me@relay:22" }\n`,
    )
    expect(config.hosts.map((host) => host.ssh.port)).toEqual([2222, 22])
  })
})

describe('retention', () => {
  const text = (host: string, source: string) =>
    `${HEAD}retention: { last: 3, within: 2d, safety: 1d }
hosts:
  prod:
    ssh: me@host
    retention: ${host}
    sources: { logs: { kind: files, path: logs, retention: ${source} } }
`

  test('a host replaces the global policy, a source the host’s; safety is inherited', () => {
    const host = parse(text('{ daily: 5 }', '{ last: 1, safety: 3d }')).hosts[0]
    expect(host?.retention).toEqual({ daily: 5, safety: DAY })
    expect(host?.sources[0]?.retention).toEqual({ last: 1, safety: 3 * DAY })
  })

  test('one that names only safety changes only that', () => {
    const host = parse(text('{ safety: 5d }', '{}')).hosts[0]
    expect(host?.retention).toEqual({ last: 3, within: 2 * DAY, safety: 5 * DAY })
    expect(host?.sources[0]?.retention).toEqual(host?.retention)
  })
})

test.each([
  ['auto', { kind: 'auto' }],
  ['none', { kind: 'none' }],
  ['zstd', { kind: 'zstd', level: 3 }],
  ['zstd:19', { kind: 'zstd', level: 19 }],
  ['gzip', { kind: 'gzip', level: 6 }],
  ['gzip:9', { kind: 'gzip', level: 9 }],
])('compression %s', (text, choice) => {
  expect(parse(withHost(`compression: ${text}`)).hosts[0]?.compression).toEqual(choice)
})

describe('sources', () => {
  test('paths get one spelling', () => {
    const config = parse(
      withHost('deployment: /srv//app/\nsources: { x: { kind: files, paths: [./a//b/, /var/./lib/] } }'),
    )
    expect(config.hosts[0]).toMatchObject({
      deployment: '/srv/app',
      sources: [{ paths: ['a/b', '/var/lib'] }],
      sourcesByDefault: false,
    })
  })

  test.each([
    ['', { address: '127.0.0.1', port: 6379, tls: false }],
    ['address: "[::1]:6380", tls: true', { address: '::1', port: 6380, tls: true }],
    ['address: redis.internal', { address: 'redis.internal', port: 6379, tls: false }],
    ['address: "unix:/run/redis.sock"', { socket: '/run/redis.sock' }],
    [
      'address: h, tls: { ca: /etc/ca.crt, cert: ~/r.crt, key: keys/r.key, serverName: r }',
      {
        address: 'h',
        port: 6379,
        tls: {
          ca: { server: '/etc/ca.crt' },
          cert: { here: '/home/me/r.crt' },
          key: { here: '/etc/rb/keys/r.key' },
          serverName: 'r',
          insecure: false,
        },
      },
    ],
    ['service: redis', { service: 'redis' }],
    ['container: redis', { container: 'redis' }],
  ])('redis at { %s }', (keys, at) => {
    const config = parse(
      withHost(`services: { manager: compose }\nsources: { r: { kind: redis, path: d, ${keys} } }`),
    )
    expect(config.hosts[0]?.sources[0]).toMatchObject({ kind: 'redis', path: 'd', at })
  })
})

describe('services', () => {
  test.each([
    ['{ manager: compose, data: [redis] }', { manager: 'compose', data: ['redis'] }],
    ['{ manager: docker }', { manager: 'docker', data: [], stop: [] }],
    ['{ manager: systemd, stop: [a.service] }', { manager: 'systemd', data: [], stop: ['a.service'] }],
    ['{ manager: command, stop: a, start: b }', { manager: 'command', stop: 'a', start: 'b' }],
    [
      '{ manager: command, stop: a, start: b, secrets: { APP_TOKEN: { file: token }, B: { env: B } } }',
      {
        manager: 'command',
        stop: 'a',
        start: 'b',
        secrets: { APP_TOKEN: { file: '/etc/rb/token' }, B: { env: 'B' } },
      },
    ],
    [
      '{ manager: none, health: { url: "http://x/" } }',
      { manager: 'none', health: { url: 'http://x/', timeout: 60_000 } },
    ],
  ])('%s', (text, services) => {
    expect(parse(withHost(`services: ${text}`)).hosts[0]?.services).toEqual(services)
  })
})

describe('encryption', () => {
  const encryption = (text: string) =>
    parse(`version: 1\nvault: v\nencryption: ${text}\nhosts: { a: { ssh: b } }\n`).encryption

  test('passphrase mode', () => {
    expect(encryption('{ passphrase: { command: "pass show x" }, aead: true }')).toMatchObject({
      mode: 'passphrase',
      passphrase: { command: 'pass show x' },
      aead: true,
    })
  })

  test('the identity is a file or gpg’s', () => {
    expect(
      encryption('{ recipients: [a], identity: ~/k, identityPassphrase: { keychain: a/b } }'),
    ).toMatchObject({
      identity: { file: '/home/me/k' },
      identityPassphrase: { keychain: 'a/b' },
    })
    expect(encryption('{ recipients: [a], identity: { gpg: ABCD } }')).toMatchObject({
      identity: { gpg: 'ABCD' },
    })
  })
})

test('anchors, aliases and merge keys work', () => {
  const config = parse(`${HEAD}
hosts:
  a: &base { ssh: me@a, tags: [x] }
  b: { <<: *base, ssh: me@b }
`)
  expect(config.hosts.map((host) => [host.ssh.host, host.tags])).toEqual([
    ['a', ['x']],
    ['b', ['x']],
  ])
})

test('quiesce is in the order of stopping, each service once', () => {
  const config = parse(
    withHost(
      'services: { manager: compose }\nsources: { data: { kind: files, path: data, quiesce: { stop: [app, worker, app] } } }',
    ),
  )
  expect(config.hosts[0]?.sources[0]?.quiesce).toEqual({ how: 'stop', services: ['app', 'worker'] })
})
