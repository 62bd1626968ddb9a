import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { QuiesceConfig } from '../../src/model/config.ts'
import { quiesceServices } from '../../src/services/quiesce.ts'
import { settleQuiesced } from '../../src/services/settle-quiesced.ts'
import type { DockerDeploymentOptions } from '../lab/docker-deployment.ts'
import { startDocker } from '../lab/docker.ts'
import type { LabDocker } from '../lab/docker.ts'
import { LocalHost } from '../lab/local-host.ts'
import { everySecond, share } from '../lab/soak.ts'
import { DockerProject } from './docker-project.ts'
import { crash, MACHINES, processesOf, quiet } from './restore-scripts-lab.ts'
import type { Machine } from './restore-scripts-lab.ts'

const run = promisify(execFile)
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

class Project extends DockerProject {
  static async up(machine: Machine = 'dash with GNU tools', options: DockerDeploymentOptions = {}) {
    const name = `hold${(number += 1)}`
    const project = new Project(engine, await Project.start(engine, machine, name, options), name)
    await project.becomes('app', 'healthy')
    return project
  }

  quiesce(host: LocalHost, quiesce: QuiesceConfig) {
    const services = { manager: 'compose', data: ['redis'] } as const
    return quiesceServices(host, { services, quiesce, deployment: this.lab.deployment, sudo: false }, quiet())
  }

  settle(host: LocalHost) {
    return settleQuiesced(host, { deployment: this.lab.deployment, sudo: false, signal: quiet() })
  }

  /** What is left on the server of quiesced services. */
  async left(): Promise<readonly string[]> {
    return (await readdir(this.lab.deployment)).filter((name) => name === '.relay-backup')
  }

  states(): Promise<Record<string, string>> {
    return this.each(['redis', 'app', 'idle'], '{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}')
  }
}

const AS_BEFORE = { redis: 'running unless-stopped', app: 'running always', idle: 'created' }
const STOP: QuiesceConfig = { how: 'stop', services: ['app', 'idle', 'redis'] }
const PAUSE: QuiesceConfig = { how: 'pause', services: ['app', 'idle', 'redis'] }
const STOPPED = { redis: 'exited no', app: 'exited no', idle: 'created' }
const PAUSED = { redis: 'paused unless-stopped', app: 'paused always', idle: 'created' }

describe.each(share(MACHINES, 1))('quiescing services (%s)', (machine) => {
  it.concurrent.each([
    ['stop', STOP, STOPPED],
    ['pause', PAUSE, PAUSED],
  ] as const)(
    'by %s: just those that run, and they are well again behind it',
    async (_how, quiesce, held) => {
      await using project = await Project.up(machine, { appWaits: true })
      await using host = project.lab.host()
      {
        await using quiesced = await project.quiesce(host, quiesce)
        expect([...quiesced.names].sort()).toEqual(['app', 'redis'])
        expect(await project.states()).toEqual(held)
        expect(await quiesced.resume(quiet())).toEqual({ unwell: undefined })
        expect(await project.states()).toEqual(AS_BEFORE)
        for (const name of ['redis', 'app']) await project.becomes(name, 'healthy')
      }
      expect(await project.states()).toEqual(AS_BEFORE)
      expect(await project.left()).toEqual([])
    },
  )

  it.concurrent.each([
    ['stopped', STOP],
    ['paused', PAUSE],
  ] as const)('ends when the client goes while they are %s', async (_how, quiesce) => {
    await using project = await Project.up(machine)
    const host = project.lab.host()
    await project.quiesce(host, quiesce)
    await host[Symbol.asyncDispose]()
    expect(await project.states()).toEqual(AS_BEFORE)
    expect(await project.left()).toEqual([])
  })
})

