import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { LabDocker } from './docker.ts'
import { writeDockerDeployment } from './docker-deployment.ts'
import { letEveryoneIn } from './temp.ts'
import type { World } from './world.ts'

/**
 * A Compose app of its own beside the world's deployment, where no other Redis has its data: writes it, starts
 * `services`, and makes it the deployment of the config's host `prod`, with Redis and the config as its sources. The
 * config is not written yet; `stack` takes the app down.
 */
export async function startComposeApp(
  { world, engine, stack }: { world: World; engine: LabDocker; stack: AsyncDisposableStack },
  project: string,
  services: readonly string[] = ['redis', 'app'],
): Promise<string> {
  const deployment = join(dirname(world.deployment), project)
  await mkdir(deployment)
  await letEveryoneIn(deployment)
  await writeDockerDeployment(deployment, { project })
  await engine.compose(deployment, 'up', '-d', ...services)
  stack.defer(async () => void (await engine.compose(deployment, 'down', '-v', '-t', '1')))
  world.config.hosts['prod'] = {
    ...world.config.hosts['prod']!,
    deployment,
    services: { manager: 'compose', data: ['redis'] },
    sources: {
      redis_data: { kind: 'redis', path: 'redis_data', service: 'redis' },
      config: { kind: 'files', paths: ['.env', 'docker-compose.yml'] },
    },
  }
  return deployment
}
