import { chown, copyFile, mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startComposeApp } from '../lab/compose-app.ts'
import { writeDockerDeployment } from '../lab/docker-deployment.ts'
import { type LabDocker, startDocker } from '../lab/docker.ts'
import { letEveryoneIn } from '../lab/temp.ts'
import { startWorld, type World } from '../lab/world.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

const stack = new AsyncDisposableStack()
let world: World
let engine: LabDocker
let origin: string
beforeAll(async () => {
  engine = stack.use(await startDocker())
  world = stack.use(
    await startWorld({ sshd: { config: [`SetEnv DOCKER_HOST=${engine.env['DOCKER_HOST']}`] } }),
  )
  origin = await startComposeApp({ world, engine, stack }, 'origin')
  // Each directory is a project of its own, as on servers of their own.
  await engine.compose(origin, 'down', '-t', '1')
  await writeDockerDeployment(origin)
  await engine.compose(origin, 'up', '-d', 'redis', 'app')
  ;(world.config.hosts['prod']!['services'] as Record<string, unknown>)['file'] = 'docker-compose.yml'
  await world.writeConfig()
  await redisCli(origin, 'set', 'color', 'blue')
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr).toBe(0)
  await engine.compose(origin, 'stop', '-t', '1')
}, 180_000)
afterAll(() => stack.disposeAsync(), 120_000)

const redisCli = (deployment: string, ...args: string[]) =>
  engine.compose(
    deployment,
    'exec',
    '-T',
    'redis',
    'timeout',
    '10',
    'sh',
    '-c',
    'until redis-cli ping >/dev/null; do :; done; exec redis-cli "$@"',
    'sh',
    ...args,
  )

const copy = (deployment: string, ...names: string[]) =>
  Promise.all(names.map((name) => copyFile(join(origin, name), join(deployment, name))))

async function directory(deployment: string): Promise<void> {
  await mkdir(deployment)
  await letEveryoneIn(deployment)
}

const STATES: readonly { readonly name: string; readonly make: (deployment: string) => Promise<unknown> }[] =
  [
    { name: 'bare', make: () => Promise.resolve() },
    {
      name: 'composeonly',
      make: async (deployment) => {
        await directory(deployment)
        await copy(deployment, 'docker-compose.yml')
      },
    },
    {
      // Its containers were made and never started.
      name: 'created',
      make: async (deployment) => {
        await directory(deployment)
        await copy(deployment, '.env', 'docker-compose.yml')
        for (const name of ['redis_data', 'data', 'logs']) await mkdir(join(deployment, name))
        await chown(join(deployment, 'redis_data'), 999, 999)
        await engine.compose(deployment, 'up', '--no-start')
      },
    },
  ]

describe('a Compose deployment is restored to a server that is', () => {
  test.each(STATES)('$name', async ({ name, make }) => {
    const deployment = join(dirname(world.deployment), name)
    stack.defer(
      async () => void (await engine.compose(deployment, 'down', '-v', '-t', '1').catch(() => undefined)),
    )
    await make(deployment)
    const { prod } = world.config.hosts
    world.config.hosts[name] = { ...prod!, deployment }
    await world.writeConfig()
    const result = await world.cli('restore', '--host', name, '--from', 'prod', '--yes')
    expect(result.code, result.stdout + result.stderr).toBe(0)
    expect(result.stdout).toContain('services: nothing ran before, so nothing was started')
    if (name === 'bare') expect(result.stdout).toContain(`cd ${deployment} && docker-compose`)
    // What did not run stays stopped; it starts with what was restored.
    await engine.compose(deployment, 'up', '-d', 'redis')
    expect(await redisCli(deployment, 'get', 'color')).toBe('blue')
    expect(await readFile(join(deployment, '.env'), 'utf8')).toContain('GREETING=hello')
  })
})
