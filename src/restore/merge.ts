import { formatCount } from '../model/units.ts'
import { RelayError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type { RestoreReport } from '../model/restore-report.ts'
import type { RestoreContext } from '../sources/contract.ts'
import { kindOf } from '../sources/registry.ts'
import type { RestoreRun, RestoreResult } from './restore-run.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { groupUnits } from './groups.ts'
import { insistOnResumed } from './left-services.ts'
import { loadBeside, sourcesToLoad, type SourceToLoad } from './load.ts'
import { insist } from './place.ts'
import { restoreContext } from './preflight.ts'
import { RestoreDriver, type RestorePlacement } from './server/driver.ts'
import { findMissing } from './server/missing.ts'
import { prepareStaging } from './server/staging.ts'
import { stageGroup, type StagedGroup } from './stage.ts'
import { asRelayError, undo } from './undo.ts'

type Unit = RestorePlacement['units'][number]

/** The journal of a merge, beside the journal of its restore. A rollback finds it by this name. */
export function mergeJournal(deployment: string, id: string, source: string): string {
  return `${deployment}/.relay-backup/restore-${id}/merge-${source}`
}

/**
 * The strategy `merge`: adds what is missing and overwrites nothing, with every service running. Files that the
 * target lacks are units of their own, so the journal knows each and a rollback takes exactly them away again; kinds
 * whose data is not their files add by themselves and keep a journal beside it.
 */
export async function mergeIn(run: RestoreRun, dependencies: RestoreDependencies): Promise<RestoreResult> {
  const { request, plan, sources, place, log } = run
  const { remote, deployment, privilege, signal } = place
  const groups = groupUnits(plan, sources)
  const directories = groups.map((group) => group.directory)
  await prepareStaging(remote, { deployment, id: plan.id, directories, privilege, signal })
  const merging = new Map<StagedGroup, NonNullable<Awaited<ReturnType<typeof mergingOf>>>>()
  const units: Unit[] = []
  for (const group of groups) {
    log.step(`unpacking ${group.source.name} beside its target`)
    await stageGroup(group, { ...place, snapshot: request.snapshot, lock: run.lock }, dependencies)
    const own = await mergingOf(group)
    if (own !== undefined) merging.set(group, own)
    else units.push(...(await missingUnits(group, run, units.length)))
  }
  const restore = restoreContext(place, dependencies, log.step)
  const toLoad = await sourcesToLoad(sources, restore)
  const loads = toLoad.flatMap((one) => one.loads)
  await using driver = await RestoreDriver.start(
    remote,
    { deployment, id: plan.id, units, loads, services: { manager: 'none' }, privilege },
    signal,
  )
  const left = await insistOnResumed(run)
  const added: { source: string; entries: number; bytes: number }[] = []
  for (const group of groups) {
    const entries = units.filter((unit) => String(unit.staged).startsWith(`${group.directory}/`)).length
    if (!merging.has(group)) added.push({ source: group.source.name, entries, bytes: 0 })
  }
  try {
    insist('checking the places', await driver.begin(signal), log.step)
    for (const one of toLoad) await loadBeside(one, restore, dependencies, log.step)
    insist('preparing', await driver.stop(signal), log.step)
    log.step(
      `adding what is missing: ${formatCount(units.length, 'file or directory', 'files and directories')}`,
    )
    insist('adding', await driver.swap(signal), log.step)
    const merged: NonNullable<RestoreReport['merged']>[number][] = []
    for (const [group, own] of merging) {
      const { name, facts } = group.source
      const config = sources.find((one) => one.source.name === name)?.wanted[0]?.config
      if (config === undefined) continue
      const all = { added: 0, existed: 0 }
      for (const [at, unit] of group.units.entries()) {
        const journal = mergeJournal(deployment, plan.id, name)
        const { added, existed, tables } = await own.merge(restore, config, facts, {
          staged: `${group.directory}/${unit.name}`,
          target: plan.units[Number(unit.name) - 1]?.target ?? '',
          journal: at === 0 ? journal : `${journal}.${at + 1}`,
        })
        all.added += added
        all.existed += existed
        merged.push(...(tables ?? []).map((table) => ({ source: name, ...table })))
      }
      log.step(`${name}: ${all.added} added, ${all.existed} were there`)
      added.push({ source: name, entries: all.added, bytes: 0 })
    }
    if (toLoad.length > 0) merged.push(...(await addRows(driver, toLoad, run, restore)))
    for (const { source } of toLoad)
      added.push({ source: source.source.name, entries: insertedOf(merged, source.source.name), bytes: 0 })
    insist('committing', await driver.commit(signal), log.step)
    log.step('done')
    const told = merged.length === 0 ? {} : { merged }
    return { outcome: 'done', restored: added, ...told, findings: [...plan.findings, ...left] }
  } catch (thrown) {
    const error = asRelayError(thrown, signal)
    log.step(`failed: ${error.message}`)
    const patient = restoreContext({ ...place, signal: new AbortController().signal }, dependencies, log.step)
    for (const [group, own] of merging) {
      const config = sources.find((one) => one.source.name === group.source.name)?.wanted[0]?.config
      if (config === undefined) continue
      const undone = await own
        .unmerge(patient, config, mergeJournal(deployment, plan.id, group.source.name))
        .catch((reason: unknown) => asRelayError(reason, patient.signal))
      log.step(
        undone instanceof RelayError
          ? `${group.source.name}: what was added can't be removed: ${undone.message}`
          : `${group.source.name}: ${undone.removed} removed again, ${undone.changed} were changed since and stay`,
      )
    }
    return await undo(driver, error, run, undefined)
  }
}

/** Adds rows to databases that run, each in one transaction. */
async function addRows(
  driver: RestoreDriver,
  toLoad: readonly SourceToLoad[],
  { log, place: { signal } }: RestoreRun,
  context: RestoreContext,
): Promise<NonNullable<RestoreReport['merged']>> {
  insist('preparing', await driver.startData(signal), log.step)
  log.step('adding rows')
  insist('adding rows', await driver.switchLoads(signal), log.step)
  const merged: NonNullable<RestoreReport['merged']>[number][] = []
  for (const { source, config, loadable } of toLoad)
    for (const target of source.loads)
      for (const table of (await loadable.merged?.(context, config, target)) ?? [])
        merged.push({ source: source.source.name, ...table })
  return merged
}

function insertedOf(merged: NonNullable<RestoreReport['merged']>, name: string): number {
  return merged.reduce((sum, { source, inserted }) => (source === name ? sum + inserted : sum), 0)
}

async function mergingOf(group: StagedGroup) {
  return await kindOf(group.source.kind).merge?.()
}

/** A unit for each topmost name that the target lacks. Throws RelayError where a directory and a file collide. */
async function missingUnits(
  group: StagedGroup,
  { plan, place: { remote, privilege, signal } }: RestoreRun,
  before: number,
): Promise<Unit[]> {
  const units: Unit[] = []
  for (const { name, member } of group.units) {
    const planned = plan.units[Number(name) - 1]
    if (planned === undefined) throw new Error(`no unit ${name}`)
    const staged = `${group.directory}/${name}`
    const missing = await findMissing(remote, { staged, target: planned.target, privilege, signal })
    const [conflict] = missing.conflicts
    if (conflict !== undefined) {
      throw new RelayError(
        'merge-conflict',
        `${printable(member)}/${printable(conflict)} is a directory on one side and not on the other`,
        {
          source: group.source.name,
          next: 'Nothing was added. Move it away on the server, or restore with --strategy replace.',
        },
      )
    }
    for (const one of missing.names) {
      units.push({
        kind: 'rename',
        target: below(planned.target, one),
        staged: below(staged, one),
        aside: `${planned.base}/rollback-${plan.id}/${before + units.length + 1}`,
      })
    }
  }
  return units
}

function below(root: string, name: Buffer): string | Buffer {
  return name.length === 0 ? root : Buffer.concat([Buffer.from(`${root}/`), name])
}
