import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ComposeServices, ServerServices } from '../../src/model/server-services.ts'
import { RestoreDriver } from '../../src/restore/server/driver.ts'
import { rollbackRestore } from '../../src/restore/server/settle.ts'
import type { DockerDeploymentOptions } from '../lab/docker-deployment.ts'
import { LAB_IMAGE, startDocker } from '../lab/docker.ts'
import type { LabDocker } from '../lab/docker.ts'
import { compareTrees } from '../lab/hostile-tree.ts'
import type { LocalHost } from '../lab/local-host.ts'
import { everySecond, share } from '../lab/soak.ts'
import { DockerProject } from './docker-project.ts'
import { crash, MACHINES, quiet, treeOf } from './restore-scripts-lab.ts'
import type { Machine } from './restore-scripts-lab.ts'

let engine: LabDocker
let number = 0

beforeAll(async () => {
  engine = await startDocker()
  process.env['DOCKER_HOST'] = engine.env.DOCKER_HOST
})

afterAll(async () => {
  delete process.env['DOCKER_HOST']
  await engine[Symbol.asyncDispose]()
})

/** One whose `data` a restore replaces. */
class Project extends DockerProject {
  static async up(machine: Machine, options: DockerDeploymentOptions = {}): Promise<Project> {
    const name = `project${(number += 1)}`
    return new Project(engine, await Project.start(engine, machine, name, options), name)
  }

  services(options: Partial<ComposeServices> = {}): ComposeServices {
    const { deployment } = this.lab
    return {
      manager: 'compose',
      project: this.name,
      args: [
        ...['--project-name', this.name, '--project-directory', deployment],
        ...['--file', `${deployment}/docker-compose.yml`],
      ],
      renew: false,
      data: ['redis'],
      rest: ['idle', 'app'],
      ...options,
    }
  }

  async stage(host: LocalHost, services: ServerServices) {
    const placement = await this.lab.stage(host, { services })
    const staged = String(placement.units[0]?.staged)
    await writeFile(join(staged, 'health'), 'ok\n')
    return placement
  }

  states(): Promise<Record<string, string>> {
    return this.each(['redis', 'app', 'idle'], '{{.State.Status}}')
  }

  policies(): Promise<Record<string, string>> {
    return this.each(['redis', 'app'], '{{.HostConfig.RestartPolicy.Name}}')
  }

  greeting(): Promise<string> {
    return engine.docker('exec', `${this.name}_app_1`, 'cat', '/tmp/greeting')
  }

  /** A restore that has put another `.env` in place. Nothing runs yet. */
  async withAnotherGreeting(host: LocalHost) {
    const env = join(this.lab.deployment, '.env')
    const placement = await this.stage(host, this.services({ renew: true }))
    const driver = await RestoreDriver.start(host, placement, quiet())
    await steps(driver, 'begin', 'stop', 'swap')
    const old = await readFile(env, 'utf8')
    await writeFile(env, old.replace('hello', 'restored'))
    return { driver, placement, putBack: () => writeFile(env, old) }
  }
}

const POLICIES = { redis: 'unless-stopped', app: 'always' }
const RUNNING = { redis: 'running', app: 'running', idle: 'created' }

async function steps(
  driver: RestoreDriver,
  ...names: readonly (
    'begin' | 'stop' | 'swap' | 'make' | 'startData' | 'startRest' | 'checkRunning' | 'commit'
  )[]
) {
  for (const name of names) expect(await driver[name](quiet()), name).toMatchObject({ ok: true })
}

