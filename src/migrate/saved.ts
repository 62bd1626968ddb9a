import { SourceError } from '../errors.ts'
import type { RedisFacts } from '../model/facts.ts'
import { listJournals } from '../restore/server/journals.ts'
import type { Snapshot } from '../vault/contract.ts'
import type { Journey } from './journey.ts'

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
  const { journals } = await listJournals(from.remote, {
    deployment: from.deployment,
    privilege: from.chosen.privilege,
    signal,
  })
  const begun = journals.find(({ id }) => id === plan.id)?.begunAt
  const seconds = (begun ?? new Date()).getTime() / 1000
  for (const source of unsaved(running, stopped, seconds)) {
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

/** Sources that ran at the first pull and whose files are older than their stop, in seconds since the epoch. */
export function unsaved(running: Snapshot, stopped: Snapshot, seconds: number): string[] {
  return stopped.manifest.sources
    .filter(({ name, facts }) => {
      const before = running.manifest.sources.find((source) => source.name === name)?.facts
      if (before?.kind !== 'redis' || before.stopped || facts.kind !== 'redis' || !facts.stopped) return false
      return !isSaved(before, facts, seconds)
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
