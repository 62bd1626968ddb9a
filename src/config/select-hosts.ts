import { UsageError } from '../errors.ts'
import type { Config, HostConfig } from '../model/config.ts'
import { adHocHost } from './ad-hoc-host.ts'
import { didYouMean } from '../model/nearest.ts'

export interface HostSelection {
  /** Configured names, or ad-hoc targets with an `@`. */
  readonly names: readonly string[]
  /** Those of the names that are ad-hoc targets though they have no `@`: aliases of OpenSSH's config. */
  readonly adHoc?: readonly string[]
  /** Names that may have been meant, besides those of the config. */
  readonly alsoKnown?: readonly string[]
  readonly all?: boolean | undefined
  readonly tag?: string | undefined
  /** The deployment of ad-hoc targets. */
  readonly deployment?: string | undefined
}

/**
 * The hosts that a command line means, each once, in the order asked. Without any choice the only host is
 * meant; with several, that is a usage error that lists them.
 *
 * @throws UsageError
 */
export function selectHosts(config: Config, selection: HostSelection): readonly HostConfig[] {
  const { names, all = false, tag } = selection
  if ([names.length > 0, all, tag !== undefined].filter(Boolean).length > 1)
    throw new UsageError('Host names, --all and --tag exclude each other', { next: 'Use one of them' })
  if (all) return config.hosts
  if (tag !== undefined) return taggedHosts(config, tag)
  if (names.length === 0) return onlyHost(config)
  return [...new Set(names)].map((name) => namedHost(config, name, selection))
}

/**
 * Refuses names of sources that none of these hosts has, before anything is tried.
 *
 * @throws UsageError
 */
export function requireKnownSources(hosts: readonly HostConfig[], asked: readonly string[]): void {
  const known = [...new Set(hosts.flatMap((host) => host.sources.map((source) => source.name)))]
  for (const name of asked) {
    if (known.includes(name)) continue
    throw new UsageError(`Unknown source "${name}"`, {
      next: `${didYouMean(name, known)}Configured: ${known.join(', ')}`,
    })
  }
}

function namedHost(config: Config, name: string, selection: HostSelection): HostConfig {
  const { deployment, adHoc = [], alsoKnown = [] } = selection
  const host = config.hosts.find((candidate) => candidate.name === name)
  if (host !== undefined) return host
  if (name.includes('@') || adHoc.includes(name)) return adHocHost(name, config, { deployment })
  const known = config.hosts.map((candidate) => candidate.name)
  throw new UsageError(`Unknown host "${name}"`, {
    next: `${didYouMean(name, [...known, ...alsoKnown])}Configured: ${known.join(', ')}`,
  })
}

function taggedHosts(config: Config, tag: string): readonly HostConfig[] {
  const hosts = config.hosts.filter((host) => host.tags.includes(tag))
  if (hosts.length > 0) return hosts
  const known = [...new Set(config.hosts.flatMap((host) => host.tags))]
  throw new UsageError(`No host has the tag "${tag}"`, {
    next:
      known.length === 0
        ? `Give hosts tags in ${config.file}: tags: [${tag}]`
        : `${didYouMean(tag, known)}Tags: ${known.join(', ')}`,
  })
}

function onlyHost(config: Config): readonly HostConfig[] {
  if (config.hosts.length === 1) return config.hosts
  throw new UsageError(`Several hosts are configured: ${config.hosts.map((host) => host.name).join(', ')}`, {
    next: 'Name those you mean, or use --all or --tag',
  })
}
