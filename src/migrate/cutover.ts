import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectionError, InterruptedError, isOutOfReach, RelayError } from '../errors.ts'
import type { RestoreReport } from '../model/restore-report.ts'
import { UndecidedError } from '../restore/launch.ts'
import { insist } from '../restore/place.ts'
import { RestoreDriver } from '../restore/server/driver.ts'
import { asRelayError } from '../restore/undo.ts'
import type { RemoteHost } from '../remote/contract.ts'
import type { ManifestSource } from '../model/snapshot.ts'
import { kindOf } from '../sources/registry.ts'
import type { Snapshot } from '../vault/contract.ts'
import { compareMakes } from './compare-makes.ts'
import type { MigrateDependencies } from './dependencies.ts'
import { handOverTo, startFrom } from './give-up.ts'
import { compareSources, openTarget, type MigrationResult, type MigrationRun } from './migration-run.ts'
import { insistOnUnchanged } from './insist-on-unchanged.ts'
import { insistOnSaved, savesAtStop, withLateWrites, withSettings, type LastPull } from './saved.ts'
import { settleTarget } from './settle-target.ts'
import { takeWhole } from './take.ts'

/**
 * Moves the app: FROM is pulled while it runs, and TO prepared with that; then FROM's writers stop, the last pull, FROM
 * stops whole, TO serves, FROM is given up. Every failure before that starts FROM again
 * (docs/decisions/0007-migration-protocol.md). Resolves with what happened once FROM was touched; throws before.
 */
export async function cutOver(
  run: MigrationRun,
  dependencies: MigrateDependencies,
  signal: AbortSignal,
): Promise<MigrationResult> {
  const { from, plan, log, services } = run
  const { pull } = dependencies.restore
  const step = (text: string): void => log.step(plan.from, text)
  step('pulling while it runs')
  const first = await pullRunning(run, dependencies, signal)
  await using target = await openTarget(run, first, dependencies, signal)
  step('locking the deployment')
  await using fromDriver = await RestoreDriver.start(
    from.remote,
    {
      deployment: from.deployment,
      id: plan.id,
      units: [],
      services: services.from,
      migration: { role: 'from', host: plan.to },
      privilege: from.privilege,
    },
    signal,
  )
  if (services.from.manager === 'command') {
    // A server of data tells when it saved in whole seconds: what it saves at its stop must not look like the save of that pull.
    const since = pull.now().getTime() - Date.parse(first.manifest.finishedAt)
    await sleep(Math.max(0, 1000 - since), undefined, { signal })
  }
  insist('opening the journal', await fromDriver.begin(signal), step)
  const stoppedAt = pull.now()
  const downtime = (): number => pull.now().getTime() - stoppedAt.getTime()
  const laps: { what: string; milliseconds: number }[] = []
  const lap = (what: string): void => {
    const before = laps.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
    laps.push({ what, milliseconds: downtime() - before })
  }
  let snapshots: MigrationResult['snapshots'] = { pull: first.id }
  let report: RestoreReport | undefined
  let problem: RelayError
  try {
    const { snapshot: last, findings: late } = await stopAndPull(
      run,
      fromDriver,
      dependencies,
      first,
      lap,
      signal,
    )
    snapshots = { ...snapshots, cutover: last.id }
    let served = 0
    const handOver = {
      accept: (remote: RemoteHost) => {
        lap(`starting on ${plan.to}`)
        log.step(plan.to, `comparing its containers with those of ${plan.from}`)
        return compareMakes(run, remote, signal)
      },
      ready: async () => {
        lap(`bringing it to ${plan.to}, with its data services`)
        insist('checking that it is stopped', await fromDriver.checkStopped(signal), step)
      },
      decide: async (keep: () => Promise<void>) => {
        lap('comparing')
        served = downtime()
        insist(
          'checking that it is stopped',
          await fromDriver.checkStopped(new AbortController().signal),
          step,
        )
        await handOverTo(keep, fromDriver, run, dependencies)
        step('given up: it stays stopped')
      },
    }
    report = await target.place(last, handOver)
    snapshots = { ...snapshots, safety: report.safetySnapshot }
    const { outcome, findings, error } = report
    if (outcome === 'done') {
      return {
        outcome,
        serving: 'to',
        snapshots,
        sources: compareSources(last, report),
        findings: [...late, ...findings],
        downtime: served,
        laps,
      }
    }
    if (outcome === 'undecided') {
      return { outcome, serving: 'unknown', snapshots, sources: [], findings, error }
    }
    problem = error ?? new RelayError('migrate', `${plan.to} does not serve`)
  } catch (thrown) {
    problem = asRelayError(thrown, signal)
  }
  step(`failed: ${problem.message}`)
  await target[Symbol.asyncDispose]()
  return {
    ...(await startAgain(run, fromDriver, problem, report, dependencies)),
    snapshots,
    downtime: downtime(),
    laps,
  }
}

