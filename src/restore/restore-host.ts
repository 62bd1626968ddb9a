import { abortedBy, DamageError, InterruptedError, RelayError } from '../errors.ts'
import type { RestoreReport } from '../model/restore-report.ts'
import { visit } from '../runs/visit.ts'
import { openDiary, type CarriedOut } from './carried.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { mergeIn } from './merge.ts'
import { checkArchives, preflight, refusalOf, refuseFailed, type RestoreRequest } from './preflight.ts'
import { replace } from './replace.ts'
import { sweepUnpacked } from './sweep.ts'

/**
 * Restores a snapshot to a host: plan → preflight → confirm → safety snapshot → upload and prove beside the target →
 * stop → swap → start → facts and health → report. Nothing is touched before the plan was confirmed, and nothing
 * replaced before all of it lies proven beside its target. A failure after that rolls back by itself, on the server.
 * Throws what stopped it before anything was replaced; what came after is in the report.
 */
export async function restoreHost(
  request: RestoreRequest,
  dependencies: RestoreDependencies,
  signal: AbortSignal,
): Promise<RestoreReport> {
  const { pull } = dependencies
  const { host } = request
  const started = pull.now()
  const diary = openDiary(request, dependencies)
  pull.reporter.event({ type: 'host-started', host: host.name })
  await using ownLock =
    request.dryRun || request.launch !== undefined ? undefined : await pull.vault.lock(host.name)
  const lock = request.launch?.lock ?? ownLock
  await using visited = await visit(host, { shellFor: 'restore', step: diary.step }, pull, signal)
  const looked = await preflight(request, visited, dependencies, diary.step)
  const { plan, sources, place } = looked
  const report = (rest: CarriedOut): RestoreReport => ({
    plan,
    steps: diary.steps,
    duration: pull.now().getTime() - started.getTime(),
    ...rest,
  })
  const checkHashes = async (): Promise<void> => {
    diary.step('checking the archives')
    await checkArchives(sources, { pull, hashes: true, signal })
  }
  if (request.dryRun) {
    const error = refusalOf(plan)
    // A migration has just looked at its server.
    if (error === undefined && request.launch === undefined) await checkHashes()
    return report({ outcome: 'planned', restored: [], findings: plan.findings, error })
  }
  refuseFailed(plan)
  await checkHashes()
  if (!(await dependencies.confirm(plan)))
    throw new InterruptedError('Not confirmed; nothing was changed', { host: host.name })

  const finish = async (result: CarriedOut): Promise<RestoreReport> => {
    await recordRun(request, started, result, dependencies)
    return report(result)
  }
  const carry = request.strategy === 'merge' ? mergeIn : replace
  await sweepUnpacked(place, plan)
  try {
    return await finish(await carry({ request, ...looked, lock, diary }, dependencies))
  } catch (thrown) {
    const error = signal.aborted && !(thrown instanceof RelayError) ? abortedBy(signal) : thrown
    if (!(error instanceof RelayError)) throw error
    await recordRun(request, started, { outcome: 'failed', error }, dependencies)
    // A second look finds files that were damaged since they were checked, and remembers that. It reports this by
    // itself.
    if (error instanceof DamageError)
      await checkArchives(sources, { pull, hashes: true, signal }).catch(() => undefined)
    // An error of this says less than the reason of the failure, and the next restore sweeps again.
    await sweepUnpacked({ ...place, signal: new AbortController().signal }, plan).catch(() => undefined)
    throw error.withDetails({ host: host.name })
  }
}

/** A migration has a line of its own. */
async function recordRun(
  { host, launch }: RestoreRequest,
  started: Date,
  result: Pick<RestoreReport, 'outcome' | 'error'>,
  { pull }: RestoreDependencies,
): Promise<void> {
  const { error } = result
  if (launch !== undefined) return
  await pull.vault.recordRun(host.name, {
    at: started.toISOString(),
    finishedAt: pull.now().toISOString(),
    operation: 'restore',
    outcome:
      result.outcome === 'done' ? 'done' : error instanceof InterruptedError ? 'interrupted' : 'failed',
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
  })
}
