import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { projectOf, projectsHere } from '../../../src/services/compose-project.ts'
import { readsFrom } from '../../../src/services/container-services.ts'
import type { DockerLook } from '../../../src/services/contract.ts'
import { findContainer } from '../../../src/services/docker-find.ts'
import { parseDockerLook } from '../../../src/services/docker-look.ts'
import { containersUsing, pathInContainer, pathOnServer } from '../../../src/services/docker-paths.ts'
import { composeServices, dockerServices, usersLeft } from '../../../src/services/docker-services.ts'

const HERE = '/home/relay/claude-relay-deployment'

/** What the script printed on a server with a deployment, `compose run` left-overs, and a container of its own. */
const captured = readFileSync(new URL('docker-look.txt', import.meta.url))
const look: DockerLook = parseDockerLook('prod', captured)
const project = projectOf(look, { host: 'prod', deployment: HERE, config: {} }, 'seed')

function said(text: string): DockerLook {
  return parseDockerLook('prod', Buffer.from(text))
}

describe('looking at Docker', () => {
  it('tells the engine, Compose, and the containers without their environment', () => {
    expect(look.engine).toMatchObject({
      version: '20.10.24+dfsg1',
      os: 'linux',
      arch: 'amd64',
      shifted: undefined,
    })
    expect(look.compose).toEqual({ v1: '1.29.2', v2: undefined })
    const redis = look.containers.find(({ name }) => name.endsWith('_redis_1'))
    expect(redis).toMatchObject({
      image: 'relay-lab:1',
      user: '999',
      status: 'running',
      health: 'healthy',
      restartPolicy: 'unless-stopped',
      restartCount: 0,
      mounts: [{ type: 'bind', source: `${HERE}/redis_data`, destination: '/data', writable: true }],
      compose: {
        service: 'redis',
        directory: HERE,
        files: [`${HERE}/docker-compose.yml`],
        version: '1.29.2',
      },
    })
    expect(captured.includes('GREETING')).toBe(false)
  })

  it.each([
    ['client\tmissing\n', 'docker-missing'],
    [
      'me\trelay\trelay users\nendpoint\tunix:///var/run/docker.sock\nfailed\t1\tGot permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock\n',
      'docker-denied',
    ],
    [
      'me\trelay\trelay docker\nendpoint\tunix:///var/run/docker.sock\nfailed\t1\tCannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n',
      'docker-down',
    ],
    [
      'me\trelay\trelay\nendpoint\ttcp://other:2376\nengine\t20\t1.41\tlinux\tamd64\t/d\t[]\nend\n',
      'docker-remote',
    ],
    ['me\trelay\trelay\nendpoint\tunix:///s\nengine\t20\t1.41\tlinux\tamd64\t/d\t[]\n', 'docker-failed'],
  ])('refuses %j as %s, with what to do', (text, code) => {
    expect(() => said(text)).toThrow(
      expect.objectContaining({ code, details: expect.objectContaining({ next: expect.any(String) }) }),
    )
  })

  it('knows version 2 by either name, and an engine with shifted owners', () => {
    const rootless = said(
      'endpoint\tunix:///s\ncompose\t1\tv2.27.0\nengine\t26\t1.45\tlinux\tarm64\t/d\t["name=seccomp","name=rootless"]\nend\n',
    )
    expect(rootless.compose).toEqual({ v2: '2.27.0', v1: undefined })
    expect(rootless.engine.shifted).toBe('rootless')
  })
})

describe('paths and containers', () => {
  const names = (paths: readonly string[]) => [
    ...new Set(containersUsing(look, paths).map(({ container }) => container.name)),
  ]

  it('finds who sees a path: itself, above it and in it', () => {
    expect(names([`${HERE}/redis_data`])).toEqual(['seed_redis_1'])
    expect(names([`${HERE}/redis_data/appendonlydir`])).toEqual(['seed_redis_1'])
    expect(names([`${HERE}/data`]).sort()).toEqual(['seed_app_1', 'seed_idle_1', 'stranger'])
    expect(names([HERE]).sort()).toEqual(['seed_app_1', 'seed_idle_1', 'seed_redis_1', 'stranger'])
  })

  it('does not take a directory for another whose name begins alike', () => {
    expect(names([`${HERE}/dat`, `${HERE}/redis_data2`])).toEqual([])
  })

  it('maps a path in a container to the server, through binds and volumes, and back', () => {
    const app = findContainer('prod', look, project, { service: 'app' })
    const cache = app.mounts.find(({ volume }) => volume === 'seed_cache')
    expect(pathOnServer(app, '/app/data/x/y')?.path).toBe(`${HERE}/data/x/y`)
    expect(pathOnServer(app, '/app/cache')?.path).toBe(cache?.source)
    expect(pathOnServer(app, '/app/database')).toBeUndefined()
    expect(pathOnServer(app, '/etc')).toBeUndefined()
    expect(pathInContainer(app, `${HERE}/data/x`)).toBe('/app/data/x')
    expect(pathInContainer(app, `${HERE}/redis_data`)).toBeUndefined()
  })
})

