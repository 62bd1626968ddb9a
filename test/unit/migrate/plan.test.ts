import { describe, expect, it } from 'vitest'
import { SourceError } from '../../../src/errors.ts'
import type { LoadedLook } from '../../../src/migrate/look-loads.ts'
import type { MachineLook, SideLook } from '../../../src/migrate/look.ts'
import { planMigration, type MigrationInput } from '../../../src/migrate/plan.ts'
import { isOlder } from '../../../src/model/version-order.ts'
import type { HostConfig } from '../../../src/model/config.ts'
import type { RestoreJournal } from '../../../src/restore/server/journals.ts'
import { registerKind } from '../../../src/sources/registry.ts'
import { toyKind } from '../../lab/toy/kind.ts'
import type { ContainerLook, DeploymentServices } from '../../../src/services/contract.ts'

const machine: MachineLook = {
  boot: 'a',
  directory: '1:1',
  listening: new Set(),
  users: new Map(),
  groups: new Map(),
  ownerUids: [0],
  ownerGids: [0],
  empty: new Set(),
  programs: new Map(),
}

function host(name: string, more: Partial<HostConfig> = {}): HostConfig {
  return {
    name,
    ssh: { host: name, port: 22, keepAlive: 1, connectTimeout: 1 },
    deployment: '/srv/app',
    sudo: false,
    tags: [],
    retention: { safety: 1 },
    compression: { kind: 'auto' },
    fullEvery: 1,
    runTimeout: 86_400_000,
    services: {
      manager: 'systemd',
      data: ['redis'],
      stop: ['app'],
      health: { url: 'http://127.0.0.1:3000/', timeout: 1 },
    },
    sources: [],
    sourcesByDefault: false,
    ...more,
  } as HostConfig
}

function side(name: string, more: Partial<SideLook> = {}): SideLook {
  return {
    host: host(name),
    probe: { arch: 'x86_64' } as SideLook['probe'],
    server: {
      lockedBy: undefined,
      openRestores: [],
      deployment: { path: '/srv/app', type: 'directory', freeBytes: 1e12 },
      targets: [{ type: 'absent', parentWritable: true, path: '/srv/app/data', bytes: 0 }],
    } as unknown as SideLook['server'],
    machine: { ...machine, boot: name },
    journals: [],
    chosen: { privilege: undefined },
    containers: undefined,
    ...more,
  }
}

function input(more: Partial<MigrationInput> = {}): MigrationInput {
  const services = { manager: 'systemd', data: ['redis'], rest: ['worker', 'app'] } as const
  return {
    id: '20251120T020000Z',
    from: side('old'),
    to: side('new'),
    cutover: true,
    start: false,
    replace: false,
    services: { from: services, to: services },
    sources: [],
    images: new Map(),
    engines: [],
    loads: [],
    needs: undefined,
    changed: [],
    missingVolumes: [],
    volumesMade: false,
    acceptMissing: false,
    history: { from: [], to: [] },
    ...more,
  }
}

const failed = (plan: MigrationInput): string[] =>
  planMigration(plan)
    .findings.filter(({ outcome }) => outcome === 'failed')
    .map(({ check }) => check)
const warned = (plan: MigrationInput): string[] =>
  planMigration(plan)
    .findings.filter(({ outcome }) => outcome === 'warning')
    .map(({ check }) => check)