describe.each(share(MACHINES, 1))('services of a Compose project (%s)', (machine) => {
  it('are stopped, kept stopped over a restart of the engine, and started again', async () => {
    await using project = await Project.up(machine)
    await using host = project.lab.host()
    const ids = await Promise.all(['redis', 'app'].map((name) => project.get(name, '{{.Id}}')))
    await using driver = await RestoreDriver.start(
      host,
      await project.stage(host, project.services()),
      quiet(),
    )
    await steps(driver, 'begin', 'stop')
    expect(await project.states()).toEqual({ redis: 'exited', app: 'exited', idle: 'created' })
    await engine.stop()
    await engine.start()
    expect(await project.states()).toEqual({ redis: 'exited', app: 'exited', idle: 'created' })
    await steps(driver, 'swap', 'startData')
    expect(await project.states()).toEqual({ redis: 'running', app: 'exited', idle: 'created' })
    await project.becomes('redis', 'healthy')
    await steps(driver, 'startRest', 'checkRunning', 'commit')
    expect(await project.states()).toEqual(RUNNING)
    expect(await project.policies()).toEqual(POLICIES)
    await project.becomes('app', 'healthy')
    expect(await Promise.all(['redis', 'app'].map((name) => project.get(name, '{{.Id}}')))).toEqual(ids)
  })

  it.concurrent('run again after the client has vanished between stop and start', async () => {
    await using project = await Project.up(machine)
    const old = await treeOf(project.lab.data)
    const host = project.lab.host()
    const driver = await RestoreDriver.start(host, await project.stage(host, project.services()), quiet())
    await steps(driver, 'begin', 'stop', 'swap')
    await host[Symbol.asyncDispose]()
    expect(await project.states()).toEqual(RUNNING)
    expect(await project.policies()).toEqual(POLICIES)
    expect(compareTrees(old, await treeOf(project.lab.data))).toEqual([])
  })
})

