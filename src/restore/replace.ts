import type { RestorePlan, RestoreReport } from '../model/restore-report.ts'
import type { Finding } from '../model/finding.ts'
import type { RestoreRun, RestoreResult } from './restore-run.ts'
import { checkCompose, renewsServices } from './compose-check.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { groupUnits, placedUnits } from './groups.ts'
import { insistOnResumed } from './left-services.ts'
import { UndecidedError } from './launch.ts'
import { loadBeside, sourcesToLoad, sourcesToLoadLate, type SourceToLoad } from './load.ts'
import { NOTHING_STARTED, startOfStopped } from './nothing-started.ts'
import { insist, putInPlace, saysStarted, type SourceToCheck } from './place.ts'
import { restoreContext } from './preflight.ts'
import { safetyCopy } from './safety.ts'
import { explainFullDisk } from './server/disk-full.ts'
import { kindOf } from '../sources/registry.ts'
import { RestoreDriver } from './server/driver.ts'
import { prepareStaging } from './server/staging.ts'
import { stageGroup, type StagedGroup } from './stage.ts'
import { discardSuperseded } from './supersede.ts'
import { asRelayError, undo } from './undo.ts'
import { recordedCompose } from './versions.ts'

/** Everything behind the confirmation, for the strategy `replace`. */
export async function replace(run: RestoreRun, dependencies: RestoreDependencies): Promise<RestoreResult> {
  // A migration loads when the data services run, which it may bring itself.
  const toLoad =
    run.request.launch === undefined ? await sourcesToLoad(run.sources, contextOf(run, dependencies)) : []
  await using driver = await lockTarget(run, toLoad)
  const left = await insistOnResumed(run)
  const safetySnapshot = await safetyCopy(run, dependencies)
  const groups = groupUnits(run.plan, run.sources)
  // What is loaded is in a server before it is switched: only the journal knows of it then.
  if (toLoad.length > 0) insist('checking the places', await driver.begin(run.place.signal), run.log.step)
  const restored = await stageGroups(run, groups, dependencies)
  for (const one of toLoad) restored.push(await loadOne(run, one, dependencies))
  const accepted = await checkStaged(run)
  if (run.request.launch !== undefined) await driver.ready(run.place.signal)
  const ready = { driver, safetySnapshot, restored, toLoad, findings: [...left, ...accepted] }
  return await swapIn(run, ready, dependencies)
}

/** Starts the server's script, which locks the deployment. Throws as {@link RestoreDriver.start} does. */
export async function lockTarget(
  run: RestoreRun,
  toLoad: readonly SourceToLoad[] = [],
): Promise<RestoreDriver> {
  const { request, plan, sources, place, log, found } = run
  const { remote, probe, deployment, privilege, signal } = place
  log.step('locking the deployment')
  if (probe.deployment === undefined)
    await prepareStaging(remote, { deployment, id: plan.id, directories: [], privilege, signal })
  return await RestoreDriver.start(
    remote,
    {
      deployment,
      id: plan.id,
      units: placedUnits(plan, groupUnits(plan, sources)),
      loads: toLoad.flatMap(({ loads }) => loads),
      services: found.services,
      migration: request.launch?.migration,
      privilege,
    },
    signal,
  )
}

type Restored = RestoreReport['restored'][number]

/** Unpacks groups beside their targets, proven, in the form that the target's services load. `again`: over others. */
export async function stageGroups(
  run: RestoreRun,
  groups: readonly StagedGroup[],
  dependencies: RestoreDependencies,
  how: { readonly again?: boolean } = {},
): Promise<Restored[]> {
  const { plan, sources, place, request, log, lock } = run
  const { remote, deployment, privilege, signal } = place
  const restore = contextOf(run, dependencies)
  const directories = groups.map((group) => group.directory)
  const restored: Restored[] = []
  try {
    await prepareStaging(remote, { deployment, id: plan.id, directories, privilege, signal, ...how })
    for (const group of groups) {
      log.step(`unpacking ${group.source.name} beside its target`)
      const staged = await stageGroup(group, { ...place, snapshot: request.snapshot, lock }, dependencies)
      restored.push({ source: group.source.name, ...staged })
      const source = sources.find((one) => one.source.name === group.source.name)
      const config = source?.wanted[0]?.config
      const unit = group.units[0]
      if (config === undefined || unit === undefined) continue
      const restorable = await dependencies.restorableOf(group.source.kind)
      const target = plan.units.find((one) => one.source === group.source.name)?.target ?? ''
      await restorable.arrange?.(restore, config, group.source.facts, {
        staged: `${group.directory}/${unit.name}`,
        target,
      })
    }
  } catch (error) {
    throw await explained(run, error)
  }
  return restored
}

/** Has the target's Compose read what was staged, and returns what was accepted beside the plan; see {@link checkCompose}. */
export async function checkStaged({
  request,
  plan,
  sources,
  place,
  found,
  changed,
  judged,
}: RestoreRun): Promise<readonly Finding[]> {
  if (judged === true) return []
  const accepted = await checkCompose(
    place.remote,
    found.services,
    placedUnits(plan, groupUnits(plan, sources)),
    {
      made: found.made,
      changed,
      acceptChanges: request.acceptChanges,
      recorded: recordedCompose(request.snapshot.manifest.server),
      privilege: place.privilege,
      signal: place.signal,
    },
  )
  return accepted.filter(({ message }) => !plan.findings.some((known) => known.message === message))
}

