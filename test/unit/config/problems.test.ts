import { describe, expect, test } from 'vitest'
import { HEAD, shown, withHost } from './fixture.ts'

const SECRET_FORMS =
  '(Write { keychain: service/account }, { env: NAME }, { file: PATH } or { command: "pass show x" })'

describe('the file', () => {
  test.each([
    ['', ['-:- : The file is empty (Start from hosts.example.yaml)']],
    ['# only a comment\n', ['-:- : The file is empty (Start from hosts.example.yaml)']],
    ['- a\n', ['1:1 : expected a map of keys, found a list']],
    ['version: 1\n\tvault: x\n', ['2:1 : is indented with a tab (Indent with spaces)']],
    [
      'version: 1\nversion: 1\n',
      ['2:1 : is a key that was written before in the same map (Remove one of the two)'],
    ],
    ['a: 1\n---\nb: 1\n', ['2:1 : begins a second document (---) (Keep only one)']],
    ['__proto__: 1\n', ['1:1 : is not allowed as a key']],
    ['[a]: 1\n', ['1:1 : is a key that is not plain text']],
    ['<<: 3\n', ['1:1 : takes an alias of a map (<<: *name)']],
  ])('%j', (text, expected) => {
    expect(shown(text)).toEqual(expected)
  })

  test('custom tags are refused', () => {
    expect(shown('vault: !exec x\n')[0]).toMatch(/^1:8 : has a tag/)
  })

  test('a number of megabytes is no config', () => {
    expect(shown('#'.repeat(5_000_000))).toEqual(['-:- : The file is too large to be a config (over 4 MiB)'])
  })

  test('the required keys', () => {
    expect(shown('compression: auto\n')).toEqual([
      '1:1 version: is required',
      '1:1 vault: is required',
      '1:1 encryption: is required',
      '1:1 hosts: is required',
    ])
  })

  test('the version', () => {
    expect(shown(`${HEAD.replace('version: 1', 'version: 2')}hosts: { a: { ssh: b } }`)).toEqual([
      '1:10 version: must be 1',
    ])
  })
})

describe('hosts', () => {
  test.each([
    ['hosts: {}', ['4:8 hosts: names no host (Add one: `prod: { ssh: user@host }`)']],
    ['hosts:', ['4:7 hosts: has no value; expected a map of names (Give it a value, or remove the line)']],
    [
      'hosts: { a: }',
      ['4:13 hosts.a: has no value; expected a map of keys (Give it a value, or remove the line)'],
    ],
    ['hosts: { a: {} }', ['4:10 hosts.a.ssh: is required (Add `ssh: user@host`)']],
    ['hosts: { a: { ssh: { user: b } } }', ['4:15 hosts.a.ssh.host: is required']],
  ])('%s', (text, expected) => {
    expect(shown(`${HEAD}${text}\n`)).toEqual(expected)
  })

  test('names that can’t be file names get one that can', () => {
    expect(shown(`${HEAD}hosts: { "Prod Server": { ssh: b } }`)).toEqual([
      '4:10 hosts.Prod Server: names are 1 to 64 lower-case letters, digits, _ and -, and begin with a letter or digit (Call it "prod-server")',
    ])
    expect(shown(`${HEAD}hosts: { "../x": { ssh: b } }`)[0]).toMatch(/Call it "x"/)
  })

  test('ssh may come from the defaults', () => {
    expect(shown(`${HEAD}defaults: { ssh: { host: x } }\nhosts: { a: {} }`)).toEqual([])
  })
})

