import { execFileSync } from 'node:child_process'
import { readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startComposeApp } from '../lab/compose-app.ts'
import { LAB_IMAGE, type LabDocker, startDocker } from '../lab/docker.ts'
import { everySecond } from '../lab/soak.ts'
import { createUser, type Sshd, startSshd } from '../lab/sshd.ts'
import { toolsWithout } from '../lab/tools.ts'
import { expectClearFailure } from '../lab/unharmed.ts'
import { startWorld, type World, type WorldConfig } from '../lab/world.ts'

const stack = new AsyncDisposableStack()
let world: World
let engine: LabDocker
/** The same server without docker in any session's PATH. */
let withoutDocker: Sshd
let deployment: string
let config: WorldConfig

beforeAll(async () => {
  engine = stack.use(await startDocker())
  const sessions = { config: [`SetEnv DOCKER_HOST=${engine.env['DOCKER_HOST']}`] }
  world = stack.use(await startWorld({ sshd: sessions }))
  deployment = await startComposeApp({ world, engine, stack }, 'bad')
  const tools = await toolsWithout(join(world.home, '../tools'), (name) => name.startsWith('docker'))
  withoutDocker = stack.use(await startSshd({ path: tools }))
  Object.assign(host().sources!, {
    data: { kind: 'files', path: 'data' },
    cache: { kind: 'volume', volume: 'cache' },
  })
  config = structuredClone(world.config)
  await world.writeConfig()
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
}, 240_000)
afterAll(() => stack.disposeAsync(), 120_000)
beforeEach(async () => {
  Object.assign(world.config, structuredClone(config))
  await world.writeConfig()
})

const host = () => world.config.hosts['prod']!
const restore = (...args: string[]) => world.cli('restore', '--host', 'prod', ...args, '--yes')
/** Each container with when it was started, and each file of the deployment but Redis's own. */
const server = async () => [
  execFileSync('sh', [
    '-c',
    'cd "$1" && find . -name redis_data -prune -o -printf "%p|%y|%m|%U|%G|%T@\\n" | sort',
    'sh',
    deployment,
  ]).toString(),
  await engine.docker(
    'ps',
    '--all',
    '--no-trunc',
    '--format',
    '{{.ID}} {{.Names}} {{.State}} {{.CreatedAt}}',
  ),
]

/** Pull and restore of one source fail alike, in words, and nothing on the server is another. */
async function expectBothRefused(source: string, says: RegExp, next: RegExp): Promise<void> {
  const before = await server()
  for (const result of [
    await world.cli('pull', 'prod', '--source', source),
    await restore('--source', source),
  ])
    expectClearFailure(result, { code: 1, says, next })
  expect(await server()).toEqual(before)
}

describe('a server', () => {
  everySecond()

  test.each(['redis_data', 'cache'])('without docker is told what to install (%s)', async (source) => {
    const { port, knownHosts, identityFile } = withoutDocker.sshConfig()
    host().ssh = { ...host().ssh, port, knownHosts, identityFile }
    await world.writeConfig()
    await expectBothRefused(source, /There is no docker on prod/, /Install Docker on prod/)
  })

  test.each(['redis_data', 'cache'])(
    'whose user may not use Docker is told how he may (%s)',
    async (source) => {
      await using outsider = await createUser()
      host().ssh = { ...host().ssh, user: outsider.name }
      await world.writeConfig()
      await expectBothRefused(
        source,
        /may not use Docker on prod/,
        new RegExp(`usermod -aG docker ${outsider.name}`),
      )
    },
  )

  test('whose engine is down: its files are pulled, with a warning that it could not be asked', async () => {
    await engine.stop()
    try {
      const pulled = await world.cli('pull', 'prod', '--source', 'data', '--no-rotate')
      const output = pulled.stdout + pulled.stderr
      expect(pulled.code, output).toBe(0)
      expect(output).toMatch(
        /warning: .*which engines and images prod has: The Docker engine on prod does not answer/,
      )
      expect(output).toMatch(/Next: Start it on prod: sudo systemctl start docker/)
      await expectDown('redis_data')
      await expectDown('cache')
    } finally {
      await engine.start()
    }
    const { server: recorded } = await world.manifest((await world.snapshots()).at(-1) ?? '')
    expect(recorded).not.toHaveProperty(['versions', 'docker-engine'])
    await engine.docker('start', 'bad_redis_1', 'bad_app_1')
  })

  async function expectDown(source: string): Promise<void> {
    for (const result of [
      await world.cli('pull', 'prod', '--source', source),
      await restore('--source', source),
    ]) {
      const [says, next] = [/The Docker engine on prod does not answer/, /systemctl start docker/]
      expectClearFailure(result, { code: 1, says, next })
    }
  }
})

