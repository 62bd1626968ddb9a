import { describe, expect, test } from 'vitest'
import { proposeHost, wantedOf } from '../../../src/init/propose.ts'
import type { Discovery } from '../../../src/model/discovery.ts'
import { allKinds } from '../../../src/sources/registry.ts'
import { APP, container, found, mount } from './found.ts'

const propose = (what: Discovery, units: readonly string[] = []) => proposeHost(what, units, allKinds())
const written = (what: Discovery) =>
  Object.fromEntries(
    propose(what)
      .sources.filter(({ isDoubtful }) => isDoubtful !== true)
      .map(({ name, config }) => [name, config]),
  )

describe('sources', () => {
  test('a Redis in a container, its bind mount inside the deployment', () => {
    const redis = container('cache', { image: 'redis', mounts: [mount(`${APP}/redis_data`, '/data')] })
    const what = found(['redis_data/', 'logs/', 'docker-compose.yml', '.env', 'src/', 'node_modules/'], {
      containers: [redis],
    })
    expect(written(what)).toEqual({
      cache: { kind: 'redis', path: 'redis_data', service: 'cache' },
      logs: { kind: 'files', path: 'logs' },
      config: { kind: 'files', paths: ['docker-compose.yml', '.env'] },
    })
    expect(propose(what).services).toEqual({ manager: 'compose', data: ['cache'] })
  })

  test('a tool of Redis is none', () => {
    const what = found(['data/'], { containers: [container('ui', { image: 'redis-commander' })] })
    expect(Object.keys(written(what))).toEqual(['data'])
  })

  test('a Redis of the server itself; one in the deployment makes the others doubtful', () => {
    const here = { name: 'redis-server', directory: `${APP}/redis_data`, address: '127.0.0.1:6380' }
    const away = { name: 'redis-server', directory: '/var/lib/redis', address: '*:6379' }
    expect(written(found(['redis_data/'], { programs: [away, here] }))).toEqual({
      redis_data: { kind: 'redis', path: 'redis_data', address: '127.0.0.1:6380' },
    })
    expect(written(found(['logs/'], { programs: [away] }))['redis_data']).toEqual({
      kind: 'redis',
      path: '/var/lib/redis',
      address: '127.0.0.1:6379',
    })
  })

  test('a MariaDB or MySQL in a container; one of the server itself needs a login first', () => {
    const db = container('db', { image: 'mariadb', mounts: [mount(`${APP}/data/db`, '/var/lib/mysql')] })
    const what = found(['data/'], { containers: [db] })
    expect(written(what)).toEqual({
      db: { kind: 'mysql', service: 'db' },
      data: { kind: 'files', path: 'data', exclude: ['/db'] },
    })
    const programs = [{ name: 'mysqld', directory: undefined, address: undefined }]
    expect(propose(found(['logs/'], { programs })).sources).toContainEqual(
      expect.objectContaining({
        config: { kind: 'mysql', address: '127.0.0.1:3306' },
        isDoubtful: true,
      }),
    )
  })

  test('volumes with a name, and what is mounted from elsewhere', () => {
    const app = container('app', {
      mounts: [
        mount('/var/lib/docker/volumes/shop_uploads/_data', '/uploads', 'shop_uploads'),
        mount(`/var/lib/docker/volumes/${'a'.repeat(64)}/_data`, '/scratch', 'a'.repeat(64)),
        mount('/srv/media', '/media'),
        mount('/var/run/docker.sock', '/var/run/docker.sock'),
        mount('/etc/localtime', '/etc/localtime'),
        mount(APP, '/app'),
      ],
    })
    expect(written(found(['data/'], { containers: [app] }))).toEqual({
      shop_uploads: { kind: 'volume', volume: 'shop_uploads' },
      data: { kind: 'files', path: 'data' },
      media: { kind: 'files', path: '/srv/media' },
    })
  })

  test('a mounted directory of any name is taken, a mounted file is a setting', () => {
    const mounts = [mount(`${APP}/state/app`, '/state'), mount(`${APP}/app.json`, '/etc/app.json')]
    const what = found(['state/', 'app.json'], { containers: [container('app', { mounts })] })
    expect(written(what)).toEqual({
      app: { kind: 'files', path: 'state/app' },
      config: { kind: 'files', paths: ['app.json'] },
    })
  })

  test('of unknown directories none is taken, unless there is nothing else', () => {
    expect(Object.keys(written(found(['data/', 'stuff/'])))).toEqual(['data'])
    expect(propose(found(['data/', 'stuff/'])).sources.map(({ name }) => name)).toEqual(['data', 'stuff'])
    expect(Object.keys(written(found(['stuff/', 'node_modules/', 'src/'])))).toEqual(['stuff'])
  })

  test('names are usable and differ', () => {
    const mounts = [mount('/srv/a/Üploads Ä', '/a'), mount('/srv/b/data', '/b')]
    const what = found(['data/'], { containers: [container('app', { mounts })] })
    expect(Object.keys(written(what))).toEqual(['data', 'ploads', 'data_2'])
  })
})