describe('services of a Compose project', () => {
  everySecond()

  it.concurrent('run again when the client vanishes while one is being stopped', async () => {
    await using project = await Project.up('dash with GNU tools', { appGrace: '4s' })
    const host = project.lab.host()
    const driver = await RestoreDriver.start(host, await project.stage(host, project.services()), quiet())
    await steps(driver, 'begin')
    const cut = driver.stop(quiet()).catch(() => undefined)
    while ((await project.policies())['app'] !== 'no') await sleep(50)
    await host[Symbol.asyncDispose]()
    await cut
    expect(await project.policies()).toEqual(POLICIES)
    // As long as a stop that was left to itself would have taken.
    await sleep(4500)
    expect(await project.states()).toEqual(RUNNING)
  })

  it.concurrent('are made anew after .env was restored, and again when that is undone', async () => {
    await using project = await Project.up('dash with GNU tools')
    await using host = project.lab.host()
    const { driver: started, placement, putBack } = await project.withAnotherGreeting(host)
    await using driver = started
    await steps(driver, 'startData', 'startRest', 'checkRunning', 'commit')
    expect(await project.greeting()).toBe('restored')
    expect(await project.policies()).toEqual(POLICIES)
    await putBack()
    const undone = await rollbackRestore(host, { ...placement, signal: quiet() })
    expect(undone).toMatchObject({ outcome: 'rolled-back' })
    expect(await project.greeting()).toBe('hello')
    expect(await project.states()).toEqual(RUNNING)
  })

  it.concurrent('are made anew by the old files when the start is undone before the commit', async () => {
    await using project = await Project.up('dash with GNU tools')
    await using host = project.lab.host()
    const { driver: started, putBack } = await project.withAnotherGreeting(host)
    await using driver = started
    await steps(driver, 'startData', 'startRest')
    expect(await project.greeting()).toBe('restored')
    await putBack()
    expect((await driver.rollback()).outcome).toBe('rolled-back')
    expect(await project.greeting()).toBe('hello')
    expect(await project.states()).toEqual(RUNNING)
  })

  it.concurrent.each([
    ['as they were', false],
    ['made anew', true],
  ])('start once those are healthy that they wait for (%s)', async (_how, renew) => {
    await using project = await Project.up('dash with GNU tools', { appWaits: true })
    await using host = project.lab.host()
    const services = project.services({ renew, data: [], rest: ['redis', 'idle', 'app'] })
    const placement = await project.stage(host, services)
    await using driver = await RestoreDriver.start(host, placement, quiet())
    await steps(driver, 'begin', 'stop', 'swap', 'startData', 'startRest', 'checkRunning', 'commit')
    expect(await project.states()).toEqual(RUNNING)
  })

  it.concurrent('are made anew with the container whose network they share', async () => {
    const side = `  side:\n    image: ${LAB_IMAGE}\n    command: sleep 1000\n    network_mode: service:redis`
    await using project = await Project.up('dash with GNU tools', { more: side })
    const { deployment } = project.lab
    await engine.compose(deployment, 'up', '--no-start', 'side')
    await engine.compose(deployment, 'rm', '--stop', '--force', 'redis')
    await using host = project.lab.host()
    const services = project.services({ renew: true, rest: ['side', 'app'] })
    const placement = {
      ...(await project.stage(host, services)),
      migration: { role: 'to', host: 'old' },
    } as const
    await using driver = await RestoreDriver.start(host, placement, quiet())
    await steps(driver, 'begin', 'stop', 'swap', 'make', 'startData', 'startRest', 'checkRunning', 'commit')
    expect(await project.get('side', '{{.State.Status}} {{.HostConfig.NetworkMode}}')).toBe(
      `running container:${await project.get('redis', '{{.Id}}')}`,
    )
  })

  it.concurrent(
    'are made again that share the network of one that is made again, when it is undone',
    async () => {
      await using project = await Project.up('dash with GNU tools', {
        more: `
  side:
    image: ${LAB_IMAGE}
    command: sleep 1000
    stop_grace_period: 0s
    network_mode: service:redis
`,
      })
      const file = join(project.lab.deployment, 'docker-compose.yml')
      await engine.compose(project.lab.deployment, 'up', '-d', 'side')
      await using host = project.lab.host()
      const services = project.services({ renew: true, rest: ['side', 'app', 'idle'] })
      await using driver = await RestoreDriver.start(host, await project.stage(host, services), quiet())
      await steps(driver, 'begin', 'stop', 'swap')
      const old = await readFile(file, 'utf8')
      await writeFile(file, old.replace('--appendonly yes', '--appendonly yes --maxclients 77'))
      await steps(driver, 'startData')
      await writeFile(file, old)
      expect((await driver.rollback()).outcome).toBe('rolled-back')
      expect(await project.get('side', '{{.State.Status}} {{.HostConfig.NetworkMode}}')).toBe(
        `running container:${await project.get('redis', '{{.Id}}')}`,
      )
    },
  )

  it.concurrent('are removed again that a migration made ahead and never started', async () => {
    await using project = await Project.up('dash with GNU tools')
    const { deployment } = project.lab
    await engine.compose(deployment, 'down', '-v', '-t', '0')
    const ofProject = ['--filter', `label=com.docker.compose.project=${project.name}`]
    const there = async () => [
      await engine.docker('ps', '--all', '--format', '{{.Names}} {{.Status}}', ...ofProject),
      await engine.docker('network', 'ls', '--quiet', ...ofProject),
    ]
    await using host = project.lab.host()
    const services = project.services({ renew: true })
    const placement = {
      ...(await project.stage(host, services)),
      migration: { role: 'to', host: 'old' },
    } as const
    const driver = await RestoreDriver.start(host, placement, quiet())
    await steps(driver, 'begin', 'stop', 'swap', 'make')
    expect((await there())[0]?.split('\n').sort()).toEqual(
      ['app', 'idle', 'redis'].map((name) => `${project.name}_${name}_1 Created`),
    )
    await driver[Symbol.asyncDispose]()
    expect(await there()).toEqual(['', ''])
  })

  it.concurrent('fail the start when a healthcheck stays red, and are put back', async () => {
    await using project = await Project.up('dash with GNU tools')
    await using host = project.lab.host()
    const placement = await project.lab.stage(host, { services: project.services() })
    // The new tree has no `health`.
    await using driver = await RestoreDriver.start(host, placement, quiet())
    await steps(driver, 'begin', 'stop', 'swap', 'startData')
    expect(await driver.startRest(quiet())).toMatchObject({ ok: false, reason: 'app is unhealthy' })
    expect((await driver.rollback()).outcome).toBe('rolled-back')
    expect(await project.states()).toEqual(RUNNING)
    expect(await project.policies()).toEqual(POLICIES)
  })

  it.concurrent('fail the start when a container ends over and over', async () => {
    await using project = await Project.up('dash with GNU tools', {
      appBegins: 'test -e /app/data/health || exit 7',
    })
    await using host = project.lab.host()
    const placement = await project.lab.stage(host, { services: project.services({ renew: true }) })
    await using driver = await RestoreDriver.start(host, placement, quiet())
    await steps(driver, 'begin', 'stop')
    // Made anew, so that it has its policy `always` and loops.
    await engine.docker('rm', `${project.name}_app_1`)
    await steps(driver, 'swap', 'startData')
    expect(await driver.startRest(quiet())).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/^app (restarts over and over|ended with exit status 7)$/),
    })
    expect((await driver.rollback()).outcome).toBe('rolled-back')
    expect(await project.states()).toEqual(RUNNING)
    expect(await project.policies()).toEqual(POLICIES)
  })

  it.concurrent(
    'all stop when a service is several containers, and just those start again that ran',
    async () => {
      await using project = await Project.up('dash with GNU tools')
      await engine.compose(project.lab.deployment, 'up', '-d', '--no-recreate', '--scale', 'app=3', 'app')
      await engine.docker('stop', `${project.name}_app_2`)
      await using host = project.lab.host()
      await using driver = await RestoreDriver.start(
        host,
        await project.stage(host, project.services()),
        quiet(),
      )
      await steps(driver, 'begin', 'stop')
      const running = () =>
        engine.docker(
          'ps',
          '--filter',
          `label=com.docker.compose.project=${project.name}`,
          '--format',
          '{{.Names}}',
        )
      expect(await running()).toBe('')
      await steps(driver, 'swap', 'startData', 'startRest', 'checkRunning', 'commit')
      expect((await running()).split('\n').sort()).toEqual(
        ['app_1', 'app_3', 'redis_1'].map((name) => `${project.name}_${name}`),
      )
    },
  )

  it('start again from the journal after the server went down in the window', async () => {
    await using project = await Project.up('dash with GNU tools')
    const host = project.lab.host()
    const placement = await project.stage(host, project.services())
    const driver = await RestoreDriver.start(host, placement, quiet())
    await steps(driver, 'begin', 'stop', 'swap')
    await crash(host)
    await engine.stop()
    await engine.start()
    expect(await project.states()).toEqual({ redis: 'exited', app: 'exited', idle: 'created' })
    await using later = project.lab.host()
    const undone = await rollbackRestore(later, { ...placement, signal: quiet() })
    expect(undone).toMatchObject({ outcome: 'rolled-back' })
    expect(await project.states()).toEqual(RUNNING)
    expect(await project.policies()).toEqual(POLICIES)
    await driver[Symbol.asyncDispose]()
  })

  it('are not taken for stopped when the engine does not answer', async () => {
    await using project = await Project.up('dash with GNU tools')
    await using host = project.lab.host()
    await using driver = await RestoreDriver.start(
      host,
      await project.stage(host, project.services()),
      quiet(),
    )
    await steps(driver, 'begin')
    await engine.stop()
    try {
      expect(await driver.stop(quiet())).toMatchObject({
        ok: false,
        reason: expect.stringContaining('Cannot connect to the Docker daemon'),
      })
    } finally {
      await engine.start()
    }
    expect((await driver.rollback()).outcome).not.toBe('stuck')
  })
})

