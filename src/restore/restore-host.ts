import { ConnectionError, InterruptedError, RelayError } from '../errors.ts'
import type { HostConfig } from '../model/config.ts'
import type { RestorePlan, RestoreReport } from '../model/restore-report.ts'
import { takeSnapshot } from '../pull/pull-host.ts'
import type { HostLock } from '../vault/contract.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { putInPlace } from './place.ts'
import type { SourceToRestore } from './plan.ts'
import {
  checkArchives,
  preflight,
  refuseFailed,
  restoreContext,
  type Connected,
  type RestoreRequest,
} from './preflight.ts'
import { RestoreDriver } from './server/driver.ts'
import { prepareStaging } from './server/staging.ts'
import { serverServices } from './services.ts'
import { stageGroup, type StagedGroup } from './stage.ts'

/** Everything that happened, in order, for the report. */
interface Diary {
  readonly steps: { at: string; text: string }[]
  readonly step: (text: string) => void
}

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
  await using lock = request.dryRun ? undefined : await pull.vault.lock(host.name)
  diary.step('connecting')
  await using remote = await pull.connect(host, signal)
  const probe = await pull.probe(remote, { deployment: host.deployment, names: [] }, signal)
  const connected: Connected = {
    remote,
    probe,
    deployment: probe.deployment ?? absoluteDeployment(host.deployment, probe.home),
    sudo: host.sudo,
  }
  const { plan, sources } = await preflight(request, connected, dependencies, diary.step, signal)
  const report = (rest: Omit<RestoreReport, 'plan' | 'steps' | 'duration'>): RestoreReport => ({
    plan,
    steps: diary.steps,
    duration: pull.now().getTime() - started.getTime(),
    ...rest,
  })
  if (request.dryRun) return report({ outcome: 'planned', restored: [], findings: plan.findings })
  refuseFailed(plan)
  diary.step('checking the archives')
  await checkArchives(request.snapshot, dependencies, signal)
  if (!(await dependencies.confirm(plan)))
    throw new InterruptedError('Not confirmed; nothing was changed', { host: host.name })

  const finish = async (
    result: Omit<RestoreReport, 'plan' | 'steps' | 'duration'>,
  ): Promise<RestoreReport> => {
    await recordRun(host, started, result, dependencies)
    return report(result)
  }
  try {
    return await finish(
      await carryOut({ request, plan, sources, connected, lock, diary }, dependencies, signal),
    )
  } catch (thrown) {
    const error = signal.aborted && !(thrown instanceof RelayError) ? new InterruptedError() : thrown
    if (!(error instanceof RelayError)) throw error
    await recordRun(host, started, { outcome: 'failed', error }, dependencies)
    throw error.withDetails({ host: host.name })
  }
}

interface Carried {
  readonly request: RestoreRequest
  readonly plan: RestorePlan
  readonly sources: readonly SourceToRestore[]
  readonly connected: Connected
  readonly lock: HostLock | undefined
  readonly diary: Diary
}

/** Everything behind the confirmation. */
async function carryOut(
  carried: Carried,
  dependencies: RestoreDependencies,
  signal: AbortSignal,
): Promise<Omit<RestoreReport, 'plan' | 'steps' | 'duration'>> {
  const { request, plan, sources, connected, diary } = carried
  const { host } = request
  const { remote, probe, deployment, sudo } = connected
  const groups = groupUnits(plan, sources)
  const restore = restoreContext(connected, dependencies, diary.step, signal)
  const directories = groups.map((group) => group.directory)
  diary.step('locking the deployment')
  if (probe.deployment === undefined)
    await prepareStaging(remote, { deployment, id: plan.id, directories: [], sudo, signal })
  await using driver = await RestoreDriver.start(
    remote,
    { deployment, id: plan.id, units: placedUnits(plan, groups), services: serverServices(host), sudo },
    signal,
  )
  const safetySnapshot = await safetyCopy(carried, dependencies, signal)
  await prepareStaging(remote, { deployment, id: plan.id, directories, sudo, signal })
  const restored = []
  for (const group of groups) {
    diary.step(`unpacking ${group.source.name} beside its target`)
    const staged = await stageGroup(
      group,
      { remote, probe, sudo, snapshot: request.snapshot, signal },
      dependencies,
    )
    restored.push({ source: group.source.name, ...staged })
    const source = sources.find((one) => one.source.name === group.source.name)
    const config = source?.wanted[0]?.config
    const unit = group.units[0]
    if (config === undefined || unit === undefined || config.kind === 'files') continue
    const restorable = await dependencies.restorableOf(group.source.kind)
    const target = plan.units.find((one) => one.source === group.source.name)?.target ?? ''
    await restorable.arrange(restore, config, group.source.facts, {
      staged: `${group.directory}/${unit.name}`,
      target,
    })
  }
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
      start: request.start,
      step: diary.step,
      signal,
    })
    diary.step('done')
    return { outcome: 'done', restored, safetySnapshot, findings: [...plan.findings, ...findings] }
  } catch (thrown) {
    const error = asRelayError(thrown, signal)
    diary.step(`failed: ${error.message}`)
    return await undo(driver, error, { plan, safetySnapshot, diary, host })
  }
}