describe('keys of a host', () => {
  const LIST =
    'Known keys here: ssh, deployment, sudo, tags, retention, compression, fullEvery, runTimeout, services, sources, clean'
  test.each([
    ['deploymnt: /x', ['7:5 hosts.prod.deploymnt: unknown key (Did you mean "deployment"?)']],
    ['wobble: 1', [`7:5 hosts.prod.wobble: unknown key (${LIST})`]],
    ['sudo: "yes"', ['7:11 hosts.prod.sudo: expected true or false, found text']],
    ['deployment: 7', ['7:17 hosts.prod.deployment: expected text, found a number (Put it in quotes)']],
    ['deployment: srv/app', ['7:17 hosts.prod.deployment: must be absolute or begin with ~/']],
    ['deployment: /srv/../etc', ['7:17 hosts.prod.deployment: must not contain ..']],
    ['tags: x', ['7:11 hosts.prod.tags: expected a list, found text']],
    ['tags: [A]', ['7:12 hosts.prod.tags[0]: a tag is lower-case letters, digits, _ and -']],
    ['fullEvery: 1.5', ['7:16 hosts.prod.fullEvery: expected a whole number, found a number']],
    ['retention: { last: 0 }', ['7:24 hosts.prod.retention.last: must be at least 1']],
    [
      'retention: { whithin: 3d }',
      ['7:18 hosts.prod.retention.whithin: unknown key (Did you mean "within"?)'],
    ],
    [
      'retention: { within: 3x }',
      ['7:26 hosts.prod.retention.within: not a duration; write it like 90s, 20h, 7d or 1h30m'],
    ],
    [
      'retention: { within: 0s }',
      ['7:26 hosts.prod.retention.within: must be longer than 0 and at most 100 years'],
    ],
    [
      'clean: { logz: { match: "*.log", olderThan: 30d }, logs: { match: "*.{a,b}", olderThan: 0s } }',
      [
        '7:14 hosts.prod.clean.logz: is no source of this host (Name a source that is a tree of files, and remove this entry)',
        '7:71 hosts.prod.clean.logs.match: {…,…} is not known to .gitignore: write a pattern for each',
        '7:93 hosts.prod.clean.logs.olderThan: must be longer than 0 and at most 100 years',
      ],
    ],
    [
      'sources: { store: { kind: sqlite, path: a.db } }\nclean: { store: { match: "*", olderThan: 1d } }',
      [
        '8:14 hosts.prod.clean.store: can not be cleaned: only files can be compared with a snapshot one by one (Name a source that is a tree of files, and remove this entry)',
      ],
    ],
    [
      'compression: zstd:20',
      [
        '7:18 hosts.prod.compression: not a compression; write auto, none, zstd, zstd:1 to zstd:19, gzip, or gzip:1 to gzip:9',
      ],
    ],
    [
      'services: { manager: compse }',
      [
        '7:26 hosts.prod.services.manager: unknown manager (Did you mean "compose"? Known: none, compose, docker, systemd, command)',
      ],
    ],
    [
      'services: { file: x }',
      ['7:5 hosts.prod.services.manager: is required (Known: none, compose, docker, systemd, command)'],
    ],
    [
      'services: { manager: docker, file: x }',
      ['7:34 hosts.prod.services.file: unknown key (Known keys here: manager, data, stop, health)'],
    ],
    [
      'services: { manager: command }',
      ['7:5 hosts.prod.services.stop: is required', '7:5 hosts.prod.services.start: is required'],
    ],
    [
      'services: { manager: none, health: { url: 127.0.0.1:3000 } }',
      ['7:47 hosts.prod.services.health.url: must begin with http:// or https://'],
    ],
  ])('%s', (keys, expected) => {
    expect(shown(withHost(keys))).toEqual(expected)
  })
})

describe('ssh', () => {
  const ssh = (value: string) => shown(`${HEAD}hosts:\n  prod:\n    ssh: ${value}\n`)
  test.each([
    [
      '"me:pw@host:22:1"',
      [
        '6:10 hosts.prod.ssh: not an SSH target; write user@host, user@host:port, or user@[IPv6 address]:port',
      ],
    ],
    ['[a]', ['6:10 hosts.prod.ssh: write user@host, user@host:port, or the long form with the key `host`']],
    ['{ host: h, port: 70000 }', ['6:27 hosts.prod.ssh.port: a port is 1 to 65535']],
    [
      '{ host: h, proxyJump: j }',
      [
        '6:21 hosts.prod.ssh.proxyJump: unknown key (Known keys here: host, port, user, identityFile, identityPassphrase, agent, password, knownHosts, keepAlive, connectTimeout)',
      ],
    ],
    ['{ host: h, pasword: x }', ['6:21 hosts.prod.ssh.pasword: unknown key (Did you mean "password"?)']],
    [
      '{ host: h, agent: 3 }',
      ["6:28 hosts.prod.ssh.agent: write true, false, or the path of the agent's socket"],
    ],
    [
      '{ host: h, keepAlive: 10m }',
      ['6:32 hosts.prod.ssh.keepAlive: must be 1s to 30s: a dead server is noticed after 30 s'],
    ],
    ['{ host: h, connectTimeout: 1ms }', ['6:37 hosts.prod.ssh.connectTimeout: must be at least 1s']],
    [
      '{ host: h, password: hunter2 }',
      [
        `6:31 hosts.prod.ssh.password: never write a secret into this file; say where it is to be found ${SECRET_FORMS}`,
      ],
    ],
    [
      '{ host: h, password: { hunter2: x } }',
      [`6:31 hosts.prod.ssh.password: is not one of the four ways to name a secret ${SECRET_FORMS}`],
    ],
    [
      '{ host: h, password: { env: A, file: b } }',
      [`6:31 hosts.prod.ssh.password: is not one of the four ways to name a secret ${SECRET_FORMS}`],
    ],
  ])('%s', (value, expected) => {
    expect(ssh(value)).toEqual(expected)
  })
})