describe('a service', () => {
  everySecond()

  test('of a Redis source that is not there', async () => {
    host().sources['redis_data'] = { ...host().sources['redis_data'], service: 'rediss' }
    await world.writeConfig()
    await expectBothRefused(
      'redis_data',
      /There is no service rediss on prod; did you mean redis\?/,
      /there are app, redis/,
    )
  })

  test.each(['data', 'stop'])('that services.%s names and is not there', async (key) => {
    host()['services'] = { manager: 'compose', [key]: ['ap'] }
    await world.writeConfig()
    const before = await server()
    const result = await restore('--source', 'data')
    expectClearFailure(result, {
      code: 1,
      says: /There is no service ap on prod; did you mean app\?/,
      next: /Correct hosts\.prod\.services; there is: app, redis/,
    })
    expect(await server()).toEqual(before)
  })

  test('that is two containers: which one is a Redis source is not guessed', async () => {
    await engine.compose(deployment, 'up', '-d', '--no-recreate', '--scale', 'redis=2', 'redis')
    try {
      await expectBothRefused(
        'redis_data',
        /The service redis on prod is 2 containers: bad_redis_1, bad_redis_2/,
        /container: bad_redis_1/,
      )
    } finally {
      await engine.compose(deployment, 'up', '-d', '--no-recreate', '--scale', 'redis=1', 'redis')
    }
  })
})

describe('a volume', () => {
  everySecond()

  test('that a container of somebody else uses, too', async () => {
    await engine.docker(
      ...['run', '-d', '--name', 'stranger', '--network', 'none'],
      ...['-v', 'bad_cache:/elsewhere:ro', LAB_IMAGE, 'sleep', '1000'],
    )
    try {
      const before = await server()
      const result = await restore('--source', 'cache')
      expectClearFailure(result, {
        code: 1,
        says: /stranger runs, uses what is to be replaced, and would not be stopped/,
        next: /Add it to hosts\.prod\.services\.stop, or stop it/,
      })
      expect(await server()).toEqual(before)
    } finally {
      await engine.docker('rm', '-f', 'stranger')
    }
  })

  test('that is not there: it is said how Compose makes it', async () => {
    host().sources['cache'] = { kind: 'volume', volume: 'uploads' }
    await world.writeConfig()
    await expectBothRefused('cache', /There is no volume uploads on prod/, /docker compose up --no-start/)
  })
})

test('a Compose file on the server that does not parse, when only .env is restored', async () => {
  const file = join(deployment, 'docker-compose.yml')
  const good = await readFile(file)
  const { mtime } = await stat(file)
  await writeFile(file, 'services: [')
  try {
    const before = await server()
    const result = await restore('--path', 'config:.env')
    expectClearFailure(result, {
      code: 1,
      says: /docker-compose on prod can't read .*docker-compose\.yml/,
      next: /Nothing was replaced/,
    })
    expect(result.stdout + result.stderr).not.toContain('stopping services')
    expect(await server()).toEqual(before)
  } finally {
    await writeFile(file, good)
    await utimes(file, mtime, mtime)
  }
})

test('after all of it the next pull succeeds, and so does a restore', async () => {
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
  const restored = await restore()
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
})
