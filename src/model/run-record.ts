import type { CaptureType } from './config.ts'

/** What can be a run. */
export const OPERATIONS = [
  'pull',
  'restore',
  'rollback',
  'migrate',
  'prune',
  'verify',
  'rekey',
  'clean',
  'notify',
] as const
export type Operation = (typeof OPERATIONS)[number]

/** How a run ends. `lost`: its process died; the next run that finds its begin says so. */
export const RUN_OUTCOMES = ['done', 'partial', 'failed', 'interrupted', 'lost'] as const
export type RunOutcome = (typeof RUN_OUTCOMES)[number]

/** What made a run begin: a person, a schedule by its name, or the daemon. */
export type RunTrigger = 'manual' | 'daemon' | `schedule:${string}`

/** What made a run begin, and for which schedule. */
export type RunCause = Pick<RunBegin, 'trigger' | 'schedule'>

/** A run as it is known when it begins. */
export interface RunBegin {
  /** Unique in its host's history. */
  readonly run: string
  /** ISO 8601, UTC, as all times here. */
  readonly at: string
  readonly operation: Operation
  readonly host: string
  readonly by: { readonly user: string; readonly machine: string; readonly pid: number }
  readonly trigger: RunTrigger
  /** Of a run of the daemon: the schedule's name. */
  readonly schedule?: string | undefined
  /** Of a pull that was asked for a part of its host: which sources, and whether for their schemas or data alone. */
  readonly only?: RunPart | undefined
  /** Of a restore: the snapshot that it puts back, `HOST/ID`. */
  readonly restores?: string | undefined
}

export interface RunPart {
  readonly sources?: readonly string[] | undefined
  readonly type?: CaptureType | undefined
}

/** What one source came to in a run. */
export interface RunSource {
  readonly name: string
  readonly outcome: 'done' | 'partial' | 'torn' | 'failed'
  /** In the vault after a pull, on the server after a restore. */
  readonly bytes: number
  readonly wireBytes?: number | undefined
  readonly entries: number
  readonly seconds?: number | undefined
  /** Of the error that it failed with. */
  readonly code?: string | undefined
}

/** What a run came to. */
export interface RunEnd {
  readonly outcome: RunOutcome
  /** The snapshot that it made. */
  readonly snapshot?: string | undefined
  /** Of a pull: the snapshot holds every source of the host. */
  readonly complete?: boolean | undefined
  readonly sources?: readonly RunSource[] | undefined
  readonly warnings?: readonly { readonly code: string; readonly count: number }[] | undefined
  /** How many snapshots rotation kept, and how many it removed. */
  readonly rotation?: { readonly kept: number; readonly removed: number } | undefined
  readonly findings?: readonly RunFinding[] | undefined
  /** Without names of files. */
  readonly error?: { readonly code: string; readonly message: string } | undefined
  /** Of a rollback: the id of the restore or migration that it undid. */
  readonly undoes?: string | undefined
  /** Of a restore: it went beside what is live, and replaced nothing. */
  readonly beside?: boolean | undefined
  /** Of a cutover that was done. */
  readonly downtime?: RunDowntime | undefined
}

/** How long nobody served while a deployment moved from one host to another. */
export interface RunDowntime {
  readonly seconds: number
  /** Of its sources, on FROM's disk. */
  readonly bytes: number
  readonly from: string
  readonly to: string
}

/** What a run found that a person should know of; the message is without names of files. */
export interface RunFinding {
  readonly check: string
  readonly outcome: 'warning' | 'failed'
  readonly message: string
}

/** One line of `runs.jsonl`, format 2. */
export interface EndedRun extends RunBegin, RunEnd {
  readonly finishedAt: string
}

/** A run of the history. A line of format 1 has no `run`, `host`, `by` and `trigger`. */
export type RunRecord = Pick<EndedRun, 'at' | 'operation' | 'finishedAt'> & RunEnd & Partial<RunBegin>

/** The name of the schedule that began a run, by its timer or in the daemon. */
export function scheduleOf({
  trigger,
  schedule,
}: Pick<RunRecord, 'trigger' | 'schedule'>): string | undefined {
  return trigger?.startsWith('schedule:') === true ? trigger.slice('schedule:'.length) : schedule
}

/** Whether a pull left out a part of its host by intent: it proves what it has, and nothing of the rest. */
export function isNarrow({
  only,
  complete,
  outcome,
}: Pick<RunRecord, 'only' | 'complete' | 'outcome'>): boolean {
  if (complete === true) return false
  return only !== undefined || (complete === false && outcome === 'done')
}
