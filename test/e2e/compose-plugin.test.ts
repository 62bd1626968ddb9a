import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { composePlugin, type ComposePlugin } from '../lab/compose-plugin.ts'
import { startComposeApp } from '../lab/compose-app.ts'
import { LAB_IMAGE, type LabDocker, startDocker } from '../lab/docker.ts'
import { startSshd } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'
import { toolsWithout } from '../lab/tools.ts'
import { startWorld, type World } from '../lab/world.ts'
import { everySecond } from '../lab/soak.ts'

everySecond(1)

const stack = new AsyncDisposableStack()
let world: World
let engine: LabDocker
let plugin: ComposePlugin
let deployment: string
let ssh: Record<string, unknown>

// The server has Docker's plugin, and no docker-compose.
beforeAll(async () => {
  engine = stack.use(await startDocker())
  const { path: server } = stack.use(await tempDir('relay-plugin-'))
  execFileSync('chmod', ['755', server])
  plugin = await composePlugin(join(server, 'docker'))
  const path = await toolsWithout(join(server, 'tools'), (name) => name === 'docker-compose')
  const { DOCKER_HOST } = engine.env
  world = stack.use(
    await startWorld({
      sshd: { path, config: [`SetEnv DOCKER_HOST=${DOCKER_HOST} DOCKER_CONFIG=${plugin.env.DOCKER_CONFIG}`] },
    }),
  )
  deployment = await startComposeApp({ world, engine, stack }, 'plugged')
  ssh = world.config.hosts['prod']!.ssh
}, 240_000)
afterAll(() => stack.disposeAsync(), 120_000)
beforeEach(() => connectTo(ssh))

async function connectTo(server: Record<string, unknown>): Promise<void> {
  world.config.hosts['prod']!.ssh = server
  await world.writeConfig()
}

const greeting = () => engine.docker('exec', 'plugged_app_1', 'cat', '/tmp/greeting')
const redis = (...command: string[]) => engine.docker('exec', 'plugged_redis_1', 'redis-cli', ...command)

test('`docker compose` alone is found, recorded, and starts services anew after .env was restored', async () => {
  await redis('set', 'key', 'then')
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
  const { server } = (await world.manifest((await world.snapshots()).at(-1) ?? '')) as {
    server: { versions: Record<string, string> }
  }
  expect(server.versions).toMatchObject({ 'compose-plugin': '2.27.0' })
  expect(server.versions).not.toHaveProperty('docker-compose')

  await writeFile(join(deployment, '.env'), 'COMPOSE_PROJECT_NAME=plugged\nGREETING=changed\n')
  await engine.compose(deployment, 'up', '-d', '--no-deps', 'app')
  expect(await greeting()).toBe('changed')
  await redis('set', 'key', 'now')

  const restored = await world.cli('restore', '--host', 'prod', '--yes')
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  expect(await greeting()).toBe('hello')
  expect(await redis('get', 'key')).toBe('then')
  const ups = (await plugin.calls()).filter((line) => / up /.test(line))
  // Compose itself starts what it has made.
  const made = 'up --no-start --no-build --no-deps'
  const started = 'up --detach --no-recreate --no-build --no-deps'
  expect(ups.map((line) => line.slice(line.indexOf('up ')))).toEqual([
    `${made} redis`,
    `${started} redis`,
    `${made} app`,
    `${started} app`,
  ])
  expect(ups[0]).toMatch(/^--project-name plugged --project-directory \S+ --file \S+ up /)
})

test('what docker-compose has made stays with it where both are there', async () => {
  const { DOCKER_HOST } = engine.env
  const environment = `SetEnv DOCKER_HOST=${DOCKER_HOST} DOCKER_CONFIG=${plugin.env.DOCKER_CONFIG}`
  await using both = await startSshd({ config: [environment] })
  const { port, knownHosts, identityFile } = both.sshConfig()
  await connectTo({ ...ssh, port, knownHosts, identityFile })
  const before = (await plugin.calls()).filter((line) => / up /.test(line))
  await writeFile(join(deployment, '.env'), 'COMPOSE_PROJECT_NAME=plugged\nGREETING=changed\n')
  const restored = await world.cli('restore', '--host', 'prod', '--source', 'config', '--yes')
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  expect((await plugin.calls()).filter((line) => / up /.test(line))).toEqual(before)
  expect(await greeting()).toBe('hello')
})

test('a restore to a server with an older Compose and without an image says so, and is carried out', async () => {
  // Captured with the plugin, and an image that is gone at the restore.
  const file = join(deployment, 'docker-compose.yml')
  const good = await readFile(file, 'utf8')
  await engine.docker('tag', LAB_IMAGE, 'app-image:2')
  await writeFile(file, good.replace(/(app:\n\s+image: )\S+/, '$1app-image:2'))
  await engine.compose(deployment, 'up', '-d', '--no-deps', 'app')
  const pulled = await world.cli('pull', 'prod', '--source', 'redis_data')
  expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
  const snapshot = (await world.snapshots()).at(-1)
  await writeFile(file, good)
  await engine.compose(deployment, 'up', '-d', '--no-deps', 'app')
  await engine.docker('rmi', 'app-image:2')

  await using older = await startSshd({ config: [`SetEnv DOCKER_HOST=${engine.env.DOCKER_HOST}`] })
  const { port, knownHosts, identityFile } = older.sshConfig()
  await connectTo({ ...ssh, port, knownHosts, identityFile })
  const restored = await world.cli('restore', `prod/${snapshot}`, '--host', 'prod', '--yes')
  const output = restored.stderr + restored.stdout
  expect(restored.code, output).toBe(0)
  expect(output).toMatch(/warning: .*Compose 2\.27\.0; prod has the older 1\.29\.2, which may not read it/)
  expect(output).toMatch(/warning: the image app-image:2 of a service is not on prod/)
  expect(output).toMatch(/Next: .*docker pull app-image:2/)
})