describe('what is not covered', () => {
  test('a database in a container is named, and its data left out of other sources', () => {
    const db = container('db', {
      image: 'mongo',
      ports: [27017],
      mounts: [mount(`${APP}/data/pg`, '/data/db')],
    })
    const app = container('app', { ports: [3000], mounts: [mount(`${APP}/data/files`, '/files')] })
    const what = found(['data/'], { containers: [db, app] })
    expect(propose(what).notCovered).toEqual([
      { title: 'MongoDB', where: 'service db', paths: [`${APP}/data/pg`] },
    ])
    expect(written(what)).toEqual({ data: { kind: 'files', path: 'data', exclude: ['/pg'] } })
    // Nobody asks a database over HTTP.
    expect(propose(what).ports).toEqual([3000])
  })

  test('a volume of a database is no source', () => {
    const db = container('db', {
      image: 'mongo',
      mounts: [mount('/var/lib/docker/volumes/shop_db/_data', '/data/db', 'shop_db')],
    })
    expect(Object.keys(written(found(['logs/'], { containers: [db] })))).toEqual(['logs'])
  })

  test('a database of the server itself is named once', () => {
    const program = { name: 'mongod', directory: undefined, address: undefined }
    const { notCovered } = propose(found(['data/'], { programs: [program, program] }))
    expect(notCovered.map(({ title, where }) => [title, where])).toEqual([
      ['MongoDB', 'on the server itself'],
    ])
  })

  test('an SQLite database is a source of its own, and no file of another', () => {
    const files = ['app', 'jobs'].map((name) => ({
      path: `${APP}/data/${name}.db`,
      bytes: 4096,
      begins: 'SQLite format 3',
    }))
    expect(written(found(['data/'], { files: files.slice(0, 1) }))).toEqual({
      app: { kind: 'sqlite', path: 'data/app.db' },
      data: { kind: 'files', path: 'data', exclude: ['/app.db', '/app.db-*'] },
    })
    expect(written(found(['data/'], { files }))['databases']).toEqual({
      kind: 'sqlite',
      paths: ['data/app.db', 'data/jobs.db'],
    })
  })

  test('what writes to the files of a store may be paused', () => {
    const file = { path: `${APP}/data/level/CURRENT`, bytes: 4096, begins: 'MANIFEST-' }
    const app = container('app', { mounts: [mount(`${APP}/data`, '/data')] })
    const { sources } = propose(found(['data/'], { files: [file], containers: [app] }))
    expect(sources.find(({ name }) => name === 'data')?.pausable).toEqual(['app'])
  })
})

test('services of systemd, and none', () => {
  expect(propose(found(['data/']), ['shop.service']).services).toEqual({
    manager: 'systemd',
    stop: ['shop.service'],
  })
  expect(propose(found(['data/'])).services).toBeUndefined()
})

test('what is looked for is what the kinds and the list of the others want', () => {
  const { programs, files } = wantedOf(allKinds())
  expect(programs).toEqual(expect.arrayContaining(['redis-server', 'mariadbd', 'mongod']))
  expect(files).toContainEqual({ name: 'dump.rdb', begins: 'REDIS' })
})