async function undo(
  driver: RestoreDriver,
  error: RelayError,
  context: { plan: RestorePlan; safetySnapshot: string | undefined; diary: Diary; host: HostConfig },
): Promise<Omit<RestoreReport, 'plan' | 'steps' | 'duration'>> {
  const { plan, safetySnapshot, diary, host } = context
  const common = { restored: [], safetySnapshot, findings: plan.findings }
  try {
    diary.step('putting everything back')
    const undone = await driver.rollback()
    for (const note of undone.notes) diary.step(note)
    if (undone.outcome === 'stuck') {
      diary.step(`stuck: ${undone.reason}`)
      return {
        ...common,
        outcome: 'stuck',
        error: withNext(error, `Correct the reason, then run: relay-backup rollback --host ${host.name}`),
      }
    }
    diary.step('the old data is back, services as before')
    return { ...common, outcome: 'rolled-back', error }
  } catch (lost) {
    if (!(lost instanceof ConnectionError)) throw lost
    diary.step('the connection is lost: the server puts everything back by itself within a minute')
    return {
      ...common,
      outcome: 'failed',
      error: withNext(error, `See how it ended: relay-backup rollback --host ${host.name}`),
    }
  }
}

function withNext(error: RelayError, next: string): RelayError {
  return new RelayError(error.code, error.message, { ...error.details, next, cause: error })
}

/** A snapshot of what is replaced, so that nothing of it can be lost. Returns its id. */
async function safetyCopy(
  { request, plan, connected, lock, diary }: Carried,
  { pull }: RestoreDependencies,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { host } = request
  if (!plan.safety || lock === undefined) return undefined
  const replaced = new Set(plan.units.filter((unit) => unit.exists).map((unit) => unit.source))
  const sources = host.sources.filter((source) => replaced.has(source.name))
  if (sources.length === 0) return undefined
  diary.step('taking a safety snapshot of what will be replaced')
  const selection = { sources, everything: false }
  const { remote, probe } = connected
  const taken = await takeSnapshot({ host, remote, probe, lock, selection, purpose: 'safety' }, pull, signal)
  const failed = taken.sources.find((source) => source.outcome === 'failed')
  if (failed === undefined && taken.snapshot !== undefined) return taken.snapshot.id
  throw new RelayError(
    'safety-failed',
    `the safety snapshot failed: ${failed?.error?.message ?? 'nothing was captured'}`,
    {
      host: host.name,
      source: failed?.source,
      next: 'Nothing was replaced. If what is there now can be given up, restore with --no-safety.',
    },
  )
}

/** Units of one source that lie on one file system are unpacked into one directory. */
function groupUnits(plan: RestorePlan, sources: readonly SourceToRestore[]): StagedGroup[] {
  const groups = new Map<
    string,
    { source: SourceToRestore['source']; directory: string; units: { member: string; name: string }[] }
  >()
  for (const [index, unit] of plan.units.entries()) {
    const source = sources.find((one) => one.source.name === unit.source)?.source
    if (source === undefined) continue
    const directory = `${unit.base}/restore-${plan.id}/${unit.source}`
    const group = groups.get(directory) ?? { source, directory, units: [] }
    group.units.push({ member: unit.member, name: String(index + 1) })
    groups.set(directory, group)
  }
  return [...groups.values()]
}

function placedUnits(plan: RestorePlan, groups: readonly StagedGroup[]) {
  return plan.units.map((unit, index) => {
    const name = String(index + 1)
    const group = groups.find(
      (one) => one.source.name === unit.source && one.units.some((other) => other.name === name),
    )
    return {
      kind: unit.kind,
      target: unit.target,
      staged: `${group?.directory ?? ''}/${name}`,
      aside: `${unit.base}/rollback-${plan.id}/${name}`,
      ...(unit.carry.length === 0 ? {} : { carry: { member: unit.member, patterns: unit.carry } }),
    }
  })
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

async function recordRun(
  host: HostConfig,
  started: Date,
  result: Pick<RestoreReport, 'outcome' | 'error'>,
  { pull }: RestoreDependencies,
): Promise<void> {
  const { error } = result
  await pull.vault.recordRun(host.name, {
    at: started.toISOString(),
    finishedAt: pull.now().toISOString(),
    operation: 'restore',
    outcome:
      result.outcome === 'done' ? 'done' : error instanceof InterruptedError ? 'interrupted' : 'failed',
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
  })
}

function absoluteDeployment(deployment: string, home: string): string {
  if (deployment.startsWith('/')) return deployment
  return deployment === '~' ? home : `${home}/${deployment.replace(/^~\//, '')}`
}

function asRelayError(thrown: unknown, signal: AbortSignal): RelayError {
  if (thrown instanceof RelayError) return thrown
  if (signal.aborted) return new InterruptedError()
  return new RelayError('internal', thrown instanceof Error ? thrown.message : String(thrown), {
    cause: thrown,
  })
}
