import { isDeepStrictEqual } from 'node:util'
import { RelayError } from '../errors.ts'
import { Disposables } from '../model/disposables.ts'
import type { Finding } from '../model/finding.ts'
import type { RestorePlan, RestoreReport } from '../model/restore-report.ts'
import type { Run } from '../runs/run.ts'
import { visit } from '../runs/visit.ts'
import type { Snapshot } from '../vault/contract.ts'
import { openLog, type RestoreRun, type RestoreResult } from './restore-run.ts'
import { renewsServices } from './compose-check.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { groupUnits, placedUnits } from './groups.ts'
import { insistOnResumed } from './left-services.ts'
import type { HandOver, Launch } from './launch.ts'
import { archiveFiles, checkArchives, preflight, refuseFailed, type RestoreRequest } from './preflight.ts'
import { rememberDamage } from './remember-damage.ts'
import { checkStaged, lockTarget, replace, stageGroups, swapIn } from './replace.ts'
import { safetyCopy } from './safety.ts'
import { kindOf } from '../sources/registry.ts'
import type { RestoreDriver } from './server/driver.ts'
import { isSameTree, type StagedGroup } from './stage.ts'
import { sweepUnpacked } from './sweep.ts'

/** A migration's restore. */
export type LaunchRequest = RestoreRequest & { readonly launch: Launch }

/**
 * A restore that is open before what it is to bring is there: its target is locked, its safety snapshot taken, and
 * what may stay as it is lies beside its place already. Disposing it leaves nothing, unless it was placed.
 */
export interface OpenRestore extends AsyncDisposable {
  readonly plan: RestorePlan
  /**
   * Brings a snapshot of the same sources, and puts it in place. Throws what stopped it before anything was replaced;
   * what came after is in the report.
   */
  place(snapshot: Snapshot, handOver: HandOver): Promise<RestoreReport>
}

/**
 * Does what of a restore can be done before the other side stops, with a snapshot of when it still ran. Throws what
 * speaks against it; nothing has changed then.
 */
