import { InterruptedError } from '../errors.ts'
import type { RestoreReport } from '../model/restore-report.ts'
import { outcomeOf, withRun, type Ended, type Run } from '../runs/run.ts'
import { tellHosts, type HostEnd } from '../runs/tell-hosts.ts'
import { visit } from '../runs/visit.ts'
import { openLog, type RestoreResult } from './restore-run.ts'
import { isForCompose, judgeAhead } from './compose-ahead.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { mergeIn } from './merge.ts'
import {
  archiveFiles,
  checkArchives,
  preflight,
  refusalOfPlan,
  refuseFailed,
  type RestoreRequest,
} from './preflight.ts'
import { replace } from './replace.ts'
import { rememberDamage } from './remember-damage.ts'
import { sweepUnpacked } from './sweep.ts'

/** Restores a snapshot to a host, as a run of its own; see {@link restoreInRun}. */
export async function restoreHost(
  request: RestoreRequest,
  dependencies: RestoreDependencies,
  signal: AbortSignal,
): Promise<RestoreReport> {
  const { host, dryRun, snapshot } = request
  const { pull } = dependencies
  const restores = `${snapshot.host}/${snapshot.id}`
  const told = { reporter: pull.reporter, ends: true }
  const tellEnd = ({ outcome, error }: RestoreReport): HostEnd =>
    error ?? (outcome === 'done' ? 'restored' : outcome)
  return await tellHosts([host.name], told, tellEnd, () =>
    withRun({ operation: 'restore', host, locks: true, dryRun, restores }, pull, signal, async (run) => {
      const result = await restoreInRun(request, dependencies, run)
      return { result, end: endOf(result) }
    }),
  )
}

/**
 * Restores a snapshot within a run: plan → preflight → confirm → safety snapshot → upload and prove beside the target →
 * stop → swap → start → facts and health → report. Nothing is touched before the plan was confirmed, and nothing
 * replaced before all of it lies proven beside its target. A failure after that rolls back by itself, on the server.
 * Throws what stopped it before anything was replaced; what came after is in the report.
 */
export async function restoreInRun(
  request: RestoreRequest,
  given: RestoreDependencies,
  { lock, signal, started, reporter }: Run,
): Promise<RestoreReport> {
  const dependencies = { ...given, pull: { ...given.pull, reporter } }
  const { pull } = dependencies
  const { host } = request
  const log = openLog(request, dependencies)
  await using visited = await visit(host, { shellFor: 'restore', step: log.step }, pull, signal)
  const looked = await preflight(request, visited, dependencies, log.step)
  const { sources, place } = looked
  let { plan } = looked
  let judged = false
  const report = (rest: RestoreResult): RestoreReport => ({
    plan,
    steps: log.steps,
    duration: pull.now().getTime() - started.getTime(),
    ...rest,
  })
  const checkHashes = async (): Promise<void> => {
    log.step('checking the archives')
    await checkArchives(sources, { pull, hashes: true, signal })
  }
  const judge = async (): Promise<void> => {
    if (!isForCompose(looked, request)) return
    log.step('having Compose read the files of the snapshot')
    const { findings, whole } = await judgeAhead(looked, request, dependencies)
    plan = { ...plan, findings }
    judged = whole
  }
  if (request.dryRun) {
    // A migration has just looked at its server.
    if (refusalOfPlan(plan) === undefined && request.launch === undefined) {
      await checkHashes()
      await judge()
    }
    return report({ outcome: 'planned', restored: [], findings: plan.findings, error: refusalOfPlan(plan) })
  }
  refuseFailed(plan)
  await checkHashes()
  await judge()
  refuseFailed(plan)
  if (!(await dependencies.confirm(plan)))
    throw new InterruptedError('Not confirmed; nothing was changed', { host: host.name })

  const apply = request.strategy === 'merge' ? mergeIn : replace
  await sweepUnpacked(place, plan)
  try {
    return report(await apply({ request, ...looked, plan, judged, lock, log }, dependencies))
  } catch (error) {
    // A second look finds files that were damaged since they were checked.
    const told = await rememberDamage(archiveFiles(sources), error, pull, signal)
    // An error of this says less than the reason of the failure, and the next restore sweeps again.
    await sweepUnpacked({ ...place, signal: new AbortController().signal }, plan).catch(() => undefined)
    throw told
  }
}

/** As the history has it: a restore that was undone did nothing that was asked for. */
function endOf({ plan, outcome, safetySnapshot, restored, findings, error }: RestoreReport): Ended {
  return {
    outcome: outcome === 'done' ? 'done' : error === undefined ? 'failed' : outcomeOf(error),
    snapshot: safetySnapshot,
    sources: restored.map(({ source, entries, bytes }) => ({
      name: source,
      outcome: 'done',
      bytes,
      entries,
    })),
    findings,
    ...(plan.beside === undefined ? {} : { beside: true }),
    error,
  }
}
