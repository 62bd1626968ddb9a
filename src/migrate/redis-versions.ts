import type { SourceConfig } from '../model/config.ts'
import { versionOfBinary, type ServerVersion } from '../model/redis-version.ts'
import type { ContainerLook } from '../services/contract.ts'
import { configuredPrivilege, type Visit } from '../runs/visit.ts'
import type { MachineLook } from './look.ts'

/** What Redis a source has on both servers; undefined where that could not be found out. */
export interface RedisVersions {
  readonly source: string
  readonly from: ServerVersion | undefined
  readonly to: ServerVersion | undefined
}

interface RedisSide extends Pick<Visit, 'host' | 'remote'> {
  readonly machine: MachineLook
}

/** Of every Redis source: that of its container's image, else the server's own. Throws RemoteError. */
export async function lookAtRedis(
  sources: readonly SourceConfig[],
  sides: { readonly from: RedisSide; readonly to: RedisSide },
  /** FROM's, and the ids of their images on TO. */
  containers: readonly ContainerLook[],
  images: ReadonlyMap<string, string | undefined>,
  signal: AbortSignal,
): Promise<readonly RedisVersions[]> {
  const found: RedisVersions[] = []
  for (const source of sources) {
    if (source.kind !== 'redis') continue
    const container = containerOf(source.at, containers)
    if (container === undefined) {
      found.push({ source: source.name, from: sides.from.machine.redis, to: sides.to.machine.redis })
      continue
    }
    const image = images.get(container.image)
    const from = await imageVersion(sides.from, container.imageId, signal)
    const isSame = image === container.imageId
    const to = isSame || image === undefined ? undefined : await imageVersion(sides.to, image, signal)
    found.push({ source: source.name, from, to: isSame ? from : to })
  }
  return found
}

function containerOf(
  at: Extract<SourceConfig, { readonly kind: 'redis' }>['at'],
  containers: readonly ContainerLook[],
): ContainerLook | undefined {
  if ('service' in at) return containers.find(({ compose }) => compose?.service === at.service)
  return 'container' in at ? containers.find(({ name }) => name === at.container) : undefined
}

async function imageVersion(
  { host, remote }: RedisSide,
  image: string,
  signal: AbortSignal,
): Promise<ServerVersion | undefined> {
  const title = 'asking the image of Redis for its version'
  const result = await remote.run(
    {
      script: 'sources/redis/image',
      patience: 'list',
      args: [image],
      privilege: configuredPrivilege(host),
      title,
    },
    { signal },
  )
  return versionOfBinary(result.stdout.toString('utf8'))
}
