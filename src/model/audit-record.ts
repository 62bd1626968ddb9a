import type { EndedRun, Operation, RunBegin, RunOutcome } from './run-record.ts'

/** What is audited: each run, a copy made of a private key, and other recipients in the config than before. */
export type AuditAction = Exclude<Operation, 'notify'> | 'key-export' | 'recipients'

/** Who did what, when, on which host and snapshot, and what it came to. */
export interface AuditEntry {
  /** When it ended. ISO 8601, UTC. */
  readonly at: string
  readonly by: RunBegin['by']
  readonly action: AuditAction
  readonly outcome: RunOutcome
  /** The id of a run. */
  readonly run?: string | undefined
  readonly trigger?: RunBegin['trigger'] | undefined
  readonly schedule?: string | undefined
  readonly host?: string | undefined
  /** The snapshot that it made. */
  readonly snapshot?: string | undefined
  /** Of a restore: the snapshot that it puts back, `HOST/ID`. */
  readonly restores?: string | undefined
  /** Of a rollback: the id of what it undid. */
  readonly undoes?: string | undefined
  readonly only?: RunBegin['only']
  /** How many snapshots it removed. */
  readonly removed?: number | undefined
  /** Of the error. */
  readonly code?: string | undefined
  /** Of `recipients`: whom pulls encrypt to since then. Of `key-export`: of the keys. Upper-case hex. */
  readonly fingerprints?: readonly string[] | undefined
  /** Of `recipients`: whom they encrypted to before; absent the first time. */
  readonly before?: readonly string[] | undefined
}

/** An entry as it stands in the log. */
export interface AuditRecord extends AuditEntry {
  /** From 1. */
  readonly line: number
}

/** A run as the audit log has it; undefined for one that is not audited. */
export function auditOfRun(run: EndedRun): AuditEntry | undefined {
  const { operation, outcome, host, by, trigger, schedule, snapshot, restores, undoes, only } = run
  if (operation === 'notify') return undefined
  const removed = run.rotation?.removed
  return {
    at: run.finishedAt,
    by,
    action: operation,
    outcome,
    run: run.run,
    trigger,
    schedule,
    host,
    snapshot,
    restores,
    undoes,
    only,
    ...(removed === undefined || removed === 0 ? {} : { removed }),
    code: run.error?.code,
  }
}