/** Tells the driver what is going to be loaded, when the servers that it is loaded into run. */
async function declareLoads(
  run: RestoreRun,
  driver: RestoreDriver,
  dependencies: RestoreDependencies,
): Promise<readonly SourceToLoad[]> {
  const { signal } = run.place
  const late = await sourcesToLoadLate(run.sources, run.plan.id, contextOf(run, dependencies))
  if (late.length === 0) return late
  const loads = late.flatMap((one) => one.loads)
  insist('checking the names', await driver.declareLoads(loads, signal), run.log.step)
  return late
}

async function loadOne(
  run: RestoreRun,
  one: SourceToLoad,
  dependencies: RestoreDependencies,
): Promise<Restored> {
  const loaded = await loadBeside(one, contextOf(run, dependencies), dependencies, run.log.step)
  return { source: one.source.source.name, ...loaded }
}

function checksOf(toLoad: readonly SourceToLoad[]): readonly SourceToCheck[] {
  return toLoad.map(({ loadable, config, source }) => ({
    restorable: loadable,
    config,
    facts: source.source.facts,
  }))
}

/** What is to be put in place. */
export interface Ready {
  readonly driver: RestoreDriver
  readonly safetySnapshot: string | undefined
  readonly restored: readonly Restored[]
  readonly findings: readonly Finding[]
  readonly toLoad?: readonly SourceToLoad[]
}

/** From the stop of the target's services on; a failure is undone, and is in what it resolves with. */
export async function swapIn(
  run: RestoreRun,
  { driver, safetySnapshot, restored: staged, findings, toLoad = [] }: Ready,
  dependencies: RestoreDependencies,
): Promise<RestoreResult> {
  const { request, plan, sources, place, log } = run
  const restored = [...staged]
  const isLate =
    request.launch !== undefined && sources.some(({ source }) => kindOf(source.kind).restore.by === 'load')
  const loadLate = async (): Promise<readonly SourceToCheck[]> => {
    const late = await declareLoads(run, driver, dependencies)
    for (const one of late) restored.push(await loadOne(run, one, dependencies))
    return checksOf(late)
  }
  const { signal } = place
  const { host } = request
  const checks = await Promise.all(
    sources
      .filter(({ source }) => kindOf(source.kind).restore.by === 'place')
      .filter(({ source }) => host.services.manager !== 'none' || kindOf(source.kind).engine === undefined)
      .map(async ({ source, config }) => ({
        restorable: await dependencies.restorableOf(source.kind),
        config,
        facts: source.facts,
      })),
  )
  try {
    const placed = await putInPlace({
      driver,
      remote: place.remote,
      restore: contextOf(run, dependencies),
      checks,
      loaded: checksOf(toLoad),
      load: isLate ? loadLate : undefined,
      places: plan.units.length > 0 || request.launch !== undefined,
      health: plan.beside === undefined ? host.services.health : undefined,
      start: request.launch?.start ?? (request.start ? 'all' : 'none'),
      handOver: request.launch?.handOver,
      settles: plan.beside === undefined && host.services.manager !== 'none',
      step: log.step,
      signal,
    })
    log.step('done')
    const kept = await discardSuperseded(place, plan)
    return {
      outcome: 'done',
      restored,
      safetySnapshot,
      ...tellNothingStarted(run),
      findings: [...plan.findings, ...findings, ...placed, ...kept],
    }
  } catch (thrown) {
    const error = asRelayError(await explained(run, thrown), signal)
    log.step(`failed: ${error.message}`)
    if (error instanceof UndecidedError)
      return {
        outcome: 'undecided',
        restored,
        safetySnapshot,
        findings: plan.findings,
        error,
      }
    return await undo(driver, error, run, safetySnapshot)
  }
}

/** Of a restore that starts what ran before. */
function tellNothingStarted({
  request,
  plan,
  place,
  found,
  log,
}: RestoreRun): Pick<RestoreReport, 'nothingStarted'> {
  if (request.launch !== undefined || !request.start || plan.beside !== undefined) return {}
  if (log.steps.some(({ text }) => saysStarted(text))) return {}
  const start = startOfStopped(request.host, found, place.deployment)
  return start === undefined ? {} : { nothingStarted: { message: NOTHING_STARTED, start } }
}

function contextOf({ plan, place, log, found }: RestoreRun, dependencies: RestoreDependencies) {
  const targets = plan.units.map((unit) => unit.target)
  return {
    ...restoreContext(place, dependencies, log.step),
    renews: renewsServices(found.services, targets),
  }
}

function explained({ plan, sources, place }: RestoreRun, error: unknown): Promise<unknown> {
  const { remote, privilege } = place
  return explainFullDisk(remote, error, { places: placesOf(plan, groupUnits(plan, sources)), privilege })
}

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
