import { SourceError } from '../errors.ts'
import type { RedisFacts } from '../model/facts.ts'
import type { Finding } from '../model/finding.ts'
import { listJournals } from '../restore/server/journals.ts'
import type { Snapshot } from '../vault/contract.ts'
import type { Journey } from './journey.ts'

/**
 * Every Redis of it keeps what it acknowledges in an AOF, so what lies on the disk after its stop is all of it: by then a
 * pull of the running one adds nothing.
 */
export function savesAtStop({ manifest }: Pick<Snapshot, 'manifest'>): boolean {
  return manifest.sources.every(
    ({ facts }) => facts.kind !== 'redis' || facts.stopped || facts.settings['appendonly'] === 'yes',
  )
}

/**
 * What was captured of a Redis that was stopped with everything else must have been written by its stop: a Redis that
 * is stopped without saving loses what came since its last save. Throws SourceError.
 */
export async function insistOnSaved(
  { from, plan }: Journey,
  running: Snapshot,
  stopped: Snapshot,
  signal: AbortSignal,
): Promise<void> {
  if (unsaved(running, stopped, () => Infinity).length === 0) return
  const { journals } = await listJournals(from.remote, { ...from, signal })
  const begun = journals.find(({ id }) => id === plan.id)?.begunAt
  const seconds = (begun ?? new Date()).getTime() / 1000
  for (const source of unsaved(running, stopped, () => seconds)) {
    throw new SourceError(
      'redis-not-saved',
      `Redis of ${source} on ${plan.from} was stopped without saving, so what was written last is not in its files`,
      {
        host: plan.from,
        source,
        next: `Let hosts.${plan.from}.services.stop save it: redis-cli shutdown save – or turn its AOF on.`,
      },
    )
  }
}

/**
 * What lies on FROM's disk after its stop holds what was written between the last pull and the stop, too, by whoever
 * is none of its services: the snapshot to go on with. A Redis that did not save at its stop has less there than was
 * pulled while it ran; then that is it, and a finding says what may be missing.
 */
export function withLateWrites(
  { plan }: Pick<Journey, 'plan'>,
  running: Snapshot,
  stopped: Snapshot,
): LastPull {
  const sources = unsaved(running, stopped, ({ lastSave }) => (lastSave ?? 0) + 1)
  if (sources.length === 0) return { snapshot: withSettings(stopped, running), findings: [] }
  return {
    snapshot: running,
    findings: [
      {
        check: 'late-writes',
        outcome: 'warning',
        message: `Redis of ${sources.join(', ')} on ${plan.from} did not save when it stopped: what others than its services wrote behind the last pull would be missing on ${plan.to}`,
        next: 'See that nobody else wrote to it in those seconds, or turn its AOF on before it is moved.',
      },
    ],
  }
}

/** What TO is to serve with. */
export interface LastPull {
  readonly snapshot: Snapshot
  readonly findings: readonly Finding[]
}

/** Sources that ran at an earlier pull and whose files are older than `since`, in seconds since the epoch. */
export function unsaved(
  running: Snapshot,
  stopped: Snapshot,
  since: (running: RedisFacts) => number,
): string[] {
  return stopped.manifest.sources
    .filter(({ name, facts }) => {
      const before = running.manifest.sources.find((source) => source.name === name)?.facts
      if (before?.kind !== 'redis' || before.stopped || facts.kind !== 'redis' || !facts.stopped) return false
      return !isSaved(before, facts, since(before))
    })
    .map(({ name }) => name)
}

/** An AOF holds every write that was acknowledged, and an RDB is taken instead only if it is newer than all of it. */
function isSaved(before: RedisFacts, { loads, aof, lastSave }: RedisFacts, seconds: number): boolean {
  if (before.settings['appendonly'] === 'yes' && aof !== undefined) return true
  return loads === 'rdb' && lastSave !== undefined && lastSave >= Math.floor(seconds)
}

/**
 * A Redis that is stopped tells no settings, and which of its files was written last does not say how it starts: what
 * it said while it ran does.
 */
export function withSettings(stopped: Snapshot, running: Snapshot): Snapshot {
  const sources = stopped.manifest.sources.map((source) => {
    const { facts } = source
    const before = running.manifest.sources.find(({ name }) => name === source.name)?.facts
    if (facts.kind !== 'redis' || before?.kind !== 'redis' || !facts.stopped || before.stopped) return source
    return { ...source, facts: { ...facts, settings: { ...before.settings, ...facts.settings } } }
  })
  return { ...stopped, manifest: { ...stopped.manifest, sources } }
}
