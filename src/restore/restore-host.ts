import { DamageError, InterruptedError } from '../errors.ts'
import type { RestorePlan, RestoreReport } from '../model/restore-report.ts'
import { outcomeOf, withRun, type Ended, type Run } from '../runs/run.ts'
import { visit, type Visit } from '../runs/visit.ts'
import type { Carried, CarriedOut, Diary } from './carried.ts'
import { checkCompose, renewsServices } from './compose-check.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { groupUnits, placedUnits } from './groups.ts'
import { UndecidedError } from './launch.ts'
import { mergeIn } from './merge.ts'
import { putInPlace } from './place.ts'
import {
  checkArchives,
  preflight,
  refusalOf,
  refuseFailed,
  restoreContext,
  type RestoreRequest,
} from './preflight.ts'
import { safetyCopy } from './safety.ts'
import { settleHolds } from './holds.ts'
import { RestoreDriver } from './server/driver.ts'
import { explainFullDisk } from './server/disk-full.ts'
import { sweepStaging } from './server/journals.ts'
import { prepareStaging } from './server/staging.ts'
import { stageGroup, type StagedGroup } from './stage.ts'
import { discardSuperseded } from './supersede.ts'
import { asRelayError, undo } from './undo.ts'
import { recordedCompose } from './versions.ts'

/** Restores a snapshot to a host, as a run of its own; see {@link restoreInRun}. */
export async function restoreHost(
  request: RestoreRequest,
  dependencies: RestoreDependencies,
  signal: AbortSignal,
): Promise<RestoreReport> {
  const { host, dryRun } = request
  const { pull } = dependencies
  pull.reporter.event({ type: 'host-started', host: host.name })
  return await withRun({ operation: 'restore', host, locks: true, dryRun }, pull, signal, async (run) => {
    const result = await restoreInRun(request, dependencies, run)
    return { result, end: endOf(result) }
  })
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
  const diary = openDiary(request, dependencies)
  await using visited = await visit(host, { shellFor: 'restore', step: diary.step }, pull, signal)
  const { plan, sources, found, changed, place } = await preflight(request, visited, dependencies, diary.step)
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

  const carry = request.strategy === 'merge' ? mergeIn : replace
  await sweepUnpacked(place, plan)
  try {
    return report(await carry({ request, plan, sources, place, found, changed, lock, diary }, dependencies))
  } catch (error) {
    // A second look finds files that were damaged since they were checked, and remembers that. It reports this by
    // itself.
    if (error instanceof DamageError)
      await checkArchives(sources, { pull, hashes: true, signal }).catch(() => undefined)
    // An error of this says less than the reason of the failure, and the next restore sweeps again.
    await sweepUnpacked({ ...place, signal: new AbortController().signal }, plan).catch(() => undefined)
    throw error
  }
}

/** As the history has it: a restore that was undone did nothing that was asked for. */
function endOf({ outcome, safetySnapshot, restored, findings, error }: RestoreReport): Ended {
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
    error,
  }
}

/** Removes what restores that never began have unpacked: a server that went down removes nothing by itself. */
async function sweepUnpacked(
  { remote, deployment, privilege, signal }: Visit,
  plan: RestorePlan,
): Promise<void> {
  const homes = [...new Set(plan.units.map((unit) => unit.base))]
  await sweepStaging(remote, { deployment, homes, privilege, signal })
}

/** Everything behind the confirmation, for the strategy `replace`. */
async function replace(carried: Carried, dependencies: RestoreDependencies): Promise<CarriedOut> {
  const { request, plan, sources, place, diary, found, changed } = carried
  const { services } = found
  const { host, snapshot } = request
  const { remote, probe, deployment, privilege, signal } = place
  const groups = groupUnits(plan, sources)
  const targets = plan.units.map((unit) => unit.target)
  const restore = {
    ...restoreContext(place, dependencies, diary.step),
    renews: renewsServices(services, targets),
  }
  const directories = groups.map((group) => group.directory)
  diary.step('locking the deployment')
  if (probe.deployment === undefined)
    await prepareStaging(remote, { deployment, id: plan.id, directories: [], privilege, signal })
  await using driver = await RestoreDriver.start(
    remote,
    {
      deployment,
      id: plan.id,
      units: placedUnits(plan, groups),
      services,
      migration: request.launch?.migration,
      privilege,
    },
    signal,
  )
  const explained = (error: unknown) =>
    explainFullDisk(remote, error, { places: placesOf(plan, groups), privilege })
  const left = await settleHolds(carried, dependencies)
  const safetySnapshot = await safetyCopy(carried, dependencies)
  const restored: Staged[] = []
  try {
    await prepareStaging(remote, { deployment, id: plan.id, directories, privilege, signal })
    for (const group of groups) {
      diary.step(`unpacking ${group.source.name} beside its target`)
      const staged = await stageGroup(group, { ...place, snapshot, lock: carried.lock }, dependencies)
      restored.push({ source: group.source.name, ...staged })
      const source = sources.find((one) => one.source.name === group.source.name)
      const config = source?.wanted[0]?.config
      const unit = group.units[0]
      if (config === undefined || unit === undefined || config.kind !== 'redis') continue
      const restorable = await dependencies.restorableOf(group.source.kind)
      const target = plan.units.find((one) => one.source === group.source.name)?.target ?? ''
      await restorable.arrange(restore, config, group.source.facts, {
        staged: `${group.directory}/${unit.name}`,
        target,
      })
    }
  } catch (error) {
    throw await explained(error)
  }
  const accepted = await checkCompose(remote, services, placedUnits(plan, groups), {
    made: found.made,
    changed,
    acceptChanges: request.acceptChanges,
    recorded: recordedCompose(snapshot.manifest.server),
    privilege,
    signal,
  })
  const checks = await Promise.all(
    sources.map(async ({ source, wanted }) => ({
      restorable: await dependencies.restorableOf(source.kind),
      config: wanted[0]!.config,
      facts: source.facts,
    })),
  )
  try {
    const findings = await putInPlace({
      driver,
      remote,
      restore,
      checks: host.services.manager === 'none' ? [] : checks,
      health: host.services.health,
      waitHealthy: dependencies.waitHealthy,
      start: request.launch?.start ?? (request.start ? 'all' : 'none'),
      handOver: request.launch?.handOver,
      settles: host.services.manager !== 'none',
      step: diary.step,
      signal,
    })
    diary.step('done')
    const kept = await discardSuperseded(place, plan)
    return {
      outcome: 'done',
      restored,
      safetySnapshot,
      findings: [...plan.findings, ...left, ...accepted, ...findings, ...kept],
    }
  } catch (thrown) {
    const error = asRelayError(await explained(thrown), signal)
    diary.step(`failed: ${error.message}`)
    if (error instanceof UndecidedError)
      return { outcome: 'undecided', restored, safetySnapshot, findings: plan.findings, error }
    return await undo(driver, error, carried, safetySnapshot)
  }
}

type Staged = RestoreReport['restored'][number]

/** Where a restore writes, and how much. */
function placesOf(
  plan: RestorePlan,
  groups: readonly StagedGroup[],
): { readonly directory: string; readonly bytes: number }[] {
  return groups.map(({ directory, source }) => ({
    directory,
    bytes: plan.sources.find((one) => one.source === source.name)?.bytes ?? 0,
  }))
}

function openDiary({ host }: RestoreRequest, { pull }: RestoreDependencies): Diary {
  const steps: { at: string; text: string }[] = []
  return {
    steps,
    step: (text) => {
      steps.push({ at: pull.now().toISOString(), text })
      pull.reporter.event({ type: 'host-step', host: host.name, step: text })
    },
  }
}
