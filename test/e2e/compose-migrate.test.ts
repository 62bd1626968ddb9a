import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { type CliResult, runCli, startCli } from '../lab/cli.ts'
import { LAB_IMAGE, type LabDocker, startDocker } from '../lab/docker.ts'
import { writeDockerDeployment } from '../lab/docker-deployment.ts'
import { startGpg } from '../lab/gpg.ts'
import { everySecond, share } from '../lab/soak.ts'
import { createUser, startSshd, type Sshd, type TestUser } from '../lab/sshd.ts'
import { letEveryoneIn, tempDir } from '../lab/temp.ts'

everySecond()

/** A server with an engine of its own. */
interface Server {
  readonly deployment: string
  readonly engine: LabDocker
  readonly sshd: Sshd
}

const stack = new AsyncDisposableStack()
let home: string
/** Of the group docker, without sudo: Redis's data is not his to read. */
let member: TestUser
let old: Server
let fresh: Server

/** The app increments a counter in Redis over and over and writes down, a line each, what Redis has acknowledged. */
const WRITER =
  '{ while sleep 0.2; do n=$$(redis-cli -e -h redis incr counter) && echo $$n >>/app/logs/acknowledged; done & }'

beforeAll(async () => {
  const temp = stack.use(await tempDir('relay-compose-migrate-'))
  home = join(temp.path, 'workstation')
  await mkdir(home)
  const gpg = stack.use(await startGpg(home))
  member = stack.use(await createUser({ groups: ['docker'] }))
  const server = async (name: string): Promise<Server> => {
    const engine = stack.use(await startDocker())
    const sshd = stack.use(await startSshd({ config: [`SetEnv DOCKER_HOST=${engine.env['DOCKER_HOST']}`] }))
    const deployment = join(temp.path, name, 'relay')
    await mkdir(dirname(deployment))
    // The containers' user must get to the bind mounts.
    await letEveryoneIn(dirname(deployment))
    await chown(dirname(deployment), member.uid, member.gid)
    return { deployment, engine, sshd }
  }
  old = await server('old')
  fresh = await server('new')
  await writeDockerDeployment(old.deployment, {
    appBegins: WRITER,
    redisArguments: '--protected-mode no',
  })
  execFileSync('chown', ['-R', `${member.uid}:${member.gid}`, old.deployment])
  execFileSync('chown', ['-R', '999:999', join(old.deployment, 'redis_data')])
  await chmod(join(old.deployment, 'redis_data'), 0o700)
  await old.engine.compose(old.deployment, 'up', '-d', 'redis', 'app')
  const hosts = Object.fromEntries(
    // One more name for the old server.
    Object.entries({ old, new: fresh, alias: old }).map(([name, { sshd, deployment }]) => {
      const { host, port, user, identityFile, knownHosts } = sshd.sshConfig(member.name)
      return [
        name,
        {
          ssh: { host, port, user, identityFile, knownHosts, agent: false },
          deployment,
          services: { manager: 'compose', data: ['redis'] },
          sources: {
            redis_data: { kind: 'redis', path: 'redis_data', service: 'redis' },
            logs: { kind: 'files', path: 'logs' },
            data: { kind: 'files', path: 'data' },
            cache: { kind: 'volume', volume: 'relay_cache' },
            config: { kind: 'files', paths: ['.env', 'docker-compose.yml'] },
          },
        },
      ]
    }),
  )
  await writeFile(
    join(home, 'hosts.yaml'),
    stringify({
      version: 1,
      vault: 'vault',
      encryption: { recipients: [gpg.publicKey], identity: gpg.privateKey },
      retention: { last: 3 },
      hosts,
    }),
  )
}, 300_000)
afterAll(() => stack.disposeAsync(), 120_000)

const cli = (...args: string[]): Promise<CliResult> => runCli(args, { cwd: home })

/** Names of the services whose containers run, and their restart policies. */
async function running({ engine }: Server): Promise<Record<string, string>> {
  const ids = (await engine.docker('ps', '--quiet')).split('\n').filter((id) => id !== '')
  const format = '{{index .Config.Labels "com.docker.compose.service"}} {{.HostConfig.RestartPolicy.Name}}'
  const lines = await Promise.all(ids.map((id) => engine.docker('inspect', '--format', format, id)))
  return Object.fromEntries(lines.map((line) => line.split(' ') as [string, string]))
}

async function inService({ engine }: Server, service: string, ...command: string[]): Promise<string> {
  const id = await engine.docker('ps', '--quiet', '--filter', `label=com.docker.compose.service=${service}`)
  return await engine.docker('exec', id, ...command)
}

const inApp = (server: Server, ...command: string[]): Promise<string> => inService(server, 'app', ...command)
const redis = (server: Server, ...command: string[]): Promise<string> =>
  inService(server, 'redis', 'redis-cli', ...command)

const counter = async (server: Server): Promise<number> => Number(await redis(server, 'get', 'counter'))

/** Somebody who is none of the services writes until Redis stops; resolves with what was acknowledged last. */
async function writeFromOutside(server: Server): Promise<number> {
  const loop = 'while redis-cli -e incr outside; do sleep 0.2; done'
  const said = await inService(server, 'redis', 'sh', '-c', loop).catch(
    (error: unknown) => (error as { stdout: string }).stdout,
  )
  return Number(said.trim().split('\n').at(-1))
}

