import { execFileSync } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type LabDocker, startDocker } from '../lab/docker.ts'
import { writeDockerDeployment } from '../lab/docker-deployment.ts'
import { createUser, type TestUser } from '../lab/sshd.ts'
import { startWorld, type World } from '../lab/world.ts'

const PASSWORD = 'a password of redis'
const stack = new AsyncDisposableStack()
let world: World
let engine: LabDocker
let member: TestUser
/** A deployment in the home of a user of the group docker, who has no sudo; data of uid 999, for nobody else to read. */
let deployment: string

beforeAll(async () => {
  engine = stack.use(await startDocker())
  world = stack.use(
    await startWorld({ sshd: { config: [`SetEnv DOCKER_HOST=${engine.env['DOCKER_HOST']}`] } }),
  )
  member = stack.use(await createUser({ groups: ['docker'] }))
  await chmod(member.home, 0o755)
  deployment = join(member.home, 'app')
  await mkdir(deployment)
  await writeDockerDeployment(deployment, {
    project: 'box',
    redisCommand: 'redis-server /data/redis.conf --appendonly yes',
  })
  await writeFile(join(deployment, 'redis_data/redis.conf'), `dir /data\nrequirepass "${PASSWORD}"\n`)
  execFileSync('chown', ['-R', `${member.name}:`, deployment])
  execFileSync('chown', ['-R', '999:999', join(deployment, 'redis_data')])
  await chmod(join(deployment, 'redis_data'), 0o700)
  await engine.compose(deployment, 'up', '-d', 'redis', 'app')
  stack.defer(async () => void (await engine.compose(deployment, 'down', '-v', '-t', '1')))
  const secret = join(world.home, 'redis.password')
  await writeFile(secret, `${PASSWORD}\n`, { mode: 0o600 })
  const { ssh } = world.config.hosts['prod']!
  world.config.hosts['prod'] = {
    ...world.config.hosts['prod']!,
    ssh: { ...ssh, user: member.name },
    deployment,
    services: { manager: 'compose', data: ['redis'] },
    sources: {
      redis_data: {
        kind: 'redis',
        path: 'redis_data',
        service: 'redis',
        password: { file: secret },
        capture: 'both',
      },
    },
  }
  await world.writeConfig()
}, 240_000)
afterAll(() => stack.disposeAsync(), 120_000)

const redis = async (...command: string[]) =>
  (
    await engine.docker('exec', '-e', `REDISCLI_AUTH=${PASSWORD}`, 'box_redis_1', 'redis-cli', ...command)
  ).trim()

async function answering(): Promise<void> {
  while ((await redis('ping').catch(() => '')) !== 'PONG');
}

test('data of another user is captured by one of the group docker, without sudo, restored and rolled back', async () => {
  await answering()
  await redis('mset', 'a', '1', 'b', '2', 'c', '3')
  await redis('-n', '3', 'set', 'expiring', 'x', 'ex', '100000')
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr).toBe(0)
  const [id = ''] = await world.snapshots()
  const manifest = JSON.stringify(await world.manifest(id))
  expect(manifest).toContain('"form":"both"')
  expect(manifest).not.toContain(PASSWORD)

  await redis('flushall')
  await redis('set', 'since', '1')
  const restored = await world.cli('restore', '--host', 'prod', '--yes')
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  await answering()
  expect(await redis('mget', 'a', 'b', 'c', 'since')).toBe('1\n2\n3')
  expect(Number(await redis('-n', '3', 'ttl', 'expiring'))).toBeGreaterThan(90_000)
  expect(await redis('config', 'get', 'appendonly')).toBe('appendonly\nyes')
  expect(
    execFileSync('stat', ['-c', '%u %a', join(deployment, 'redis_data')])
      .toString()
      .trim(),
  ).toBe('999 700')

  const rolledBack = await world.cli('rollback', '--host', 'prod', '--yes')
  expect(rolledBack.code, rolledBack.stderr + rolledBack.stdout).toBe(0)
  await answering()
  expect(await redis('exists', 'a')).toBe('0')
  expect(await redis('get', 'since')).toBe('1')
}, 600_000)
