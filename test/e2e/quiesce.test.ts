import { randomBytes } from 'node:crypto'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type LabDocker, startDocker } from '../lab/docker.ts'
import { writeDockerDeployment } from '../lab/docker-deployment.ts'
import { everySecond } from '../lab/soak.ts'
import { createUser, descendants } from '../lab/sshd.ts'
import { expectClearFailure } from '../lab/unharmed.ts'
import { letEveryoneIn } from '../lab/temp.ts'
import { startWorld, type World, type WorldConfig } from '../lab/world.ts'

/** The lease goes at end of file; the rest is for the start of the containers on a loaded machine. ms */
const AGAIN_WITHIN = 60_000

everySecond(2)

const stack = new AsyncDisposableStack()
let world: World
let engine: LabDocker
let config: WorldConfig
beforeAll(async () => {
  engine = stack.use(await startDocker())
  world = stack.use(
    await startWorld({ sshd: { config: [`SetEnv DOCKER_HOST=${engine.env['DOCKER_HOST']}`] } }),
  )
  await letEveryoneIn(world.deployment)
  await writeDockerDeployment(world.deployment, { project: 'held' })
  await writeFile(join(world.deployment, 'data', 'big'), randomBytes(2 * 1024 ** 2))
  await engine.compose(world.deployment, 'up', '-d', 'redis', 'app')
  stack.defer(async () => void (await engine.compose(world.deployment, 'down', '-v', '-t', '0')))
  world.config.hosts['prod'] = {
    ...world.config.hosts['prod']!,
    services: { manager: 'compose', file: 'docker-compose.yml', data: ['redis'] },
    sources: {
      data: { kind: 'files', path: 'data', quiesce: { stop: ['app', 'redis'] } },
      logs: { kind: 'files', path: 'logs', quiesce: { stop: ['app', 'redis'] } },
      config: { kind: 'files', paths: ['.env', 'docker-compose.yml'], quiesce: { pause: ['app'] } },
    },
  }
  config = structuredClone(world.config)
}, 180_000)
afterAll(() => stack.disposeAsync(), 120_000)
beforeEach(async () => {
  Object.assign(world.config, structuredClone(config))
  await world.writeConfig()
})

const AS_BEFORE = ['redis running unless-stopped', 'app running always']

async function services(): Promise<readonly string[]> {
  const format = '{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}'
  return Promise.all(
    ['redis', 'app'].map(
      async (name) => `${name} ${await engine.docker('inspect', '--format', format, `held_${name}_1`)}`,
    ),
  )
}

async function until(what: readonly string[], within: number): Promise<void> {
  const end = performance.now() + within
  while ((await services()).join() !== what.join()) {
    if (performance.now() > end) expect(await services()).toEqual(what)
    await sleep(100)
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended.
  }
}

async function leftOnServer(): Promise<readonly string[]> {
  return (await readdir(world.deployment)).filter((name) => name === '.relay-backup')
}

/** What happened to the containers since, in order: `app stop`. */
async function eventsSince(since: number): Promise<readonly string[]> {
  const events = await engine.docker(
    ...['events', '--since', String(since), '--until', String(Math.floor(Date.now() / 1000) + 1)],
    ...['--filter', 'type=container', '--format', '{{.Actor.Attributes.name}} {{.Action}}'],
  )
  return events
    .split('\n')
    .filter((line) => / (stop|start|pause|unpause)$/.test(line))
    .map((line) => line.replace(/^held_(\w+)_1/, '$1'))
}

test('the plan says who holds still, and touches nobody', async () => {
  await sleep(1000)
  const since = Math.floor(Date.now() / 1000)
  const plan = await world.cli('pull', 'prod', '--dry-run')
  expect(plan.code, plan.stderr).toBe(0)
  expect(plan.stdout).toContain('data, while app, redis are stopped')
  expect(plan.stdout).toContain('.env docker-compose.yml, while app is paused')
  expect(await eventsSince(since)).toEqual([])
})

test('services hold still in order, once for sources that share it, and run again', async () => {
  await sleep(1000)
  const since = Math.floor(Date.now() / 1000)
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr).toBe(0)
  expect(await eventsSince(since)).toEqual([
    ...['app stop', 'redis stop', 'redis start', 'app start'],
    ...['app pause', 'app unpause'],
  ])
  expect(await services()).toEqual(AS_BEFORE)
  expect(await leftOnServer()).toEqual([])
  const manifest = await world.manifest((await world.snapshots()).at(-1) ?? '')
  expect(manifest).toMatchObject({
    server: {
      versions: {
        'docker-engine': expect.stringMatching(/^20\./),
        'docker-compose': expect.stringMatching(/^1\.29/),
        'image relay-lab:1': expect.stringMatching(/^sha256:/),
      },
    },
  })
})

