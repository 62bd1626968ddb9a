import { RelayError } from '../errors.ts'
import type { Reporter } from '../report/contract.ts'
import { unreadCount, type Purpose } from '../model/snapshot.ts'
import type { CaptureTurn } from '../pull/capture-sources.ts'
import { takeSnapshot } from '../pull/pull-host.ts'
import { asType } from '../pull/capture-type.ts'
import { namesToProbe, selectSources } from '../pull/select-sources.ts'
import { lookAround } from '../runs/visit.ts'
import { allKinds } from '../sources/registry.ts'
import type { Snapshot } from '../vault/contract.ts'
import type { MigrateDependencies } from './dependencies.ts'
import type { MigrationRun } from './migration-run.ts'

/**
 * Takes a snapshot of all of FROM's sources. `stopped` says that its services were stopped for it, so that no finding need
 * report that. Throws RelayError when a source can't be captured, because TO would lack it.
 */
export async function takeWhole(
  { from, runs }: MigrationRun,
  {
    purpose,
    stopped,
    turn,
  }: { readonly purpose: Purpose; readonly stopped: boolean; readonly turn?: CaptureTurn | undefined },
  { restore }: MigrateDependencies,
  signal: AbortSignal,
): Promise<Snapshot> {
  const pull = stopped ? { ...restore.pull, reporter: withoutStopped(restore.pull.reporter) } : restore.pull
  const { host } = from
  const place = await lookAround({ ...from, signal }, { names: namesToProbe(host) }, pull)
  const { lock } = runs.from
  if (lock === undefined) throw new Error('a migration needs the lock of FROM')
  const selection = asType(host, selectSources(host, undefined, place.probe.existing), 'full')
  const taken = await takeSnapshot(place, { lock, selection, purpose, turn }, pull)
  const failed = taken.sources.find(({ outcome }) => outcome === 'failed')
  const unread = taken.sources.find((source) => unreadCount(source) > 0)
  if (failed === undefined && unread !== undefined)
    throw new RelayError(
      'migrate-pull',
      `some of ${unread.source} can't be read: it would not be on the other server`,
      {
        host: host.name,
        source: unread.source,
        next: `Let ${host.name}'s user read all of it, set hosts.${host.name}.sudo: true, or exclude it; then migrate again.`,
      },
    )
  if (failed === undefined && taken.snapshot !== undefined) return taken.snapshot
  throw new RelayError(
    'migrate-pull',
    `${failed?.source ?? host.name} can't be captured: ${failed?.error?.message ?? 'nothing was captured'}`,
    { host: host.name, source: failed?.source, next: failed?.error?.details.next ?? 'Migrate again.' },
  )
}

function withoutStopped(reporter: Reporter): Reporter {
  const codes = new Set(allKinds().flatMap(({ engine }) => engine?.stoppedCode ?? []))
  return {
    event: (event) => {
      if (event.type !== 'warning' || !codes.has(event.code)) reporter.event(event)
    },
  }
}