export async function openRestore(
  request: LaunchRequest,
  given: RestoreDependencies,
  { lock, signal, started, reporter }: Run,
): Promise<OpenRestore> {
  const dependencies = { ...given, pull: { ...given.pull, reporter } }
  const { pull } = dependencies
  const { host } = request
  const log = openLog(request, dependencies)
  const held = new Disposables()
  try {
    const target = held.use(await visit(host, { shellFor: 'restore', step: log.step }, pull, signal))
    const before = await preflight(request, target, dependencies, log.step)
    refuseFailed(before.plan)
    const run: RestoreRun = { request, ...before, lock, log }
    const sweep = (): Promise<void> =>
      sweepUnpacked({ ...before.place, signal: new AbortController().signal }, before.plan).catch(
        () => undefined,
      )
    await sweepUnpacked(before.place, before.plan)
    held.use({ [Symbol.asyncDispose]: sweep })
    const driver = held.use(await lockTarget(run))
    const left = await insistOnResumed(run)
    const safetySnapshot = await safetyCopy(run, dependencies)
    const ahead = await groupsAhead(run, dependencies)
    const staged = await stageGroups(run, ahead, dependencies)
    const isRead = readsOnly(run, ahead)
    const accepted = isRead ? await checkStaged(run) : undefined
    await driver.ready(signal)
    const open = { run, driver, ahead, staged, accepted, left, safetySnapshot }
    return {
      plan: before.plan,
      place: async (snapshot, handOver) => {
        const next = { ...request, snapshot, launch: { ...request.launch, handOver } }
        const looked = await preflight(next, target, dependencies, log.step, before)
        refuseFailed(looked.plan)
        const last: RestoreRun = { ...run, request: next, ...looked }
        const isAsPlanned = isDeepStrictEqual(unitsOf(last), unitsOf(run))
        const place = isAsPlanned ? bringChanges(open, last, dependencies) : bringAfresh()
        const out = await place.catch(async (error: unknown) => {
          // A second look finds files that were damaged since they were checked.
          const told = await rememberDamage(archiveFiles(last.sources), error, pull, signal)
          throw told instanceof RelayError ? told.withDetails({ host: host.name }) : told
        })
        return {
          plan: last.plan,
          steps: log.steps,
          duration: pull.now().getTime() - started.getTime(),
          ...out,
        }
        /** A path has come or gone since: the script knows the places of before. */
        async function bringAfresh(): Promise<RestoreResult> {
          await driver[Symbol.asyncDispose]()
          await sweepUnpacked(last.place, last.plan)
          return { ...(await replace(last, dependencies)), safetySnapshot }
        }
      },
      [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
    }
  } catch (error) {
    await held[Symbol.asyncDispose]()
    throw error instanceof RelayError ? error.withDetails({ host: host.name }) : error
  }
}

/** What was done ahead. */
interface Ahead {
  readonly run: RestoreRun
  readonly driver: RestoreDriver
  readonly ahead: readonly StagedGroup[]
  readonly staged: RestoreReport['restored']
  /** What Compose's check has accepted; undefined: it was not asked. */
  readonly accepted: readonly Finding[] | undefined
  readonly left: readonly Finding[]
  readonly safetySnapshot: string | undefined
}

/** Unpacks what is not as it was ahead, and puts all of it in place. */
async function bringChanges(
  { run, driver, ahead, staged, accepted, left, safetySnapshot }: Ahead,
  last: RestoreRun,
  dependencies: RestoreDependencies,
): Promise<RestoreResult> {
  const { signal } = last.place
  const changed: StagedGroup[] = []
  const stays: RestoreReport['restored'][number][] = []
  for (const group of groupUnits(last.plan, last.sources)) {
    const at = ahead.findIndex(({ directory }) => directory === group.directory)
    const one = ahead[at]
    const isSame =
      one !== undefined &&
      (await isSameTree(
        { source: one.source, snapshot: run.request.snapshot },
        { source: group.source, snapshot: last.request.snapshot },
        dependencies,
      ))
    if (isSame) stays.push(staged[at]!)
    else changed.push(group)
  }
  const names = new Set(changed.map(({ source }) => source.name))
  const sources = last.sources.filter(
    ({ source }) => names.has(source.name) || kindOf(source.kind).restore.by === 'load',
  )
  await checkArchives(sources, { pull: dependencies.pull, hashes: true, signal })
  const restored = [...stays, ...(await stageGroups(last, changed, dependencies, { again: true }))].toSorted(
    (one, other) => placeOf(last, one.source) - placeOf(last, other.source),
  )
  const isRead = accepted === undefined || readsAny(last, changed)
  const findings = [...left, ...(isRead ? await checkStaged(last) : accepted)]
  return await swapIn(last, { driver, safetySnapshot, restored, findings }, dependencies)
}

function placeOf({ sources }: RestoreRun, name: string): number {
  return sources.findIndex(({ source }) => source.name === name)
}

/** Where everything goes, as the server's script is told. */
function unitsOf({ plan, sources }: RestoreRun): ReturnType<typeof placedUnits> {
  return placedUnits(plan, groupUnits(plan, sources))
}

/** What may still be the same when the other side has stopped: kinds that are captured by what has changed. */
async function groupsAhead(
  { plan, sources }: RestoreRun,
  { pull }: RestoreDependencies,
): Promise<StagedGroup[]> {
  const groups: StagedGroup[] = []
  for (const group of groupUnits(plan, sources)) {
    const { incremental } = await pull.sourceOf(group.source.kind)
    if (incremental !== undefined && group.source.index !== undefined) groups.push(group)
  }
  return groups
}

/** Compose reads something of these groups. */
function readsAny({ plan, found }: RestoreRun, groups: readonly StagedGroup[]): boolean {
  const names = new Set(groups.map(({ source }) => source.name))
  const targets = plan.units.filter(({ source }) => names.has(source)).map(({ target }) => target)
  return renewsServices(found.services, targets)
}

/** All that Compose reads of the restore is in these groups. */
function readsOnly(run: RestoreRun, groups: readonly StagedGroup[]): boolean {
  const all = groupUnits(run.plan, run.sources)
  const others = all.filter(({ directory }) => !groups.some((one) => one.directory === directory))
  return !readsAny(run, others)
}
