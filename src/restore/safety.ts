import { RelayError } from '../errors.ts'
import { takeSnapshot } from '../pull/pull-host.ts'
import type { Carried } from './carried.ts'
import type { RestoreDependencies } from './dependencies.ts'

/** A snapshot of what is replaced, so that nothing of it can be lost. Returns its id. */
export async function safetyCopy(
  { request, plan, connected, lock, diary }: Carried,
  { pull }: RestoreDependencies,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { host } = request
  if (!plan.safety || lock === undefined) return undefined
  const replaced = new Set(plan.units.filter((unit) => unit.exists).map((unit) => unit.source))
  const sources = host.sources.filter((source) => replaced.has(source.name))
  if (sources.length === 0) return undefined
  diary.step('taking a safety snapshot of what will be replaced')
  const selection = { sources, everything: false }
  const { remote, probe } = connected
  const taken = await takeSnapshot({ host, remote, probe, lock, selection, purpose: 'safety' }, pull, signal)
  // A restore starts what ran before it: what does not run by now would stay down.
  const held = taken.findings.find((finding) => finding.outcome === 'failed')
  if (held !== undefined)
    throw new RelayError('services-held', held.message, { host: host.name, next: held.next })
  const failed = taken.sources.find((source) => source.outcome === 'failed')
  if (failed === undefined && taken.snapshot !== undefined) return taken.snapshot.id
  throw new RelayError(
    'safety-failed',
    `the safety snapshot failed: ${failed?.error?.message ?? 'nothing was captured'}`,
    {
      host: host.name,
      source: failed?.source,
      next: 'Nothing was replaced. If what is there now can be given up, restore with --no-safety.',
    },
  )
}
