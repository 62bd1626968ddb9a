import { SourceError, UsageError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import type { ManifestSource } from '../model/snapshot.ts'
import { isInside, memberOf } from './contents.ts'

/** A path of a snapshot and where it goes. */
export interface WantedPath {
  readonly source: ManifestSource
  /** The source as the target has it configured. */
  readonly config: SourceConfig
  /** Its name in the archive. */
  readonly member: string
  /** Absolute path on the target. */
  readonly target: string
}

/** `SOURCE:PATH` of `--path`. */
export interface PathSelection {
  readonly source: string
  readonly path: string
}

/** Parses `logs:logs/app.log`. Throws UsageError. */
export function parsePathSelection(text: string): PathSelection {
  const colon = text.indexOf(':')
  const [source, path] = [text.slice(0, colon), text.slice(colon + 1).replace(/\/+$/, '')]
  if (
    colon <= 0 ||
    path === '' ||
    path.startsWith('/') ||
    path.split('/').some((part) => part === '..' || part === '')
  ) {
    throw new UsageError(`--path ${text}: not understood`, { next: 'Write it like logs:logs/app.log' })
  }
  return { source, path }
}

/**
 * The sources of a snapshot that are restored: all of them, or those asked for. Throws UsageError for one that is
 * not in the snapshot: a restore insists on everything asked for.
 */
export function wantedSources(
  sources: readonly ManifestSource[],
  asked: { readonly sources?: readonly string[] | undefined; readonly paths: readonly PathSelection[] },
): ManifestSource[] {
  const names = [...(asked.sources ?? []), ...asked.paths.map((path) => path.source)]
  for (const name of names) {
    if (!sources.some((source) => source.name === name)) {
      throw new UsageError(`The snapshot has no source ${name}`, {
        next: `It has: ${sources.map((source) => source.name).join(', ')}`,
      })
    }
  }
  return names.length === 0 ? [...sources] : sources.filter((source) => names.includes(source.name))
}

/** How the target has a source configured; what it does not know is taken as the snapshot has it. */
export function targetConfig(
  source: ManifestSource,
  name: string,
  paths: readonly string[],
  target: HostConfig,
): SourceConfig {
  const config = target.sources.find((one) => one.name === name)
  if (config !== undefined) {
    if (config.kind === source.kind) return config
    throw new SourceError(
      'kind-differs',
      `it is ${source.kind} in the snapshot and ${config.kind} on ${target.name}`,
      {
        host: target.name,
        source: source.name,
        next: `Correct hosts.${target.name}.sources.${source.name} in the config.`,
      },
    )
  }
  if (source.kind === 'files') return { kind: 'files', name: source.name, paths, exclude: [] }
  throw new SourceError(
    'not-configured',
    `${target.name} has no source ${source.name}, so its ${source.kind === 'redis' ? 'Redis' : 'volume'} can't be found`,
    {
      host: target.name,
      source: source.name,
      next: `Add hosts.${target.name}.sources.${source.name} to the config.`,
    },
  )
}

/**
 * Where each path of a source goes. A source with one path goes where the target has it; with several, each goes
 * to the same path. `selected` are members asked for by `--path`, else everything.
 */
export function wantedPaths(
  source: ManifestSource,
  config: SourceConfig,
  paths: readonly string[],
  selected: readonly string[] | undefined,
  deployment: string,
): WantedPath[] {
  const targets = config.kind === 'redis' ? [config.path] : config.paths
  const roots = paths
    .filter((path) => !paths.some((other) => other !== path && path.startsWith(`${other}/`)))
    .map((path) => ({
      member: memberOf(path),
      target: absolute(paths.length === 1 && targets.length === 1 ? (targets[0] ?? path) : path, deployment),
    }))
  if (selected === undefined) return roots.map((root) => ({ source, config, ...root }))
  if (config.kind === 'redis') {
    throw new UsageError(`--path ${source.name}:…: a Redis source is restored as a whole`, {
      source: source.name,
      next: `Use --source ${source.name}`,
    })
  }
  return selected.map((member) => {
    const root = roots.find((one) => isInside(member, one.member))
    if (root === undefined) {
      throw new UsageError(`${member} is not inside ${source.name}`, {
        source: source.name,
        next: `Its paths are: ${roots.map((one) => one.member).join(', ')}`,
      })
    }
    return { source, config, member, target: `${root.target}${member.slice(root.member.length)}` }
  })
}

function absolute(path: string, deployment: string): string {
  return path.startsWith('/') ? path : `${deployment}/${path}`
}
