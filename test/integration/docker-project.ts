import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, vi } from 'vitest'
import { writeDockerDeployment } from '../lab/docker-deployment.ts'
import type { DockerDeploymentOptions } from '../lab/docker-deployment.ts'
import type { LabDocker } from '../lab/docker.ts'
import { RestoreLab } from './restore-scripts-lab.ts'
import type { Machine } from './restore-scripts-lab.ts'

const run = promisify(execFile)

/** A Compose project: redis (`unless-stopped`) and app (`always`) run, and `idle` does not. */
export class DockerProject implements AsyncDisposable {
  readonly lab: RestoreLab
  readonly name: string
  readonly #engine: LabDocker

  protected constructor(engine: LabDocker, lab: RestoreLab, name: string) {
    this.#engine = engine
    this.lab = lab
    this.name = name
  }

  /** A lab with such a project in its deployment, started. */
  protected static async start(
    engine: LabDocker,
    machine: Machine,
    name: string,
    options: DockerDeploymentOptions,
  ): Promise<RestoreLab> {
    const lab = await RestoreLab.make(machine)
    if (machine === 'busybox alone') {
      for (const tool of ['docker', 'docker-compose']) {
        await run('ln', ['-s', `/usr/bin/${tool}`, join(lab.root, 'tools', tool)])
      }
    }
    // The containers' user must get to the bind mounts.
    await run('chmod', ['755', lab.root])
    await writeDockerDeployment(lab.deployment, { project: name, checkedEvery: 1, ...options })
    await engine.compose(lab.deployment, 'up', '-d', 'redis', 'app')
    await engine.compose(lab.deployment, 'up', '--no-start', 'idle')
    return lab
  }

  get(service: string, format: string): Promise<string> {
    return this.#engine.docker('inspect', '--format', format, `${this.name}_${service}_1`)
  }

  /** The same of several services, by their names. */
  async each(services: readonly string[], format: string): Promise<Record<string, string>> {
    const entries = services.map(async (name) => [name, await this.get(name, format)] as const)
    return Object.fromEntries(await Promise.all(entries))
  }

  /** Docker says so with its own next check, which may come a second later than ours. */
  async becomes(service: string, health: string): Promise<void> {
    await vi.waitFor(async () => expect(await this.get(service, '{{.State.Health.Status}}')).toBe(health), {
      timeout: 30_000,
      interval: 100,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine.compose(this.lab.deployment, 'down', '-v', '-t', '0')
    await this.lab[Symbol.asyncDispose]()
  }
}
