import { SourceError } from '../errors.ts'
import type { Facts } from '../model/facts.ts'
import type { Finding } from '../model/finding.ts'
import { listJournals } from '../restore/server/journals.ts'
import type { KindEngine } from '../sources/kind.ts'
import { findKind } from '../sources/registry.ts'
import type { Snapshot } from '../vault/contract.ts'
import type { MigrationRun } from './migration-run.ts'

/**
 * Every server of data keeps on its disk what it acknowledges, so what lies there after its stop is all of it: by then a
 * pull of the running one adds nothing.
 */
export function savesAtStop({ manifest }: Pick<Snapshot, 'manifest'>): boolean {
  return manifest.sources.every(({ facts }) => findKind(facts.kind)?.engine?.isDurable(facts) ?? true)
}

/**
 * Makes sure that every server of data wrote its data down when it was stopped: a server that stops without saving loses
 * what it was told since its last save. Throws SourceError.
 */
export async function insistOnSaved(
  { from, plan }: MigrationRun,
  running: Snapshot,
  stopped: Snapshot,
  signal: AbortSignal,
): Promise<void> {
  if (unsaved(running, stopped, () => Infinity).length === 0) return
  const { journals } = await listJournals(from.remote, { ...from, signal })
  const begun = journals.find(({ id }) => id === plan.id)?.begunAt
  const seconds = (begun ?? new Date()).getTime() / 1000
  for (const { source, title, engine } of unsaved(running, stopped, () => seconds)) {
    throw new SourceError(
      engine.unsaved.code,
      `${title} of ${source} on ${plan.from} was stopped without saving, so what was written last is not in its files`,
      { host: plan.from, source, next: engine.unsaved.next(plan.from) },
    )
  }
}

/**
 * Chooses the snapshot to go on with. The one that was taken after FROM's stop has more: also what others than FROM's
 * services wrote between the pull of the running server and the stop. Where a server of data did not save at its stop, that
 * one has less than the pull of the running server; then the pull is chosen, and a finding says what may be missing.
 */
export function withLateWrites(
  { plan }: Pick<MigrationRun, 'plan'>,
  running: Snapshot,
  stopped: Snapshot,
): LastPull {
  const lost = unsaved(running, stopped, (before, engine) => engine.savedAt(before) + 1)
  const [first] = lost
  if (first === undefined) return { snapshot: withSettings(stopped, running), findings: [] }
  return {
    snapshot: running,
    findings: [
      {
        check: 'late-writes',
        outcome: 'warning',
        message: `${first.title} of ${lost.map(({ source }) => source).join(', ')} on ${plan.from} did not save when it stopped: what others than its services wrote behind the last pull would be missing on ${plan.to}`,
        next: `See that nobody else wrote to it in those seconds, or ${first.engine.unsaved.durably} before it is moved.`,
      },
    ],
  }
}

/** What TO is to serve with. */
export interface LastPull {
  readonly snapshot: Snapshot
  readonly findings: readonly Finding[]
}

/** A source whose server did not save when it stopped. */
export interface Unsaved {
  readonly source: string
  readonly title: string
  readonly engine: KindEngine
}

/** Sources that ran at an earlier pull and whose files are older than `since`, in seconds since the epoch. */
export function unsaved(
  running: Snapshot,
  stopped: Snapshot,
  since: (running: Facts, engine: KindEngine) => number,
): Unsaved[] {
  return stopped.manifest.sources.flatMap((source): Unsaved[] => {
    const pair = stoppedSince(running, source)
    if (pair === undefined) return []
    const { before, engine, title } = pair
    const isSaved = engine.isSaved(before, source.facts, since(before, engine))
    return isSaved ? [] : [{ source: source.name, title, engine }]
  })
}

/** A server that is stopped tells less of itself than it did while it ran: both together say how it starts. */
export function withSettings(stopped: Snapshot, running: Snapshot): Snapshot {
  const sources = stopped.manifest.sources.map((source) => {
    const pair = stoppedSince(running, source)
    return pair === undefined ? source : { ...source, facts: pair.engine.withTold(source.facts, pair.before) }
  })
  return { ...stopped, manifest: { ...stopped.manifest, sources } }
}

/** What an earlier pull found of a source's server, which ran then and was stopped for this one. */
function stoppedSince(
  running: Snapshot,
  { name, facts }: Snapshot['manifest']['sources'][number],
): { readonly before: Facts; readonly engine: KindEngine; readonly title: string } | undefined {
  const before = running.manifest.sources.find((source) => source.name === name)?.facts
  const { title = '', engine, facts: judge } = findKind(facts.kind) ?? {}
  if (engine === undefined || before?.kind !== facts.kind) return undefined
  const wasRunning = (one: Facts): boolean => judge?.wasRunning?.(one) ?? true
  return wasRunning(before) && !wasRunning(facts) ? { before, engine, title } : undefined
}
