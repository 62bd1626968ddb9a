import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startComposeApp } from '../lab/compose-app.ts'
import { type LabDocker, startDocker } from '../lab/docker.ts'
import { startWorld, type World } from '../lab/world.ts'

const stack = new AsyncDisposableStack()
let world: World
let engine: LabDocker
let deployment: string

beforeAll(async () => {
  engine = stack.use(await startDocker())
  world = stack.use(
    await startWorld({ sshd: { config: [`SetEnv DOCKER_HOST=${engine.env['DOCKER_HOST']}`] } }),
  )
  deployment = await startComposeApp({ world, engine, stack }, 'kept', ['redis'])
  await world.writeConfig()
}, 240_000)
afterAll(() => stack.disposeAsync(), 120_000)

const redis = (...command: string[]) => engine.docker('exec', 'kept_redis_1', 'redis-cli', ...command)

/** Sets a key, and pulls it with the Compose file of now. Returns the snapshot's id. */
async function pulled(value: string): Promise<string> {
  while ((await redis('ping').catch(() => '')) !== 'PONG');
  await redis('set', 'key', value)
  const result = await world.cli('pull', 'prod')
  expect(result.code, result.stderr + result.stdout).toBe(0)
  return (await world.snapshots()).at(-1) ?? ''
}

test('a Redis is restored together with a Compose file that turns its AOF on or off', async () => {
  const withAof = await pulled('with AOF')
  const file = join(deployment, 'docker-compose.yml')
  await writeFile(file, (await readFile(file, 'utf8')).replace('--appendonly yes', '--appendonly no'))
  await engine.compose(deployment, 'up', '-d', 'redis')
  const without = await pulled('without')

  for (const [snapshot, value, appendonly] of [
    [withAof, 'with AOF', 'yes'],
    [without, 'without', 'no'],
  ] as const) {
    const restored = await world.cli('restore', `prod/${snapshot}`, '--host', 'prod', '--yes')
    expect(restored.code, restored.stderr + restored.stdout).toBe(0)
    expect(restored.stderr + restored.stdout).toContain('Redis is made anew from what Compose reads')
    expect(await redis('config', 'get', 'appendonly')).toBe(`appendonly\n${appendonly}`)
    expect(await redis('get', 'key')).toBe(value)
  }
})
