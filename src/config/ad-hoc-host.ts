import { UsageError } from '../errors.ts'
import type { Config, HostConfig } from '../model/config.ts'
import { parseTarget } from '../model/target.ts'
import { DEFAULT_DEPLOYMENT, DEFAULT_SOURCES } from './default-sources.ts'
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
  }
}