describe.each([
  ['stopped', 'data', ['redis exited no', 'app exited no']],
  ['paused', 'config', ['redis running unless-stopped', 'app paused always']],
] as const)('while services are %s', (_how, source, held) => {
  test.each([
    [
      'the client is killed',
      (child: { kill(signal: NodeJS.Signals): boolean }) => void child.kill('SIGKILL'),
    ],
    ["the server's session is killed", () => world.sshd.killSessions()],
    [
      'the user presses Ctrl-C',
      (child: { kill(signal: NodeJS.Signals): boolean }) => void child.kill('SIGINT'),
    ],
  ])('and %s, they run again', async (_what, cut) => {
    if (source === 'config') await writeFile(join(world.deployment, '.env.big'), randomBytes(2 * 1024 ** 2))
    world.config.hosts['prod']!.sources['config']!['paths'] = ['.env', '.env.big', 'docker-compose.yml']
    await world.writeConfig()
    const running = world.start('pull', 'prod', '--source', source, '--bandwidth', '50KiB/s')
    await until(held, AGAIN_WITHIN)
    await cut(running.child)
    const { code } = await running.result
    expect(code).not.toBe(0)
    await until(AS_BEFORE, AGAIN_WITHIN)
    // The script clears away its journal last.
    for (let attempt = 0; (await leftOnServer()).length > 0 && attempt < 300; attempt += 1) await sleep(100)
    expect(await leftOnServer()).toEqual([])
    await rm(join(world.deployment, '.env.big'), { force: true })
  })
})

test('one that is ill behind it is a loud warning of a good pull', async () => {
  await rm(join(world.deployment, 'data', 'health'))
  const pulled = await world.cli('pull', 'prod', '--source', 'data')
  await writeFile(join(world.deployment, 'data', 'health'), 'ok\n')
  expect(pulled.code, pulled.stderr).toBe(0)
  expect(pulled.stdout).toContain('app is unhealthy after it was held still for the capture')
  await engine.compose(world.deployment, 'restart', '-t', '1', 'app')
})

describe('what a killed script has left', () => {
  /** A pull whose script is gone, as a reboot does it: nothing on the server undoes anything. */
  async function cutPull(): Promise<void> {
    const running = world.start('pull', 'prod', '--source', 'data', '--full', '--bandwidth', '50KiB/s')
    await until(['redis exited no', 'app exited no'], AGAIN_WITHIN)
    const scripts = await descendants(await world.sshd.sessions())
    for (const signal of ['SIGSTOP', 'SIGKILL'] as const) for (const pid of scripts) kill(pid, signal)
    await running.result
    expect(await services()).toEqual(['redis exited no', 'app exited no'])
  }

  test.each([
    ['the next pull', ['pull', 'prod', '--source', 'logs']],
    ['rollback', ['rollback', '--host', 'prod', '--yes']],
    // Behind the others: its journal stays.
    ['a restore', ['restore', '--host', 'prod', '--source', 'logs', '--yes']],
  ])('is settled by %s, which says so', async (_by, args) => {
    await cutPull()
    const next = await world.cli(...args)
    expect(next.code, next.stderr + next.stdout).toBe(0)
    expect(next.stdout).toContain('an earlier run was cut off and had left')
    expect(await services()).toEqual(AS_BEFORE)
    await world.cli('rollback', '--host', 'prod', '--discard', '--yes')
    expect(await leftOnServer()).toEqual([])
  })
})

describe('bad input', () => {
  /** Pulls with the host's config changed; the whole pull, so that what can be captured is. */
  async function pullWith(change: Record<string, unknown>, ...args: string[]) {
    Object.assign(world.config.hosts['prod']!, change)
    await world.writeConfig()
    return world.cli('pull', 'prod', ...args)
  }

  test('an unknown service fails its sources before anything stops, and the dry run says so too', async () => {
    const sources = {
      data: { kind: 'files', path: 'data', quiesce: { stop: ['appp'] } },
      logs: { kind: 'files', path: 'logs' },
    }
    const pulled = await pullWith({ sources })
    expect(pulled.code).toBe(3)
    expect(pulled.stdout).toContain('There is no service appp on prod; did you mean app?')
    expect(pulled.stdout).toMatch(/Next: .*there is: app, redis/)
    const planned = await world.cli('pull', 'prod', '--dry-run')
    expectClearFailure(planned, { code: 3, says: /did you mean app\?/, next: /there is: app, redis/ })
    expect(await services()).toEqual(AS_BEFORE)
  })

  test('a container that would be removed when it stops is refused', async () => {
    await engine.docker(
      'run',
      '-d',
      '--rm',
      '--network',
      'none',
      '--name',
      'once',
      'relay-lab:1',
      'sleep',
      '1000',
    )
    const pulled = await pullWith({
      services: { manager: 'docker' },
      sources: { data: { kind: 'files', path: 'data', quiesce: { stop: ['held_app_1', 'once'] } } },
    })
    await engine.docker('rm', '-f', 'once')
    expectClearFailure(pulled, {
      code: 1,
      says: /container once would be removed when it stops/,
      next: /Correct that on the server/,
    })
    expect(await services()).toEqual(AS_BEFORE)
  })

  test('a user who may not use Docker is told how he may', async () => {
    await using user = await createUser()
    const ssh = { ...world.config.hosts['prod']!.ssh, user: user.name }
    const pulled = await pullWith({ ssh, sources: { data: config.hosts['prod']!.sources['data'] } })
    expectClearFailure(pulled, {
      code: 1,
      says: new RegExp(`${user.name} may not use Docker on prod`),
      next: new RegExp(`usermod -aG docker ${user.name}`),
    })
  })

  test('an engine that is down is told from a service that is', async () => {
    const sources = { data: config.hosts['prod']!.sources['data'] }
    await engine.stop()
    const down = await pullWith({ sources })
    await engine.start()
    await engine.docker('start', 'held_redis_1', 'held_app_1')
    expectClearFailure(down, {
      code: 1,
      says: /The Docker engine on prod does not answer/,
      next: /systemctl start docker/,
    })
  })
})
