import { didYouMean } from '../model/nearest.ts'
import { SourceError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import type { HostProbe } from '../remote/contract.ts'
import { kindOf } from '../sources/registry.ts'

/** What a pull of one host captures. */
export interface SourceSelection {
  /** To be captured, in the config's order. */
  readonly sources: readonly SourceConfig[]
  /** Every configured source is among them. */
  readonly everything: boolean
}

/** The first path component of each default source: what the probe is asked about. */
export function namesToProbe(host: HostConfig): string[] {
  return host.sourcesByDefault ? host.sources.flatMap(pathsOf) : []
}

/**
 * The sources to capture: all that are configured, or those asked for. When the config names none, the default
 * ones that exist on the server. Throws SourceError when one that was asked for, or every default one, is not there.
 */
export function selectSources(
  host: HostConfig,
  asked: readonly string[] | undefined,
  existing: HostProbe['existing'],
): SourceSelection {
  const configured = host.sourcesByDefault ? existingDefaults(host, existing) : host.sources
  if (configured.length === 0) {
    throw new SourceError('no-sources', `none of the default sources exists under ${host.deployment}`, {
      host: host.name,
      next: `Name what to back up under hosts.${host.name}.sources in the config, or correct hosts.${host.name}.deployment.`,
    })
  }
  if (asked === undefined || asked.length === 0) return { sources: configured, everything: true }
  for (const name of asked) {
    if (!configured.some((source) => source.name === name)) throw absentSource(host, name, configured)
  }
  const sources = configured.filter((source) => asked.includes(source.name))
  return { sources, everything: sources.length === configured.length }
}

function existingDefaults(host: HostConfig, existing: ReadonlySet<string>): SourceConfig[] {
  return host.sources.flatMap((source): SourceConfig[] => {
    const kind = kindOf(source.kind)
    const paths = kind.paths(source).filter((path) => existing.has(path))
    return paths.length === 0 ? [] : [kind.movedTo(source, paths)]
  })
}

function pathsOf(source: SourceConfig): readonly string[] {
  return kindOf(source.kind).paths(source)
}

function absentSource(host: HostConfig, name: string, there: readonly SourceConfig[]): SourceError {
  return new SourceError('no-source', `${host.name} has no source ${name}`, {
    host: host.name,
    next: `${didYouMean(
      name,
      there.map((source) => source.name),
    )}Its sources are: ${there.map((source) => source.name).join(', ')}`,
  })
}