describe('services that are containers by name', () => {
  everySecond()

  it.concurrent('are stopped and started, and their policies are put back', async () => {
    await using project = await Project.up('dash with GNU tools')
    await engine.docker('update', '--restart=on-failure:4', `${project.name}_app_1`)
    await using host = project.lab.host()
    const services: ServerServices = {
      manager: 'docker',
      data: [`${project.name}_redis_1`],
      rest: [`${project.name}_app_1`],
    }
    await using driver = await RestoreDriver.start(host, await project.stage(host, services), quiet())
    await steps(driver, 'begin', 'stop')
    expect(await project.states()).toEqual({ redis: 'exited', app: 'exited', idle: 'created' })
    expect(await project.policies()).toEqual({ redis: 'no', app: 'no' })
    await steps(driver, 'swap', 'startData', 'startRest', 'checkRunning', 'commit')
    expect(await project.states()).toEqual(RUNNING)
    expect(await project.get('app', '{{json .HostConfig.RestartPolicy}}')).toBe(
      '{"Name":"on-failure","MaximumRetryCount":4}',
    )
  })

  it.concurrent('are refused when stopping would remove them, before anything is stopped', async () => {
    await using project = await Project.up('dash with GNU tools')
    const name = `${project.name}-once`
    await engine.docker(
      'run',
      '-d',
      '--rm',
      '--network',
      'none',
      '--name',
      name,
      'relay-lab:1',
      'sleep',
      '1000',
    )
    await using host = project.lab.host()
    const services: ServerServices = { manager: 'docker', data: [name], rest: [`${project.name}_app_1`] }
    await using driver = await RestoreDriver.start(host, await project.stage(host, services), quiet())
    await steps(driver, 'begin')
    expect(await driver.stop(quiet())).toMatchObject({
      ok: false,
      reason: `container ${name} would be removed when it stops (--rm); end it by hand first`,
    })
    expect((await driver.rollback()).outcome).toBe('rolled-back')
    expect(await project.states()).toEqual(RUNNING)
    await engine.docker('rm', '-f', name)
  })
})
