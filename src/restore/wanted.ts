import { didYouMean } from '../model/nearest.ts'
import { SourceError, UsageError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import type { ManifestSource } from '../model/snapshot.ts'
import type { MatchKey } from '../sources/kind.ts'
import { kindOf } from '../sources/registry.ts'
import type { Snapshot } from '../vault/contract.ts'
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

/** Parses `users:email` or `app.public.users:country,number` of `--match`. Throws UsageError. */
export function parseMatchKey(text: string): MatchKey {
  const colon = text.lastIndexOf(':')
  const [table, columns] = [text.slice(0, colon), text.slice(colon + 1).split(',')]
  if (colon <= 0 || columns.some((column) => column === '')) {
    throw new UsageError(`--match ${text}: not understood`, {
      next: 'Write a table and the columns of one of its unique keys: users:email',
    })
  }
  return { table, columns }
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
        next: `${didYouMean(
          name,
          sources.map((source) => source.name),
        )}It has: ${sources.map((source) => source.name).join(', ')}`,
      })
    }
  }
  return names.length === 0 ? [...sources] : sources.filter((source) => names.includes(source.name))
}

/**
 * The configuration of a source on the target. A source that the target's config does not have is taken as the snapshot
 * has it. With `ownPaths` the paths are the snapshot's in any case. Throws SourceError when the target's config gives the
 * source another kind, and when it lacks a source whose kind needs more than paths.
 */
export function targetConfig(
  source: ManifestSource,
  name: string,
  paths: readonly string[],
  target: HostConfig,
  ownPaths: boolean,
): SourceConfig {
  const kind = kindOf(source.kind)
  const config = target.sources.find((one) => one.name === name)
  if (config?.kind === source.kind) return ownPaths ? kind.movedTo(config, paths) : config
  // A default source is nobody's decision.
  if (config !== undefined && !target.sourcesByDefault) {
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
  const made = kind.ofPaths?.(source.name, paths)
  if (made !== undefined) return made
  throw new SourceError(
    'not-configured',
    `${target.name} has no source ${source.name}, so its ${kind.title} can't be found`,
    {
      host: target.name,
      source: source.name,
      next: `Add hosts.${target.name}.sources.${source.name} to the config.`,
    },
  )
}

/**
 * The paths of a snapshot count, and not those of the target's config: where that names no sources, so that its
 * defaults are a guess, and for what a restore has saved there, which goes back to where it was.
 */
export function hasOwnPaths(snapshot: Pick<Snapshot, 'host' | 'manifest'>, target: HostConfig): boolean {
  const { manifest, host } = snapshot
  return target.sourcesByDefault || (manifest.purpose === 'safety' && host === target.name)
}

/** What `--path` is refused with for a source whose data is no files. */
export function wholeOnly({ name, kind }: Pick<ManifestSource, 'name' | 'kind'>): UsageError {
  return new UsageError(`--path ${name}:…: a ${kindOf(kind).title} source is restored as a whole`, {
    source: name,
    next: `Use --source ${name}`,
  })
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
  const kind = kindOf(config.kind)
  const targets = kind.paths(config)
  const roots = paths
    .filter((path) => !paths.some((other) => other !== path && path.startsWith(`${other}/`)))
    .map((path) => ({
      member: memberOf(path),
      target: absolute(paths.length === 1 && targets.length === 1 ? (targets[0] ?? path) : path, deployment),
    }))
  if (selected === undefined || kind.partsOf !== undefined)
    return roots.map((root) => ({ source, config, ...root }))
  if (kind.isWhole === true) throw wholeOnly(source)
  return selected.map((member) => {
    const root = roots.find((one) => isInside(member, one.member))
    if (root === undefined) {
      throw new UsageError(`${member} is not inside ${source.name}`, {
        source: source.name,
        next: `${didYouMean(
          member,
          roots.map((one) => one.member),
        )}Its paths are: ${roots.map((one) => one.member).join(', ')}`,
      })
    }
    return { source, config, member, target: `${root.target}${member.slice(root.member.length)}` }
  })
}

function absolute(path: string, deployment: string): string {
  return path.startsWith('/') ? path : `${deployment}/${path}`
}
