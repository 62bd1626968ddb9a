import { RelayError } from '../errors.ts'
import type { Reporter } from '../report/contract.ts'
import type { Purpose } from '../model/snapshot.ts'
import { takeSnapshot } from '../pull/pull-host.ts'
import { namesToProbe, selectSources } from '../pull/select-sources.ts'
import { lookAround } from '../runs/visit.ts'
import type { Snapshot } from '../vault/contract.ts'
import type { MigrateDependencies } from './dependencies.ts'
import type { Journey } from './journey.ts'

/**
 * A snapshot of all of FROM's sources. `held`: its services were stopped for it, so that is nothing to be told. Throws RelayError when one of them can't be captured: what is not in it would
 * not be on TO.
 */
export async function takeWhole(
  { from, runs }: Journey,
  { purpose, held }: { readonly purpose: Purpose; readonly held: boolean },
  { restore }: MigrateDependencies,
  signal: AbortSignal,
): Promise<Snapshot> {
  const pull = held ? { ...restore.pull, reporter: withoutStopped(restore.pull.reporter) } : restore.pull
  const { host } = from
  const place = await lookAround({ ...from, signal }, { names: namesToProbe(host) }, pull)
  const { lock } = runs.from
  if (lock === undefined) throw new Error('a migration needs the lock of FROM')
  const selection = selectSources(host, undefined, place.probe.existing)
  const taken = await takeSnapshot(place, { lock, selection, purpose }, pull)
  const failed = taken.sources.find(({ outcome }) => outcome === 'failed')
  if (failed === undefined && taken.snapshot !== undefined) return taken.snapshot
  throw new RelayError(
    'migrate-pull',
    `${failed?.source ?? host.name} can't be captured: ${failed?.error?.message ?? 'nothing was captured'}`,
    { host: host.name, source: failed?.source, next: failed?.error?.details.next ?? 'Migrate again.' },
  )
}

function withoutStopped(reporter: Reporter): Reporter {
  return {
    event: (event) => {
      if (event.type !== 'warning' || event.code !== 'redis-stopped') reporter.event(event)
    },
  }
}
