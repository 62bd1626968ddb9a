import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type LabDocker, startDocker } from '../lab/docker.ts'
import { writeDockerDeployment } from '../lab/docker-deployment.ts'
import { expectClearFailure } from '../lab/unharmed.ts'
import { letEveryoneIn } from '../lab/temp.ts'
import { startWorld, type World } from '../lab/world.ts'

const stack = new AsyncDisposableStack()
let world: World
let engine: LabDocker
beforeAll(async () => {
  engine = stack.use(await startDocker())
  world = stack.use(
    await startWorld({ sshd: { config: [`SetEnv DOCKER_HOST=${engine.env['DOCKER_HOST']}`] } }),
  )
  await letEveryoneIn(world.deployment)
  await writeDockerDeployment(world.deployment, { project: 'e2e' })
  await engine.compose(world.deployment, 'up', '-d', 'redis', 'app')
  stack.defer(async () => void (await engine.compose(world.deployment, 'down', '-v')))
  world.config.hosts['prod'] = {
    ...world.config.hosts['prod']!,
    services: { manager: 'compose', file: 'docker-compose.yml', data: ['redis'] },
    sources: {
      data: { kind: 'files', path: 'data' },
      config: { kind: 'files', paths: ['.env', 'docker-compose.yml'] },
    },
  }
  await world.writeConfig()
}, 180_000)
afterAll(() => stack.disposeAsync(), 120_000)

const inApp = async (...command: string[]) =>
  String(await engine.docker('exec', 'e2e_app_1', ...command)).trim()

const running = () =>
  engine.docker('inspect', '--format', '{{.Id}} {{.State.StartedAt}}', 'e2e_app_1', 'e2e_redis_1')

test('a Compose app is stopped, restored, started anew with its old .env, and healthy', async () => {
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr).toBe(0)
  await writeFile(join(world.deployment, 'data', 'health'), 'damaged\n')
  await writeFile(join(world.deployment, '.env'), 'COMPOSE_PROJECT_NAME=e2e\nGREETING=changed\n')

  const result = await world.cli('restore', '--host', 'prod', '--yes')
  expect(result.code, result.stderr + result.stdout).toBe(0)
  expect(await readFile(join(world.deployment, 'data', 'health'), 'utf8')).toBe('ok\n')
  expect(await inApp('cat', '/app/data/health')).toBe('ok')
  expect(await inApp('cat', '/tmp/greeting')).toBe('hello')
})

test('an app whose healthcheck stays red is rolled back, and serves the old data again', async () => {
  await writeFile(join(world.deployment, 'data', 'marker'), 'now')
  const services = world.config.hosts['prod']!['services'] as Record<string, unknown>
  services['health'] = { url: 'http://127.0.0.1:1/health', timeout: '2s' }
  await world.writeConfig()
  const result = await world.cli('restore', '--host', 'prod', '--source', 'data', '--yes')
  expect(result.code, result.stdout).toBe(1)
  expect(result.stdout).toContain('rolled back')
  expect(await inApp('cat', '/app/data/marker')).toBe('now')
})

test("a Compose file that the server's Compose can't read is refused before anything stops", async () => {
  const services = world.config.hosts['prod']!['services'] as Record<string, unknown>
  delete services['health']
  await world.writeConfig()
  const file = join(world.deployment, 'docker-compose.yml')
  const good = await readFile(file, 'utf8')
  // Version 2 knows `name`, version 1 does not.
  await writeFile(file, `name: e2e\n${good}`)
  const pulled = await world.cli('pull', 'prod', '--source', 'config')
  expect(pulled.code, pulled.stderr).toBe(0)
  await writeFile(file, good)
  const before = await running()
  const [, , snapshot = ''] = /(prod\/(\S+?Z))/.exec(pulled.stdout) ?? []
  const result = await world.cli(
    'restore',
    `prod/${snapshot}`,
    '--host',
    'prod',
    '--source',
    'config',
    '--yes',
  )
  expectClearFailure(result, {
    code: 1,
    says: /docker-compose on prod can't read the restored \S+\/docker-compose\.yml, \S+\/\.env: .*'name' does not match/,
    next: /Install a Compose there that can \(the snapshot's server had 1\.29\.2\), or .*--source/,
  })
  expect(result.stdout + result.stderr).not.toContain('stopping services')
  expect(await readFile(file, 'utf8')).toBe(good)
  expect(await running()).toEqual(before)
  expect((await world.cli('pull', 'prod')).code).toBe(0)
})

test('one that nobody can read on the server is replaced by a good one', async () => {
  const file = join(world.deployment, 'docker-compose.yml')
  await writeFile(file, 'services: [')
  const result = await world.cli('restore', '--host', 'prod', '--source', 'config', '--yes')
  expect(result.code, result.stderr + result.stdout).toBe(0)
  expect(await readFile(file, 'utf8')).toContain('redis-server')
  expect(await inApp('cat', '/tmp/greeting')).toBe('hello')
})
