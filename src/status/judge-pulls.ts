import type { AlertsConfig } from '../model/config.ts'
import { isNarrow, type RunRecord } from '../model/run-record.ts'
import type { Trouble } from '../model/status-report.ts'
import { formatCount } from '../model/units.ts'
import { formatAge } from '../report/format.ts'
import type { Snapshot } from '../vault/contract.ts'

/** The pulls of a host that tell how its backups stand, oldest first. */
export interface JudgedPulls {
  /** Those that were asked for all of the host. */
  readonly whole: readonly RunRecord[]
  /** Of {@link whole}, how many since the last good one came to less. */
  readonly failuresInARow: number
  /** What was pulled by itself, and failed since it was last pulled well. */
  readonly parts: readonly FailingPart[]
}

/** A source, or what a pull of some type was asked for, that fails when it is pulled by itself. */
interface FailingPart {
  readonly name: string
  readonly inARow: number
  readonly last: RunRecord
}

/**
 * Sorts out the pulls of a history. One that a person stopped tells nothing. One that left out sources proves those
 * that it has, and nothing of the host.
 *
 * @param snapshots tell what a line of the history does not that an older version wrote
 */
export function judgePulls(runs: readonly RunRecord[], snapshots: readonly Snapshot[]): JudgedPulls {
  const completeOf = new Map(snapshots.map(({ id, manifest }) => [id, manifest.complete]))
  const whole: RunRecord[] = []
  const failing = new Map<string, FailingPart>()
  for (const run of runs) {
    if (run.operation !== 'pull' || run.outcome === 'interrupted') continue
    const complete = run.complete ?? completeOf.get(run.snapshot ?? '')
    const narrow = isNarrow({ ...run, complete })
    if (!narrow) whole.push(run)
    if (!narrow && isDone(run)) failing.clear()
    for (const { name, good } of partsOf(run)) {
      const before = failing.get(name)
      if (good) failing.delete(name)
      else if (narrow || before !== undefined)
        failing.set(name, { name, inARow: (before?.inARow ?? 0) + 1, last: run })
    }
  }
  const failuresInARow = whole.length - 1 - whole.findLastIndex(isDone)
  return { whole, failuresInARow, parts: [...failing.values()] }
}

/** Whether a run came to all that it was asked for. */
export const isDone = ({ outcome }: RunRecord) => outcome === 'done'

/** Each source of a pull, also those that it never came to. Schemas alone are not the source. */
function partsOf({ only, sources = [], outcome }: RunRecord): { name: string; good: boolean }[] {
  const type = only?.type === undefined || only.type === 'full' ? '' : ` (${only.type})`
  const known = sources.map((source) => ({ name: source.name, good: source.outcome === 'done' }))
  const asked = only?.sources ?? (only !== undefined && known.length === 0 ? ['all'] : [])
  const unknown = asked.filter((name) => !known.some((source) => source.name === name))
  const parts = [...known, ...unknown.map((name) => ({ name, good: outcome === 'done' }))]
  // What was pulled without a word about its sources went well for all of them.
  const all = only?.type !== undefined && outcome === 'done' ? [{ name: 'all', good: true }] : []
  return [...parts, ...all].map(({ name, good }) => ({ name: `${name}${type}`, good }))
}

/** That pulls of the host, or else of parts of it, fail; undefined when neither does. */
export function failingTrouble(
  host: string,
  { whole, failuresInARow, parts }: JudgedPulls,
  { afterFailures }: Pick<AlertsConfig, 'afterFailures'>,
  now: Date,
): Trouble | undefined {
  const age = ({ finishedAt }: RunRecord) => formatAge(now.getTime() - Date.parse(finishedAt))
  const last = whole.at(-1)
  if (last !== undefined && failuresInARow > 0 && failuresInARow >= afterFailures) {
    const many =
      failuresInARow === 1
        ? ''
        : `, ${formatCount(failuresInARow, 'pull')} in a row without a complete backup`
    return {
      code: 'failing',
      about: aboutRun(last),
      message: `the last pull, ${age(last)}, ${cameTo(last)}${many}`,
      next: `Find the cause with: relay-backup check ${host}; then pull again: relay-backup pull ${host}`,
    }
  }
  const failing = parts.filter(({ inARow }) => inARow >= afterFailures)
  const [first] = failing
  if (first === undefined) return undefined
  return {
    code: 'failing',
    about: failing.map((one) => `${one.name}: ${aboutRun(one.last)}`).join(', '),
    message: failing
      .map((one) => `the last pull of ${one.name}, ${age(one.last)}, ${cameTo(one.last)}`)
      .join('; '),
    next: `Find the cause with: relay-backup check ${host}; then pull again: relay-backup pull ${host}`,
  }
}

/** The same for two runs that ended alike. */
export function aboutRun({ outcome, error, sources = [], findings = [] }: Partial<RunRecord> = {}): string {
  const failed = sources.filter((source) => source.outcome !== 'done')
  return [
    outcome,
    error?.code,
    ...failed.map(({ name, code }) => `${name}=${code ?? ''}`),
    ...new Set(findings.map(({ check }) => check)),
  ]
    .filter((part) => part !== undefined)
    .join(' ')
}

/** What a run came to that came to less than was asked, as the end of a sentence. */
export function cameTo({ outcome, error, sources = [] }: RunRecord): string {
  if (outcome === 'lost') return 'was cut off'
  if (error !== undefined) return `failed: ${error.message}`
  const names = sources.filter((source) => source.outcome !== 'done').map(({ name }) => name)
  const which = names.length === 0 ? '' : `: ${names.join(', ')}`
  return outcome === 'partial' ? `was not complete${which}` : `failed${which}`
}
