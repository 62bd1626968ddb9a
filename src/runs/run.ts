import { randomBytes } from 'node:crypto'
import { abortedBy, expected, InterruptedError, LockedError, type RelayError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import { snapshotId } from '../model/names.ts'
import type { EndedRun, Operation, RunBegin, RunCause, RunEnd, RunFinding } from '../model/run-record.ts'
import type { Reporter } from '../report/contract.ts'
import type { HostLock, Vault } from '../vault/contract.ts'
import { auditRun } from './audit.ts'
import { boundRun } from './run-timeout.ts'
import { toldError, withoutFileNames } from './told-error.ts'
import { whoRuns } from './who.ts'

/** What is run, and on which host. */
export interface RunRequest {
  readonly operation: Operation
  /** Without `runTimeout` the run may take as long as it likes. */
  readonly host: { readonly name: string; readonly runTimeout?: number }
  /** The vault's lock of the host is taken first, and held to the end. */
  readonly locks: boolean
  /** Of a pull that is asked for a part of the host. */
  readonly only?: RunBegin['only']
  /** Of a restore: the snapshot that it puts back, `HOST/ID`. */
  readonly restores?: string
  /** It only looks: it takes no lock, ends where one is held, and is in no history. */
  readonly dryRun?: boolean
}

export interface RunDependencies {
  /** Undefined where there is none: then the run is in no history. */
  readonly vault: Vault | undefined
  readonly reporter: Reporter
  readonly now: () => Date
  /** Undefined: a person. */
  readonly cause?: RunCause | undefined
}

/** A run on its way. */
export interface Run {
  readonly started: Date
  /** Fires for the user's interrupt, and after `runTimeout`. */
  readonly signal: AbortSignal
  readonly lock: HostLock | undefined
  /** What is told through it is counted in the history. */
  readonly reporter: Reporter
}

/** What work came to: its result, and what the history has of it; `skipped` work is in no history. */
export interface Worked<T> {
  readonly result: T
  readonly end: Ended
}

/** As {@link RunEnd}, before it is written down. */
export type Ended = Omit<RunEnd, 'outcome' | 'error' | 'findings'> & {
  readonly outcome: Exclude<RunEnd['outcome'], 'lost'> | 'locked' | 'skipped'
  readonly error?: RelayError | undefined
  readonly findings?: readonly Finding[] | undefined
}

/**
 * The one way in and out of every operation: takes the lock, tells `run-started` and exactly one `run-ended`, writes the
 * history, bounds the time, and makes an expected error of whatever is thrown. Ends as `lost` the runs of this host that
 * died. Throws RelayError: LockedError when another run holds the host, the signal's reason when it fired, InternalError
 * for a defect.
 */
export async function withRun<T>(
  request: RunRequest,
  dependencies: RunDependencies,
  stop: AbortSignal,
  work: (run: Run) => Promise<Worked<T>>,
): Promise<T> {
  const { operation, host } = request
  const { now, reporter } = dependencies
  using bound = boundRun(host, stop)
  const { signal } = bound
  const started = now()
  const told = countWarnings(reporter, host.name)
  const common = { started, signal, reporter: told }
  if (request.dryRun === true) {
    try {
      if (request.locks) await dependencies.vault?.lookAtLock(host.name)
      return (await work({ ...common, lock: undefined })).result
    } catch (thrown) {
      throw runError(thrown, host.name, signal)
    }
  }
  const begun: RunBegin = {
    run: `${snapshotId(started)}-${randomBytes(3).toString('hex')}`,
    at: started.toISOString(),
    operation,
    host: host.name,
    by: whoRuns(),
    ...(dependencies.cause ?? { trigger: 'manual' }),
    ...(request.only === undefined ? {} : { only: request.only }),
    ...(request.restores === undefined ? {} : { restores: request.restores }),
  }
  const { run } = begun
  let ended: Ended = { outcome: 'failed' }
  reporter.event({ type: 'run-started', run, operation, host: host.name })
  try {
    await using lock = request.locks ? await dependencies.vault?.lock(host.name) : undefined
    await using _begin = await remember(begun, dependencies)
    try {
      const { result, end } = await work({ ...common, lock })
      ended = end
      return result
    } catch (thrown) {
      const error = runError(thrown, host.name, signal)
      ended = { outcome: outcomeOf(error), error }
      throw error
    } finally {
      await record(begun, { ...ended, warnings: told.warnings(ended.warnings) }, dependencies)
    }
  } catch (thrown) {
    const error = runError(thrown, host.name, signal)
    if (ended.error === undefined) ended = { ...ended, outcome: outcomeOf(error), error }
    throw error
  } finally {
    const { outcome, snapshot, error } = ended
    reporter.event({
      type: 'run-ended',
      run,
      operation,
      host: host.name,
      outcome,
      ...(snapshot === undefined ? {} : { snapshot }),
      ...(error === undefined ? {} : { error }),
    })
  }
}

/** How a run ends that has thrown this. */
export function outcomeOf(error: RelayError): 'failed' | 'locked' | 'interrupted' {
  if (error instanceof InterruptedError) return 'interrupted'
  return error instanceof LockedError ? 'locked' : 'failed'
}

function runError(thrown: unknown, host: string, signal: AbortSignal): RelayError {
  const error = signal.aborted && !(thrown instanceof LockedError) ? abortedBy(signal) : expected(thrown)
  return error.withDetails({ host })
}

/** That a run has begun is only for the history: what keeps it from being written down keeps no run from its work. */
async function remember(begun: RunBegin, { vault }: RunDependencies): Promise<AsyncDisposable | undefined> {
  return await vault?.beginRun(begun).catch(() => undefined)
}

/** A run that never held the lock is no part of this host's history, because another run is writing there. */
async function record(
  begun: RunBegin,
  ended: Ended,
  { vault, now, reporter }: RunDependencies,
): Promise<void> {
  const { outcome, error, findings = [], ...rest } = ended
  if (vault === undefined || outcome === 'locked' || outcome === 'skipped') return
  const run: EndedRun = {
    ...begun,
    finishedAt: now().toISOString(),
    outcome,
    ...rest,
    findings: findings.flatMap((finding) => toldFinding(finding, begun.host)),
    ...(error === undefined ? {} : { error: toldError(error, begun.host) }),
  }
  try {
    await vault.recordRun(run)
  } catch (problem) {
    // What was done is done, whether the history has it or not.
    reporter.event({
      type: 'warning',
      host: begun.host,
      code: 'history',
      message: `this run is not in the history: ${problem instanceof Error ? problem.message : String(problem)}`,
    })
  }
  await auditRun(run, { vault, reporter })
}

function toldFinding({ check, outcome, message }: Finding, host: string): RunFinding[] {
  return outcome === 'ok' ? [] : [{ check, outcome, message: withoutFileNames(message, [host]) }]
}

/** Passes events on, and counts the host's warnings by their codes. */
function countWarnings(
  reporter: Reporter,
  host: string,
): Reporter & { warnings(others: RunEnd['warnings']): RunEnd['warnings'] } {
  const counts = new Map<string, number>()
  return {
    event(event) {
      if (event.type === 'warning' && event.host === host)
        counts.set(event.code, (counts.get(event.code) ?? 0) + 1)
      reporter.event(event)
    },
    warnings(others = []) {
      const all = new Map(others.map(({ code, count }) => [code, count]))
      for (const [code, count] of counts) if (!all.has(code)) all.set(code, count)
      return [...all].map(([code, count]) => ({ code, count }))
    },
  }
}