describe('encryption', () => {
  const encryption = (value: string) =>
    shown(`version: 1\nvault: v\nencryption: ${value}\nhosts: { a: { ssh: b } }\n`)
  test.each([
    [
      '{}',
      ['3:1 encryption: needs recipients or a passphrase (Make a key pair with: relay-backup key generate)'],
    ],
    ['{ recipients: [] }', ['3:27 encryption.recipients: name at least one public key']],
    [
      '{ recipients: [a], identity: 3 }',
      ['3:42 encryption.identity: write the path of the private key, or { gpg: KEYID }'],
    ],
    [
      '{ recipients: [a], passphrase: { env: A } }',
      [
        '3:15 encryption.recipients: does not go together with passphrase (Keep recipients (pulling needs no secret then), or keep passphrase; not both)',
      ],
    ],
    [
      '{ passphrase: hunter2 }',
      [
        `3:27 encryption.passphrase: never write a secret into this file; say where it is to be found ${SECRET_FORMS}`,
      ],
    ],
    [
      '{ passphrase: { keychain: no-slash } }',
      ['3:39 encryption.passphrase.keychain: write it as service/account'],
    ],
  ])('%s', (value, expected) => {
    expect(encryption(value)).toEqual(expected)
  })
})

describe('sources', () => {
  const sources = (value: string, more = '') =>
    shown(withHost(`${more}sources: ${value}`)).map((line) =>
      line.replace(/^\d+:\d+ hosts\.prod\.sources/, '…'),
    )
  test.each([
    ['{}', ['…: names no source (Remove the key to get the default sources, or name one)']],
    [
      '{ a: { kind: fils } }',
      ['….a.kind: unknown kind (Did you mean "files"? Known: files, mysql, postgres, redis, sqlite, volume)'],
    ],
    [
      '{ a: { kind: mongodb } }',
      ['….a.kind: unknown kind (Known: files, mysql, postgres, redis, sqlite, volume)'],
    ],
    [
      '{ a: { knid: files, path: x } }',
      [
        '….a.kind: is required (Is "knid" meant to be "kind"? Known: files, mysql, postgres, redis, sqlite, volume)',
      ],
    ],
    ['{ a: { path: x } }', ['….a.kind: is required (Known: files, mysql, postgres, redis, sqlite, volume)']],
    ['{ a: { kind: files } }', ['….a.path: is required (Add `path: logs` or `paths: [a, b]`)']],
    ['{ a: { kind: files, path: x, paths: [y] } }', ['….a.paths: write path or paths, not both']],
    ['{ a: { kind: files, paths: [] } }', ['….a.paths: name at least one path']],
    ['{ a: { kind: files, path: ../x } }', ['….a.path: must not contain ..']],
    ['{ a: { kind: files, path: /a/../../b } }', ['….a.path: must not contain ..']],
    ['{ a: { kind: files, path: "" } }', ['….a.path: the path must not be empty']],
    [
      '{ a: { kind: files, path: . } }',
      ['….a.path: name the directories or files inside the deployment, not the whole of it'],
    ],
    [
      '{ a: { kind: files, path: / } }',
      ['….a.path: name the directories or files inside the deployment, not the whole of it'],
    ],
    [
      '{ a: { kind: files, path: ~/x } }',
      ['….a.path: ~ works only in `deployment`; write it relative to that, or absolute'],
    ],
    [
      '{ a: { kind: files, path: x/.relay-backup } }',
      ["….a.path: .relay-backup is relay-backup's own directory on the server"],
    ],
    [
      '{ a: { kind: files, path: x, hush: { pause: [y] } } }',
      ['….a.hush: unknown key (Known keys here: kind, path, paths, exclude, sqlite, quiesce, retention)'],
    ],
    [
      '{ A: { kind: files, path: x } }',
      [
        '….A: names are 1 to 64 lower-case letters, digits, _ and -, and begin with a letter or digit (Call it "a")',
      ],
    ],
    ['{ a: { kind: files, path: "x\\0y" } }', ['….a.path: the path must not contain a NUL character']],
    [
      '{ a: { kind: files, path: x }, b: { kind: files, paths: [y, ./x/] } }',
      ['….b.paths[1]: is the same path as another of this host (See sources.a.path; keep one of the two)'],
    ],
    ['{ a: { kind: files, path: x }, b: { kind: files, path: x/y } }', []],
    ['{ a: { kind: redis } }', ['….a.path: is required']],
    ['{ a: { kind: redis, path: x, capture: dump } }', ['….a.capture: must be one of rdb, aof, both']],
    [
      '{ a: { kind: redis, path: x, address: "redis://:pw@host" } }',
      [
        '….a.address: not an address; write host:port, 127.0.0.1:6379 or [::1]:6379, without a scheme or password',
      ],
    ],
    [
      '{ a: { kind: redis, path: x, container: c, address: h } }',
      [
        '….a.address: the server is named by container already; write only one of service, container and address',
      ],
    ],
    ['{ a: { kind: redis, path: x, container: c, tls: true } }', ['….a.tls: works only with address']],
    ['{ a: { kind: redis, path: x, container: c, tls: { ca: y } } }', ['….a.tls: works only with address']],
    [
      '{ a: { kind: redis, path: x, address: "unix:/s", tls: true } }',
      ['….a.tls: does not go together with a unix socket'],
    ],
    [
      '{ a: { kind: redis, path: x, address: "unix:run/redis.sock" } }',
      [
        '….a.address: not a socket; write unix: and its absolute path of at most 107 bytes, unix:/run/redis/redis.sock',
      ],
    ],
    [
      '{ a: { kind: redis, path: x, tls: { cert: y } } }',
      ['….a.tls.cert: needs key beside it (Name the client certificate and its private key, or neither)'],
    ],
    ['{ a: { kind: redis, path: x, startsWith: both } }', ['….a.startsWith: must be aof or rdb']],
    [
      '{ a: { kind: redis, path: x, service: s } }',
      [
        '….a.service: is a Compose service, but services.manager is not compose (Set `services: { manager: compose }`, or use container or address)',
      ],
    ],
  ])('%s', (value, expected) => {
    expect(sources(value)).toEqual(expected)
  })

  test('an absolute path may be the same as a relative one', () => {
    const value = '{ a: { kind: files, path: x }, b: { kind: files, path: /srv/app/x } }'
    expect(sources(value, 'deployment: /srv/app\n')).toHaveLength(1)
    expect(sources(value, 'deployment: /srv/other\n')).toEqual([])
  })

  test('sources of the defaults are judged too, with the services of the host that gets them', () => {
    const text = (manager: string) =>
      `${HEAD}defaults: { sources: { r: { kind: redis, path: ../x, service: s } } }\nhosts: { a: { ssh: b, services: { manager: ${manager} } } }`
    expect(shown(text('compose'))).toEqual(['4:48 defaults.sources.r.path: must not contain ..'])
    expect(shown(text('none')).map((line) => line.split(' ')[1])).toEqual([
      'defaults.sources.r.path:',
      'hosts.a.sources.r.service:',
    ])
  })
})