describe('quiescing services', () => {
  everySecond()

  it.concurrent('ends when the network dies: nothing is heard for as long as the lease allows', async () => {
    await using project = await Project.up()
    await using host = project.lab.host({ silence: 3 })
    await project.quiesce(host, PAUSE)
    expect(await project.states()).toEqual(PAUSED)
    host.mute()
    for (let attempt = 0; host.running.size > 0 && attempt < 600; attempt += 1) await sleep(100)
    expect(await project.states()).toEqual(AS_BEFORE)
    expect(await project.left()).toEqual([])
  })

  it.concurrent('does not leave one stopped when the client goes while it is being stopped', async () => {
    await using project = await Project.up('dash with GNU tools', { appGrace: '3s' })
    const host = project.lab.host()
    const cut = project.quiesce(host, STOP).catch(() => undefined)
    while (!(await project.get('app', '{{.HostConfig.RestartPolicy.Name}}')).startsWith('no')) await sleep(50)
    await host[Symbol.asyncDispose]()
    await cut
    // As long as a stop that was left to itself would have taken.
    await sleep(3500)
    expect(await project.states()).toEqual(AS_BEFORE)
    expect(await project.left()).toEqual([])
  })

  it('keeps what is stopped so over a restart of the engine, whatever its restart policy', async () => {
    await using project = await Project.up()
    await using host = project.lab.host()
    await using quiesced = await project.quiesce(host, STOP)
    await engine.stop()
    await engine.start()
    expect(await project.states()).toEqual(STOPPED)
    expect(await quiesced.resume(quiet())).toEqual({ unwell: undefined })
    expect(await project.states()).toEqual(AS_BEFORE)
  })

  it.concurrent.each([
    ['stopped', STOP],
    ['paused', PAUSE],
  ] as const)(
    'is settled by the next command when its script was killed while they were %s',
    async (_how, quiesce) => {
      await using project = await Project.up()
      const host = project.lab.host()
      const quiesced = await project.quiesce(host, quiesce)
      await crash(host)
      expect(await project.states()).toEqual(quiesce === STOP ? STOPPED : PAUSED)
      await using later = project.lab.host()
      const settled = await project.settle(later)
      expect({ ...settled, settled: [...settled.settled].sort() }).toEqual({
        settled: ['app', 'redis'],
        unwell: [],
        failed: [],
      })
      expect(await project.states()).toEqual(AS_BEFORE)
      expect(await project.left()).toEqual([])
      expect(await project.settle(later)).toEqual({ settled: [], unwell: [], failed: [] })
      await quiesced[Symbol.asyncDispose]()
    },
  )

  it.concurrent('is settled after a reboot, and one that was being stopped runs again', async () => {
    await using project = await Project.up('dash with GNU tools', { appGrace: '3s' })
    const host = project.lab.host()
    const cut = project.quiesce(host, STOP).catch(() => undefined)
    while (!(await project.get('app', '{{.HostConfig.RestartPolicy.Name}}')).startsWith('no')) await sleep(50)
    await crash(host, processesOf(host))
    await cut
    await using later = project.lab.host()
    expect((await project.settle(later)).failed).toEqual([])
    // As long as a stop that was left to itself would have taken.
    await sleep(3500)
    expect(await project.states()).toEqual(AS_BEFORE)
  })

  it.concurrent(
    'of a pull that runs is left alone, and waited for when its client has just gone',
    async () => {
      await using project = await Project.up()
      const host = project.lab.host()
      await project.quiesce(host, STOP)
      await using later = project.lab.host()
      const settling = project.settle(later)
      await sleep(1500)
      expect(await project.states()).toEqual(STOPPED)
      await host[Symbol.asyncDispose]()
      expect(await settling).toEqual({ settled: [], unwell: [], failed: [] })
      expect(await project.states()).toEqual(AS_BEFORE)
    },
  )

  it.concurrent('says what is not well when it runs again, and leaves it running', async () => {
    await using project = await Project.up()
    await using host = project.lab.host()
    await using quiesced = await project.quiesce(host, { how: 'stop', services: ['app'] })
    await run('rm', [join(project.lab.deployment, 'data/health')])
    expect(await quiesced.resume(quiet())).toEqual({ unwell: 'app is unhealthy' })
    expect(await project.states()).toEqual(AS_BEFORE)
    expect(await project.left()).toEqual([])
  })

  it('says what does not run again, and the next command tries it again', async () => {
    await using project = await Project.up()
    await using host = project.lab.host()
    {
      await using quiesced = await project.quiesce(host, PAUSE)
      await engine.stop()
      await expect(quiesced.resume(quiet())).rejects.toMatchObject({
        code: 'hold-resume',
        message: expect.stringContaining('is still paused'),
      })
    }
    await engine.start()
    expect((await project.settle(host)).failed).toEqual([])
    expect(await project.states()).toEqual(AS_BEFORE)
    expect(await project.left()).toEqual([])
  })

  it.concurrent(
    'leaves alone what somebody else has paused, and all but one of a service that did not run',
    async () => {
      await using project = await Project.up()
      await engine.compose(project.lab.deployment, 'up', '-d', '--no-recreate', '--scale', 'app=3', 'app')
      await engine.docker('stop', `${project.name}_app_2`)
      await engine.pause(`${project.name}_redis_1`)
      await using host = project.lab.host()
      const status = async () =>
        Promise.all(
          ['app_1', 'app_2', 'app_3', 'redis_1'].map((name) =>
            engine.docker('inspect', '--format', '{{.State.Status}}', `${project.name}_${name}`),
          ),
        )
      {
        await using quiesced = await project.quiesce(host, PAUSE)
        expect(await status()).toEqual(['paused', 'exited', 'paused', 'paused'])
        await quiesced.resume(quiet())
      }
      expect(await status()).toEqual(['running', 'exited', 'running', 'paused'])
      {
        await using quiesced = await project.quiesce(host, { how: 'stop', services: ['app'] })
        expect(await status()).toEqual(['exited', 'exited', 'exited', 'paused'])
        await quiesced.resume(quiet())
      }
      expect(await status()).toEqual(['running', 'exited', 'running', 'paused'])
      await engine.docker('unpause', `${project.name}_redis_1`)
    },
  )

  /** Before Docker's own client: a pause of that service says that its cgroup does not freeze, so many times. */
  const stubborn = async (project: Project, service: string, times: number): Promise<LocalHost> => {
    const tools = join(project.lab.root, 'stubborn')
    await mkdir(tools)
    const id = await project.get(service, '{{.Id}}')
    const script = `#!/bin/sh
if [ "$1" = pause ] && [ "$3" = ${id} ] && [ "$(wc -l 2>/dev/null <'${tools}/tries' || echo 0)" -lt ${times} ]; then
  echo try >>'${tools}/tries'
  echo "Error response from daemon: Cannot pause container $3: OCI runtime pause failed: unable to freeze: unknown" >&2
  exit 1
fi
exec /usr/bin/docker "$@"
`
    await writeFile(join(tools, 'docker'), script, { mode: 0o755 })
    return new LocalHost({ path: `${tools}:${process.env['PATH'] ?? ''}` })
  }

  it.concurrent('tries again when a cgroup does not freeze at once', async () => {
    await using project = await Project.up()
    await using host = await stubborn(project, 'app', 2)
    await using quiesced = await project.quiesce(host, PAUSE)
    expect(await project.states()).toEqual(PAUSED)
    expect(await quiesced.resume(quiet())).toEqual({ unwell: undefined })
    expect(await project.states()).toEqual(AS_BEFORE)
  })

  it.concurrent('is refused when a cgroup never freezes, and all runs on', async () => {
    await using project = await Project.up()
    await using host = await stubborn(project, 'redis', 100)
    await expect(project.quiesce(host, PAUSE)).rejects.toMatchObject({
      message: expect.stringContaining('unable to freeze'),
    })
    expect(await project.states()).toEqual(AS_BEFORE)
    expect(await project.left()).toEqual([])
    expect(await readFile(join(project.lab.root, 'stubborn/tries'), 'utf8')).toBe('try\n'.repeat(5))
  })

  it.concurrent('is refused in words when nothing can be noted, before anything is stopped', async () => {
    await using project = await Project.up()
    await project.lab.mount(join(project.lab.deployment, '.relay-backup'), '64k')
    await writeFile(join(project.lab.deployment, '.relay-backup/full'), Buffer.alloc(60_000)).catch(
      () => undefined,
    )
    await using host = project.lab.host()
    await expect(project.quiesce(host, STOP)).rejects.toMatchObject({
      code: 'hold-refused',
      message: expect.stringMatching(/is the disk full\?|No space left/),
    })
    expect(await project.states()).toEqual(AS_BEFORE)
  })

  it.concurrent('is refused for a service that is not there, with the one that was meant', async () => {
    await using project = await Project.up()
    await using host = project.lab.host()
    await expect(project.quiesce(host, { how: 'stop', services: ['apt'] })).rejects.toMatchObject({
      code: 'service-unknown',
      message: expect.stringContaining('did you mean app?'),
    })
  })
})