describe('the plan of a migration', () => {
  it('stops writers in the reverse order of starting, the data services last', () => {
    expect(planMigration(input()).services).toEqual({
      manager: 'systemd',
      writers: ['app', 'worker'],
      data: ['redis'],
    })
    expect(failed(input())).toEqual([])
  })

  it('starts only the data services in a rehearsal, and nothing where they are one command', () => {
    const command = { manager: 'command', stop: 'a', start: 'b' } as const
    expect(planMigration(input({ cutover: false })).start).toBe('data')
    expect(planMigration(input({ cutover: false, start: true })).start).toBe('all')
    const services = { from: command, to: command }
    expect(planMigration(input({ cutover: false, services })).start).toBe('none')
    expect(planMigration(input({ services })).start).toBe('all')
  })

  it('knows one server under two names by its kernel and directory', () => {
    expect(failed(input({ to: side('new', { machine: { ...machine, boot: 'old' } }) }))).toEqual([
      'to-is-from',
    ])
    const elsewhere = { ...machine, boot: 'old', directory: '1:2' }
    expect(failed(input({ to: side('new', { machine: elsewhere }) }))).toEqual([])
  })

  it('refuses a target that is not empty, one that is not settled, and an old server that was moved away', () => {
    const server = {
      ...side('new').server,
      targets: [{ type: 'directory', parentWritable: true, writable: true, path: '/srv/app/data' }],
    } as unknown as SideLook['server']
    expect(failed(input({ to: side('new', { server }) }))).toEqual(['not-empty'])
    expect(failed(input({ to: side('new', { server }), replace: true }))).toEqual([])
    const open = { id: '1', state: 'kept', migration: { role: 'to', host: 'old' } } as RestoreJournal
    expect(failed(input({ to: side('new', { journals: [open] }) }))).toEqual(['open-journal'])
    const moved = {
      id: '1',
      state: 'closed',
      how: 'done',
      migration: { role: 'from', host: 'new' },
    } as RestoreJournal
    expect(failed(input({ from: side('old', { journals: [moved] }) }))).toEqual(['moved-already'])
  })

  it('refused a server that was moved away once and back since: the last migration decides, whoever knows it', () => {
    const migration = (id: string, role: 'from' | 'to', other: string) =>
      ({ id, state: 'closed', how: 'done', migration: { role, host: other } }) as RestoreJournal
    const away = migration('1', 'from', 'new')
    const back = { old: migration('2', 'to', 'new'), new: migration('2', 'from', 'old') }
    expect(failed(input({ from: side('old', { journals: [away, back.old] }) }))).toEqual([])
    const known = side('new', { journals: [migration('1', 'to', 'old'), back.new] })
    expect(failed(input({ from: side('old', { journals: [away] }), to: known }))).toEqual([])
    const again = [away, back.old, migration('3', 'from', 'new')]
    expect(failed(input({ from: side('old', { journals: again }), to: known }))).toEqual(['moved-already'])
  })

  it('does not mind a directory with nothing in it, such as a new volume', () => {
    const asked = '/var/lib/docker/volumes/app/_data'
    const server = {
      ...side('new').server,
      targets: [{ type: 'directory', parentWritable: true, writable: true, asked, path: asked }],
    } as unknown as SideLook['server']
    const empty = { ...machine, boot: 'new', empty: new Set([asked]) }
    expect(failed(input({ to: side('new', { server, machine: empty }) }))).toEqual([])
  })

  it('says that Compose makes a volume that is not there, or why it does not', () => {
    const volume = { volume: 'cache', why: 'There is no volume cache on new', next: 'Make it.' }
    const missing = input({ missingVolumes: [volume] })
    expect(failed(missing)).toEqual(['volume-missing'])
    expect(failed({ ...missing, volumesMade: true })).toEqual([])
    const compose = host('new', {
      services: { manager: 'compose', data: [] },
    } as unknown as Partial<HostConfig>)
    const there = {
      containers: [{ name: 'app_1', status: 'exited', ports: [] }],
    } as unknown as DeploymentServices
    const plan = planMigration({ ...missing, to: side('new', { host: compose, containers: there }) })
    expect(plan.findings.find(({ check }) => check === 'volume-missing')?.message).toContain(
      'would make the containers anew',
    )
  })

  it('estimates how long nobody serves, and nothing where the old one goes on', () => {
    const cutover = planMigration(input()).downtime
    expect(cutover).toBeGreaterThan(0)
    expect(planMigration(input({ cutover: false })).downtime).toBe(0)
  })

  it('says the versions of Redis, and warns of an older and of an unknown one', () => {
    const redis = (from: string | undefined, to: string | undefined) => {
      const version = (name: string | undefined) => name && { name, version: name }
      return [
        { source: 'redis', kind: 'redis', from: version(from) || undefined, to: version(to) || undefined },
      ]
    }
    const same = input({ engines: redis('7.0.15', '7.2.1') })
    expect(planMigration(same).findings).toContainEqual({
      check: 'redis-version',
      outcome: 'ok',
      message: 'Redis of redis: 7.0.15 on old, 7.2.1 on new',
    })
    expect(warned(input({ engines: redis('7.0.15', '6.2.1') }))).toEqual(['redis-version'])
    expect(warned(input({ engines: redis('7.0.15', undefined) }))).toEqual(['redis-version'])
  })

  it('says who is root by Docker, and refuses a cutover where nobody may hold the old server', () => {
    const helper = { docker: { image: 'sha256:1', name: 'app:1' } }
    const byDocker = input({ from: side('old', { chosen: { privilege: helper } }) })
    expect(planMigration(byDocker).findings.map(({ message }) => message)).toContain(
      'old: as root in a helper container of app:1',
    )
    const chosen = { privilege: undefined, refused: { message: 'no image', next: 'Pull one.' } }
    expect(failed(input({ from: side('old', { chosen }) }))).toEqual(['privilege'])
    expect(failed(input({ from: side('old', { chosen }), cutover: false }))).toEqual([])
  })

  it('can not cut over where nothing says how services stop', () => {
    const none = { from: { manager: 'none' }, to: { manager: 'none' } } as const
    expect(failed(input({ services: none }))).toEqual(['services', 'services'])
    expect(failed(input({ services: none, cutover: false }))).toEqual([])
  })

  it('warns of another architecture and of numbers that are somebody else there', () => {
    const other = side('new', {
      probe: { arch: 'aarch64' } as SideLook['probe'],
      machine: { ...machine, boot: 'b', users: new Map([[999, 'dnsmasq']]), groups: new Map([[0, 'root']]) },
    })
    const from = side('old', { machine: { ...machine, ownerUids: [0, 999], groups: new Map([[0, 'root']]) } })
    expect(warned(input({ from, to: other }))).toEqual(['architecture', 'owners'])
  })

  it('refuses too little space and a port that is taken', () => {
    const server = (bytes: number, freeBytes: number): SideLook['server'] => ({
      ...side('x').server,
      deployment: { path: '/srv/app', type: 'directory', freeBytes },
      targets: [
        { type: 'absent', parentWritable: true, path: '/srv/app/data', bytes },
      ] as unknown as SideLook['server']['targets'],
    })
    const from = side('old', { server: server(1e9, 1e12) })
    const to = side('new', {
      server: server(0, 1e9),
      machine: { ...machine, boot: 'b', listening: new Set([3000]) },
    })
    expect(failed(input({ from, to }))).toEqual(['space', 'port'])
  })

  it('refuses a deployment there that is of another owner: a dry run was fine, and FROM was pulled for nothing', () => {
    const targets = [{ type: 'absent', parentWritable: false, path: '/srv/app/data', bytes: 0 }]
    const { server } = side('new')
    const to = side('new', { server: { ...server, targets } as unknown as SideLook['server'] })
    expect(failed(input({ to }))).toEqual(['target-not-writable'])
    expect(failed(input({ to: { ...to, chosen: { privilege: 'sudo' } } }))).toEqual([])
  })

  it('compares versions by their first two numbers', () => {
    expect(isOlder('20.10.24', '23.0.1')).toBe(true)
    expect(isOlder('24.0.0', '23.9.1')).toBe(false)
    expect(isOlder('23.0.5', '23.0.9')).toBe(false)
  })
})