/** A full snapshot, and what the last one is checked against, before anything is touched. */
async function pullRunning(
  run: MigrationRun,
  dependencies: MigrateDependencies,
  signal: AbortSignal,
): Promise<Snapshot> {
  const { host, remote, deployment } = run.from
  await using _lock = await dependencies.restore.pull.lockDeployment(remote, deployment, {
    sudo: host.sudo,
    signal,
  })
  return await takeWhole(run, { purpose: 'pull', stopped: false }, dependencies, signal)
}

/**
 * All stops, and the last pull is what lies on the disk then. Only what its server alone can tell is captured before that, when
 * its writers have stopped: what is dumped, and a server of data that does not write down by itself what it has acknowledged.
 * One line of sh can't stop the writers alone.
 */
async function stopAndPull(
  run: MigrationRun,
  fromDriver: RestoreDriver,
  dependencies: MigrateDependencies,
  first: Snapshot,
  lap: (what: string) => void,
  signal: AbortSignal,
): Promise<LastPull> {
  const { plan, log, services } = run
  const step = (text: string): void => log.step(plan.from, text)
  const stopAll = async (): Promise<void> => {
    step('stopping all services')
    insist('stopping services', await fromDriver.stop(signal), step)
  }
  const stopWriters = async (): Promise<void> => {
    step('stopping the writers')
    insist('stopping the writers', await fromDriver.stopWriters(signal), step)
  }
  const dumped = plan.sources
    .filter(({ kind }) => kindOf(kind).restore.by === 'load')
    .map(({ source }) => source)
  // In the middle of the last pull, which is one snapshot: nothing can be dumped of a server that has stopped.
  const turn =
    dumped.length === 0
      ? undefined
      : {
          behind: dumped,
          take: async (captured: readonly ManifestSource[]) => {
            await insistOnUnchanged(run, captured, dependencies, signal)
            await stopAll()
            lap('stopping, and a dump from what still runs')
          },
        }
  const lastPull = (): Promise<Snapshot> =>
    takeWhole(run, { purpose: 'cutover', stopped: true, turn }, dependencies, signal)
  if (services.from.manager === 'command' || savesAtStop(first)) {
    if (turn === undefined) {
      await stopAll()
      lap('stopping')
    } else await stopWriters()
    step('taking the last pull')
    const last = await lastPull()
    lap('the last pull')
    await insistOnSaved(run, first, last, signal)
    return { snapshot: withSettings(last, first), findings: [] }
  }
  await stopWriters()
  step('taking the last pull')
  const last = await takeWhole(run, { purpose: 'cutover', stopped: false }, dependencies, signal)
  if (turn === undefined) {
    await stopAll()
    lap('stopping, and a pull from what still runs')
  }
  step('pulling what was written until then')
  const late = withLateWrites(run, last, await lastPull())
  lap('the last pull')
  return late
}

/** TO does not serve, or at least is not meant to: FROM starts, and TO is undone if that is still to be done. */
async function startAgain(
  run: MigrationRun,
  fromDriver: RestoreDriver,
  error: RelayError,
  report: RestoreReport | undefined,
  dependencies: MigrateDependencies,
): Promise<Omit<MigrationResult, 'snapshots'>> {
  const { plan, log } = run
  const step = (text: string): void => log.step(plan.from, text)
  const failed = { outcome: 'failed' as const, sources: [], findings: report?.findings ?? [] }
  const rollback = `relay-backup rollback --host ${plan.from}`
  let serving: MigrationResult['serving'] = 'from'
  let next = error.details.next
  try {
    step('starting it again')
    const undone = await startFrom(fromDriver, run)
    for (const note of undone.notes) step(note)
    if (undone.outcome === 'stuck') {
      step(`stuck: ${undone.reason}`)
      serving = 'unknown'
      next = `${plan.from} does not start: correct that there, then run: ${rollback}`
    } else step('serves as before')
  } catch (lost) {
    if (!isOutOfReach(lost)) throw lost
    step(
      lost instanceof ConnectionError
        ? 'the connection is lost: it starts by itself within a minute'
        : 'it answers no more: it starts by itself when it can',
    )
    serving = 'unknown'
    next = `See that ${plan.from} serves: ${rollback}`
  }
  const unsettled =
    report?.outcome === 'failed' || report?.outcome === 'stuck'
      ? await settleTarget(run, dependencies)
      : undefined
  if (unsettled !== undefined) {
    log.step(plan.to, unsettled)
    next = `Look whether ${plan.to} serves, too, and undo it: ${plan.rollback}`
    if (serving === 'from') serving = 'unknown'
  }
  return { ...failed, serving, error: told(error, next) }
}

function told(error: RelayError, next: string | undefined): RelayError {
  if (error instanceof InterruptedError)
    return new InterruptedError(error.message, { ...error.details, next })
  if (error instanceof UndecidedError) return error
  return new RelayError(error.code, error.message, { ...error.details, next, cause: error })
}
