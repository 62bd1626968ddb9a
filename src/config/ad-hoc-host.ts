import { UsageError } from '../errors.ts'
import type { Config, HostConfig } from '../model/config.ts'
import { parseTarget } from '../model/target.ts'
import { DEFAULT_SOURCES } from '../sources/registry.ts'
import { DEFAULT_DEPLOYMENT } from './default-deployment.ts'
import { deploymentProblem, normaliseRemotePath } from './remote-path.ts'

/**
 * A host that the config does not name, `user@address[:port]`, with the default sources and the config's
 * global settings. Its name is the text as typed.
 *
 * @throws UsageError when it is no such target or the deployment is no usable path.
 */
export function adHocHost(
  target: string,
  config: Pick<Config, 'retention' | 'compression' | 'fullEvery' | 'runTimeout'>,
  options: { readonly deployment?: string | undefined } = {},
): HostConfig {
  const parsed = parseTarget(target)
  if (parsed === undefined)
    throw new UsageError('Not an SSH target', { host: target, next: 'Write user@host or user@host:port' })
  const deployment = options.deployment ?? DEFAULT_DEPLOYMENT
  const problem = deploymentProblem(deployment)
  if (problem !== undefined)
    throw new UsageError(`The deployment ${problem}`, { host: target, next: 'Write it as /srv/app or ~/app' })
  return {
    name: target,
    ssh: parsed,
    deployment: normaliseRemotePath(deployment),
    sudo: false,
    tags: [],
    retention: config.retention,
    compression: config.compression,
    fullEvery: config.fullEvery,
    runTimeout: config.runTimeout,
    services: { manager: 'none' },
    sources: DEFAULT_SOURCES,
    sourcesByDefault: true,
    adHoc: true,
  }
}

/**
 * The other server of a migration where the config does not name it: all that the config says of the one holds there,
 * too. Of its health URL only one on the server itself does: any other might be answered by the other server.
 */
export function adHocTwin({ name, ssh, retention }: HostConfig, of: HostConfig): HostConfig {
  const { health, ...services } = of.services
  return {
    ...of,
    name,
    ssh,
    retention,
    tags: [],
    lives: undefined,
    adHoc: true,
    services: health !== undefined && isLoopback(new URL(health.url)) ? of.services : services,
  }
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
}