describe('the plan of a migration of containers', () => {
  const container = (more: Partial<ContainerLook>): ContainerLook =>
    ({
      id: '1',
      name: 'app_1',
      image: 'app:1',
      imageId: 'sha256:1',
      status: 'running',
      mounts: [],
      ports: [3000],
      ...more,
    }) as ContainerLook
  const docker = (containers: readonly ContainerLook[], more: Partial<DeploymentServices> = {}) =>
    ({
      look: { engine: { version: '24.0.1' }, compose: { v2: '2.20.0', v1: undefined } },
      services: { manager: 'compose' },
      containers,
      directory: '/srv/app',
      files: [],
      usersLeft: [],
      ...more,
    }) as unknown as DeploymentServices
  const images = new Map([['app:1', 'sha256:1']])

  it('is quiet where all is there', () => {
    const ready = input({
      from: side('old', { containers: docker([container({})]) }),
      to: side('new', { containers: docker([]) }),
      images,
    })
    expect(failed(ready)).toEqual([])
    expect(warned(ready)).toEqual([])
  })

  it('warns of a container by name that would not start again with the new server', () => {
    const there = (restartPolicy: string): string[] => {
      const services = { manager: 'docker', data: [], rest: ['app_1'] } as const
      const from = side('old', { containers: docker([container({ restartPolicy: 'always' })], { services }) })
      const prepared = container({ id: '2', status: 'exited', restartPolicy })
      return warned(
        input({ from, to: side('new', { containers: docker([prepared], { services }) }), images }),
      )
    }
    expect(there('no')).toEqual(['restart-policy'])
    expect(there('always')).toEqual([])
  })

  it('refuses an image that is not there, a port that is taken, and the same containers', () => {
    const from = side('old', { containers: docker([container({})]) })
    const busy = { ...machine, boot: 'b', listening: new Set([3000]) }
    const to = side('new', {
      containers: docker([]),
      machine: busy,
      host: host('new', { services: { manager: 'none' } }),
    })
    expect(failed(input({ from, to, images: new Map([['app:1', undefined]]) }))).toEqual(['image', 'port'])
    const same = side('new', { containers: docker([container({ status: 'exited' })]) })
    expect(failed(input({ from, to: same, images }))).toEqual(['to-is-from'])
    const foreign = container({
      id: '2',
      status: 'exited',
      compose: { directory: '/srv/other' } as ContainerLook['compose'],
    })
    const taken = side('new', { containers: docker([foreign]) })
    expect(failed(input({ from, to: taken, images }))).toEqual(['project-taken'])
  })
})

