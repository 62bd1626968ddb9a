import { UsageError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import { didYouMean } from '../model/nearest.ts'
import type { ManifestSource } from '../model/snapshot.ts'
import { kindOf } from '../sources/registry.ts'

/** What is restored is to lie beside what is live: `--target` is no source of the host. */
export function isBeside({
  host,
  target,
}: {
  readonly host: Pick<HostConfig, 'sources'>
  readonly target?: string | undefined
}): boolean {
  return target !== undefined && !host.sources.some(({ name }) => name === target)
}

/**
 * The target's source with its data under another name. Throws UsageError for a kind that can't be put beside what is live,
 * and for a name that its data can't have.
 */
export function besideConfig(
  source: Pick<ManifestSource, 'name' | 'kind'>,
  config: SourceConfig,
  host: Pick<HostConfig, 'name' | 'sources'>,
  target: string,
): SourceConfig {
  const { beside } = kindOf(source.kind)
  if (beside !== undefined) return beside(config, target)
  const names = host.sources.map(({ name }) => name)
  throw new UsageError(`${host.name} has no source ${target}`, {
    host: host.name,
    next: `${didYouMean(target, names)}Its sources are: ${names.join(', ')}`,
  })
}