describe('finding a container', () => {
  it('by service or by name', () => {
    expect(findContainer('prod', look, project, { service: 'redis' }).name).toBe('seed_redis_1')
    expect(findContainer('prod', look, undefined, { container: 'stranger' }).name).toBe('stranger')
  })

  it('suggests a name for one that is not there', () => {
    expect(() => findContainer('prod', look, project, { service: 'reds' })).toThrow(
      'There is no service reds on prod; did you mean redis?',
    )
    expect(() => findContainer('prod', look, undefined, { container: 'nothing' })).toThrow(
      expect.objectContaining({ code: 'container-unknown' }),
    )
  })

  it('refuses a service that is two containers', () => {
    const [first] = project.containers.filter(({ compose }) => compose?.service === 'redis')
    if (first === undefined) throw new Error('no redis')
    const two = { ...project, containers: [first, { ...first, id: 'f'.repeat(64), name: 'seed_redis_2' }] }
    expect(() => findContainer('prod', look, two, { service: 'redis' })).toThrow(
      'The service redis on prod is 2 containers: seed_redis_1, seed_redis_2',
    )
  })
})

describe('a deployment’s Compose project', () => {
  it('is found by the labels of its containers', () => {
    expect(projectsHere(look, { host: 'prod', deployment: HERE, config: {} })).toEqual(['seed'])
    expect(project.args).toEqual([
      ...['--project-name', 'seed', '--project-directory', HERE],
      ...['--file', `${HERE}/docker-compose.yml`],
    ])
  })
})

describe('which services stop', () => {
  it('by default those that use the paths, data services first to start', () => {
    const paths = [`${HERE}/redis_data`, `${HERE}/data`]
    expect(composeServices('prod', look, project, { data: ['redis'] }, paths)).toEqual({
      data: ['redis'],
      rest: ['app', 'idle'],
    })
    expect(composeServices('prod', look, project, { data: [] }, [`${HERE}/logs`])).toEqual({
      data: [],
      rest: ['app'],
    })
  })

  it('all, when Compose itself reads a path', () => {
    for (const name of ['.env', 'docker-compose.yml']) {
      expect(composeServices('prod', look, project, { data: ['redis'] }, [`${HERE}/${name}`])).toEqual({
        data: ['redis'],
        rest: ['app', 'idle'],
      })
    }
    expect(composeServices('prod', look, project, { data: [] }, [`${HERE}/app.env`]).rest).toEqual([])
  })

  it('as configured, in the order of stopping', () => {
    const config = { data: ['redis'], stop: ['app', 'idle', 'redis'] }
    expect(composeServices('prod', look, project, config, [])).toEqual({
      data: ['redis'],
      rest: ['idle', 'app'],
    })
    expect(() => composeServices('prod', look, project, { data: [], stop: ['ap'] }, [])).toThrow(
      'There is no service ap on prod; did you mean app?',
    )
    expect(() => dockerServices('prod', look, { data: ['seed_redis'], stop: [] })).toThrow(
      expect.objectContaining({ code: 'service-unknown' }),
    )
  })

  it('start by `up` when Compose reads what is restored', () => {
    const reads = (...names: string[]) =>
      readsFrom(
        look,
        project,
        names.map((name) => `${HERE}/${name}`),
      )
    expect(reads('redis_data', 'data')).toBe(false)
    expect(reads('data', '.env')).toBe(true)
    expect(reads('docker-compose.yml')).toBe(true)
    expect(reads('app.env')).toBe(true)
    expect(readsFrom(look, project, [HERE])).toBe(true)
  })

  it('leaves nobody unseen that still runs and sees a path', () => {
    const paths = [`${HERE}/data`]
    const left = usersLeft(look, project, { data: [], rest: ['app'] }, paths)
    expect(left.map(({ name }) => name)).toEqual(['stranger'])
  })
})