it('names what is replaced on the new server, and not what is not there', () => {
  const { server } = side('new')
  const targets = [
    { type: 'directory', parentWritable: true, writable: true, path: '/srv/app/data', bytes: 5 },
    { type: 'absent', parentWritable: true, path: '/srv/app/logs', bytes: 0 },
  ]
  const to = side('new', { server: { ...server, targets } as unknown as SideLook['server'] })
  expect(planMigration(input({ to })).replaced).toEqual(['/srv/app/data'])
})

describe('a source that is loaded into a server that runs', () => {
  const target = { kind: 'toy', name: 'app_db', home: 'toy', table: 'app' }
  const there = (version: string, names: readonly string[] = []) => ({
    version: { name: version, version },
    names,
  })
  const looked = (more: Partial<LoadedLook> = {}): LoadedLook => ({
    ...{ source: 'app_db', kind: 'toy', from: there('1', ['app']), to: there('1'), target },
    ...more,
  })
  const findingsOf = (look: Partial<LoadedLook>, more: Partial<MigrationInput> = {}) => {
    // Other files run in this process, too.
    using _toy = registerKind(toyKind)
    const { findings, replaced } = planMigration(input({ loads: [looked(look)], ...more }))
    return {
      replaced,
      failed: findings
        .filter(({ outcome }) => outcome === 'failed')
        .map(({ check, message }) => `${check}: ${message}`),
    }
  }

  it('is moved where both servers of it run, and where the one on TO is started by the move', () => {
    expect(findingsOf({}).failed).toEqual([])
    expect(findingsOf({ to: 'down' }).failed).toEqual([])
  })

  it.each<[string, Partial<LoadedLook>, Partial<MigrationInput>, RegExp]>([
    [
      'TO does not say where',
      { to: 'not-configured', target: undefined },
      {},
      /^loaded-source: new has no source app_db/,
    ],
    ['it is down on FROM', { from: 'down' }, {}, /^loaded-source: the toy of app_db does not run on old/],
    [
      'nothing starts it on TO',
      { to: 'down' },
      { services: { from: input().services.from, to: { manager: 'systemd', data: [], rest: ['app'] } } },
      /none of its services with data starts it/,
    ],
    [
      'the services are one command',
      {},
      { services: { from: { manager: 'command', stop: 'a', start: 'b' }, to: input().services.to } },
      /the services of old are one command/,
    ],
    [
      'it can not be asked',
      { to: { problem: new SourceError('toy-password', 'wrong password', { next: 'Correct it.' }) } },
      {},
      /^loaded-source: new: wrong password/,
    ],
    ['TO has one of its name', { to: there('1', ['app', 'other']) }, {}, /^not-empty: .* app of app_db$/],
  ])('is refused by name where %s', (_what, look, more, message) => {
    expect(findingsOf(look, more).failed).toEqual([expect.stringMatching(message)])
  })

  it('replaces one of its name only when that is asked for', () => {
    const found = findingsOf({ to: there('1', ['app', 'other']) }, { replace: true })
    expect(found).toEqual({ failed: [], replaced: ['app of app_db'] })
  })

  it.each([
    ['postgres', '15.4', '16.1', 'warning'],
    ['postgres', '15.4', '15.9', 'ok'],
    ['postgres', '16.1', '15.4', 'failed'],
    ['mysql', 'MySQL 8.0.36', 'MariaDB 11.4.2', 'warning'],
    ['mysql', 'MariaDB 10.11.6', 'MariaDB 10.11.9', 'ok'],
    ['mysql', 'MariaDB 10.11.6', 'MariaDB 11.4.2', 'warning'],
    ['mysql', 'MariaDB 11.4.2', 'MariaDB 10.11.6', 'failed'],
  ])('of %s %s on FROM and %s on TO: %s', (kind, from, to, outcome) => {
    const [old, fresh] = [from, to].map((name) => ({
      version: { name, version: name.replace(/^\S+ /, '') },
      names: ['app'],
    }))
    const at = { address: '127.0.0.1', port: 1 }
    const look = looked({
      kind,
      from: old!,
      to: { ...fresh!, names: [] },
      target: { ...target, kind, at } as never,
    })
    const sources = [look.target!]
    // The server that it goes into listens on TO already.
    const server = side('new', {
      host: host('new', { sources }),
      machine: { ...machine, listening: new Set([1]) },
    })
    const { findings } = planMigration(input({ loads: [look], to: server }))
    expect(findings.map(({ check }) => check)).not.toContain('port')
    const found = findings.find(({ check }) => check === `${kind}-version`)
    expect(found).toMatchObject({
      outcome,
      message: expect.stringContaining(`${from} on old, ${to} on new`) as string,
    })
    if (outcome === 'warning') expect(found?.next).toContain('rehearse it first')
  })
})
