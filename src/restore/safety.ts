import { isOutOfReach, RelayError, SourceError } from '../errors.ts'
import type { SourceConfig } from '../model/config.ts'
import { unreadCount } from '../model/snapshot.ts'
import type { RestorePlan } from '../model/restore-report.ts'
import { asFull } from '../pull/capture-type.ts'
import { takeSnapshot } from '../pull/pull-host.ts'
import { kindOf } from '../sources/registry.ts'
import type { RestoreRun } from './restore-run.ts'
import { isInside } from './contents.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { replacesByLoad } from './load.ts'
import type { SourceToRestore } from './plan.ts'

/**
 * A snapshot of what is there and is replaced, so that nothing of it can be lost. Returns its id; undefined where
 * there is nothing. Throws RelayError `safety-failed` when it can't be made.
 */
export async function safetyCopy(
  { request, plan, sources, place, lock, log }: RestoreRun,
  { pull }: RestoreDependencies,
): Promise<string | undefined> {
  const { host, launch } = request
  if (!plan.safety || lock === undefined) return undefined
  log.step('taking a safety snapshot of what will be replaced')
  const { deployment, signal } = place
  const selection = { sources: replacedSources(plan, sources, deployment), everything: false }
  const fails = (error: RelayError | undefined, source?: string) => {
    const steps = [error?.details.next, withoutSafety(launch !== undefined)]
    return new RelayError(
      'safety-failed',
      `the safety snapshot failed: ${error?.message ?? 'nothing was captured'}`,
      {
        host: host.name,
        source,
        stderr: error?.details.stderr,
        next: steps.flatMap((step) => step?.replace(/\.?$/, '.') ?? []).join(' '),
        cause: error,
      },
    )
  }
  const saved = { lock, selection, purpose: 'safety' } as const
  const taken = await takeSnapshot(place, saved, pull).catch((error: unknown) => {
    const concerns = error instanceof RelayError && !signal.aborted && !isOutOfReach(error)
    throw concerns ? fails(error) : error
  })
  // A restore starts what ran before it, so a service that does not run here would stay down.
  const held = taken.findings.find((finding) => finding.outcome === 'failed')
  if (held !== undefined)
    throw new RelayError('services-held', held.message, { host: host.name, next: held.next })
  const failed = taken.sources.find((source) => source.outcome === 'failed')
  const unread = taken.sources.find((source) => unreadCount(source) > 0)
  if (failed === undefined && unread !== undefined)
    throw fails(new SourceError('unreadable', `some of ${unread.source} can't be read`), unread.source)
  if (failed === undefined && taken.snapshot !== undefined) return taken.snapshot.id
  if (isOutOfReach(failed?.error)) throw failed.error
  throw fails(failed?.error, failed?.source)
}

/** What to do where no safety snapshot can be made; only a restore can go without. */
function withoutSafety(migrates: boolean): string {
  return migrates
    ? 'Nothing was replaced. If what is there now can be given up, move it away by hand, then migrate again.'
    : 'Nothing was replaced. If what is there now can be given up, restore with --no-safety.'
}

/**
 * The target's sources with only those of their paths that hold something which is replaced. A path that the target
 * does not have configured is one of the snapshot, and is saved as well.
 */
export function replacedSources(
  plan: Pick<RestorePlan, 'units'>,
  sources: readonly Pick<SourceToRestore, 'source' | 'config' | 'wanted' | 'loads'>[],
  deployment: string,
): SourceConfig[] {
  return sources.flatMap(({ source, config, wanted, loads }): SourceConfig[] => {
    if (replacesByLoad(loads)) return [asFull(config)]
    const members = new Set(
      plan.units
        .filter((unit) => unit.source === source.name && unit.exists && !unit.empty)
        .map((unit) => unit.member),
    )
    if (members.size === 0) return []
    const kind = kindOf(config.kind)
    if (kind.ofPaths === undefined) return [config]
    const configured = kind.paths(config)
    const replaced = wanted.filter(({ member }) => members.has(member)).map(({ target }) => target)
    const paths = replaced.map((target) => {
      const own = configured.find((path) => isInside(target, absolute(path, deployment)))
      return own ?? relative(target, deployment)
    })
    return [kind.movedTo(config, [...new Set(paths)])]
  })
}

function absolute(path: string, deployment: string): string {
  return path.startsWith('/') ? path : `${deployment}/${path}`
}

function relative(path: string, deployment: string): string {
  return path.startsWith(`${deployment}/`) ? path.slice(deployment.length + 1) : path
}