/** The last one; a line that was cut off is none. */
async function acknowledged({ deployment }: Server): Promise<number> {
  const lines = (await readFile(join(deployment, 'logs/acknowledged'), 'utf8')).split('\n')
  return Number(lines.at(-2))
}

const BOTH = { redis: 'unless-stopped', app: 'always' }

test('what can not be is said before anything is touched: a missing image, one server under two names', async () => {
  await fresh.engine.docker('tag', LAB_IMAGE, 'put-aside:1')
  await fresh.engine.docker('rmi', LAB_IMAGE)
  const imageless = await cli('migrate', 'old', 'new', '--cutover', '--yes')
  expect(imageless.code, imageless.stdout).toBe(1)
  expect(imageless.stderr).toContain(`the image ${LAB_IMAGE} is not on new`)
  await fresh.engine.docker('tag', 'put-aside:1', LAB_IMAGE)
  const same = await cli('migrate', 'old', 'alias', '--cutover', '--replace', '--yes')
  expect(same.code, same.stdout).toBe(2)
  expect(same.stderr).toContain('alias is old')
  expect(await running(old)).toEqual(BOTH)
})

test('a rehearsal starts only Redis on the new server, and is undone', async () => {
  const planned = await cli('migrate', 'old', 'new', '--dry-run')
  expect(planned.code, planned.stderr).toBe(0)
  expect(planned.stdout).toContain('Try out old')
  expect(planned.stdout).not.toContain('in no source of old')
  // A bare server was asked for a deployment that is to come by this.
  expect(planned.stdout).toContain('relay_cache is not on new yet: Compose makes it there')
  expect(planned.stdout).toMatch(/Redis of redis_data: \d[\d.]* on old, \d[\d.]* on new/)
  expect(existsSync(fresh.deployment)).toBe(false)

  const before = await acknowledged(old)
  const result = await cli('migrate', 'old', 'new', '--yes')
  expect(result.code, result.stderr + result.stdout).toBe(0)
  expect(await running(fresh)).toEqual({ redis: 'unless-stopped' })
  expect(await counter(fresh)).toBeGreaterThanOrEqual(before)

  const refused = await cli('migrate', 'old', 'new', '--cutover', '--yes')
  expect(refused.code, refused.stdout).toBe(1)
  expect(refused.stderr).toContain('new is not empty')
  expect(refused.stderr).toContain('--replace')
  expect(await running(old)).toEqual(BOTH)

  const undone = await cli('rollback', '--host', 'new', '--yes')
  expect(undone.code, undone.stderr + undone.stdout).toBe(0)
  expect(await running(fresh)).toEqual({})
  const now = await acknowledged(old)
  while ((await acknowledged(old)) === now) await sleep(50)
})

test('a cutover moves the app with the last write that was acknowledged, and back again', async () => {
  await inApp(old, 'sh', '-c', 'echo kept >/app/cache/kept')
  const outsider = writeFromOutside(old)
  const moved = await cli('migrate', 'old', 'new', '--cutover', '--yes', '--json')
  const outside = await outsider
  expect(moved.code, moved.stderr + moved.stdout).toBe(0)
  expect(JSON.parse(moved.stdout)).toMatchObject({
    outcome: 'done',
    serving: 'to',
    sources: ['redis_data', 'logs', 'data', 'cache', 'config'].map((source) => ({ source })),
  })
  expect(await running(old)).toEqual({})
  expect(await running(fresh)).toEqual(BOTH)
  expect(await acknowledged(old)).toBeGreaterThan(5)
  expect(await counter(fresh)).toBeGreaterThanOrEqual(await acknowledged(old))
  expect(outside).toBeGreaterThan(5)
  expect(Number(await redis(fresh, 'get', 'outside'))).toBeGreaterThanOrEqual(outside)
  expect(await inApp(fresh, 'cat', '/tmp/greeting')).toBe('hello')
  expect(await inApp(fresh, 'cat', '/app/cache/kept')).toBe('kept')
  // A restart of the engine must not bring the old server up.
  await old.engine.stop()
  await old.engine.start()
  expect(await running(old)).toEqual({})

  await redis(fresh, 'set', 'only-new', 'accepted')
  const back = await cli('rollback', '--host', 'old', '--yes')
  expect(back.code, back.stderr + back.stdout).toBe(0)
  expect(await running(old)).toEqual(BOTH)
  expect(await running(fresh)).toEqual({})
  const since = await acknowledged(old)
  expect(await counter(old)).toBeGreaterThanOrEqual(since)
  const aside = execFileSync('grep', ['-rl', 'only-new', join(fresh.deployment, '.relay-backup')])
  expect(aside.toString()).toContain('/failed-')
})

test('the client is killed in the middle: one of the two serves, and the writes are there', async () => {
  for (const words of share(['stopping all services', 'starting data services', 'starting services'], 1)) {
    const cutover = startCli(['migrate', 'old', 'new', '--cutover', '--yes'], { cwd: home })
    while (!cutover.stderr().includes(words) && cutover.child.exitCode === null) await sleep(20)
    cutover.child.kill('SIGKILL')
    await cutover.result
    let settled: CliResult
    do settled = await cli('rollback', '--host', 'old', '--yes')
    while (settled.code === 5)
    expect(settled.code, settled.stderr + settled.stdout).toBe(0)
    expect(await running(old), words).toEqual(BOTH)
    expect(await running(fresh), words).toEqual({})
    const last = await acknowledged(old)
    expect(await counter(old)).toBeGreaterThanOrEqual(last)
  }
})