describe('quiesce', () => {
  const source = (services: string, quiesce: string, kind = 'kind: files, path: data') =>
    shown(
      withHost(`${services}\nsources: { data: { ${kind}, quiesce: ${quiesce} } }`).replace('    \n', ''),
    ).map((line) => line.replace(/^\S+ /, ''))

  test.each([
    ['services: { manager: compose }', '{ stop: [app] }'],
    ['services: { manager: docker }', '{ pause: [app, worker] }'],
    ['services: { manager: systemd }', '{ stop: [app.service] }'],
  ])('%s, %s is fine', (services, quiesce) => {
    expect(source(services, quiesce)).toEqual([])
  })

  test.each([
    ['services: { manager: compose }', '{ stop: [] }', 'stop: name at least one service'],
    ['services: { manager: compose }', '[app]', ''],
    ['services: { manager: compose }', '{ stop: [app], pause: [app] }', ''],
    [
      'services: { manager: systemd }',
      '{ pause: [app.service] }',
      ": can't pause systemd units (Use stop instead of pause)",
    ],
    [
      'services: { manager: command, stop: a, start: b }',
      '{ stop: [app] }',
      ': needs services by name, and services.manager command knows only all of them at once (Set services.manager to compose, docker or systemd, or remove quiesce)',
    ],
    [
      '',
      '{ stop: [app] }',
      ': needs services.manager: it says what the named services are (Add `services: { manager: compose }` (or docker, systemd) to the host)',
    ],
  ])('%s, %s is not', (services, quiesce, problem) => {
    const problems = source(services, quiesce)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(`hosts.prod.sources.data.quiesce`)
    expect(problems[0]).toContain(problem)
  })

  test('a Redis that must answer can not be paused, only what writes to it', () => {
    const redis = 'kind: redis, path: redis_data, service: redis'
    const compose = 'services: { manager: compose }'
    expect(source(compose, '{ pause: [app] }', redis)).toEqual([])
    expect(source(compose, '{ pause: [app, redis] }', redis)).toEqual([
      'hosts.prod.sources.data.quiesce.pause: names the Redis of this source, which must answer while it is captured (Name the services that write to it instead)',
    ])
  })
})
