import { InterruptedError, UsageError } from '../errors.ts'
import type { HostConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import { snapshotId } from '../model/names.ts'
import type { MigrationPlan, MigrationReport } from '../model/migration-report.ts'
import type { RunDowntime } from '../model/run-record.ts'
import { lookAtSources } from '../pull/look-at-sources.ts'
import { namesToProbe } from '../pull/select-sources.ts'
import { refusalOf } from '../runs/refusal.ts'
import { outcomeOf, withRun, type Ended } from '../runs/run.ts'
import { tellHosts, type HostEnd } from '../runs/tell-hosts.ts'
import { visit, type Visit } from '../runs/visit.ts'
import type { ServerServices } from '../model/server-services.ts'
import { cutOver } from './cutover.ts'
import type { MigrateDependencies } from './dependencies.ts'
import { openLog, type MigrationResult, type MigrationRun } from './migration-run.ts'
import { lookAtBoth } from './look-both.ts'
import { missingFiles } from './plan-needs.ts'
import { planMigration, type MovedSource } from './plan.ts'
import { rehearse } from './rehearse.ts'
import { makeVolumes } from './volumes.ts'

/** What is moved where. */
export interface MigrationRequest {
  readonly from: HostConfig
  readonly to: HostConfig
  readonly cutover: boolean
  /** Start all services on TO, and not only the data services. */
  readonly start: boolean
  /** What is there on TO may make room. */
  readonly replace: boolean
  /** What the containers need and no source holds may stay behind. */
  readonly acceptMissing: boolean
  readonly dryRun: boolean
}

/**
 * Moves a deployment to another server, or tries that out there: a run of both hosts, with both locks. Throws what
 * stopped it before a server was touched; what came after is in the report.
 */
export async function migrateHosts(
  request: MigrationRequest,
  dependencies: MigrateDependencies,
  signal: AbortSignal,
): Promise<MigrationReport> {
  const { from, to } = request
  const { pull } = dependencies.restore
  if (from.name === to.name) {
    throw new UsageError(`${to.name} can't be moved to itself`, { next: 'Name two hosts of the config.' })
  }
  const told = { reporter: pull.reporter, ends: true }
  const tellEnd = ({ outcome, error }: MigrationReport): HostEnd => error ?? outcome
  return await tellHosts([from.name, to.name], told, tellEnd, () => inBothRuns(request, dependencies, signal))
}

async function inBothRuns(
  request: MigrationRequest,
  dependencies: MigrateDependencies,
  signal: AbortSignal,
): Promise<MigrationReport> {
  const { from, to, dryRun } = request
  const { pull } = dependencies.restore
  const common = { operation: 'migrate', locks: true, dryRun } as const
  return await withRun({ ...common, host: from }, pull, signal, (fromRun) => {
    const told = { ...pull, reporter: fromRun.reporter }
    // The time of the run of both is bounded by FROM's `runTimeout`.
    return withRun({ ...common, host: { name: to.name } }, told, fromRun.signal, async (toRun) => {
      const restore = { ...dependencies.restore, pull: { ...pull, reporter: toRun.reporter } }
      const runs = { from: fromRun, to: toRun }
      const result = await migrateInRuns(request, { ...dependencies, restore }, runs)
      return { result: { result, end: endOf(result, 'from') }, end: endOf(result, 'to') }
    })
  })
}

/** As each host's history has it. */
function endOf(
  { plan, outcome, snapshots, sources, findings, error, downtime }: MigrationReport,
  role: 'from' | 'to',
): Ended {
  const restored = sources.map(({ source, restored: { entries, bytes } }) => ({
    name: source,
    outcome: 'done' as const,
    entries,
    bytes,
  }))
  return {
    outcome: outcome === 'done' ? 'done' : error === undefined ? 'failed' : outcomeOf(error),
    snapshot: role === 'from' ? (snapshots.cutover ?? snapshots.pull) : snapshots.safety,
    sources: role === 'from' ? [] : restored,
    findings,
    error,
    ...(outcome === 'done' && downtime !== undefined ? { downtime: downtimeOf(plan, downtime) } : {}),
  }
}

function downtimeOf({ from, to, sources }: MigrationPlan, milliseconds: number): RunDowntime {
  const bytes = sources.reduce((sum, source) => sum + source.bytes, 0)
  return { seconds: milliseconds / 1000, bytes, from, to }
}

/** Preflight on both → confirm → pull → restore → compare. */
async function migrateInRuns(
  request: MigrationRequest,
  dependencies: MigrateDependencies,
  runs: MigrationRun['runs'],
): Promise<MigrationReport> {
  const { from, to, cutover, dryRun } = request
  const { started, signal } = runs.from
  const { pull } = dependencies.restore
  const log = openLog(dependencies)
  const looksFor = { names: namesToProbe(from), shellFor: 'migrate' }
  const step = (host: string) => (text: string) => log.step(host, text)
  await using fromVisit = await visit(from, { ...looksFor, step: step(from.name) }, pull, signal)
  const {
    looks,
    sides,
    services: found,
    images,
    engines,
    loads,
    sources,
    needs,
    changed,
    makes,
    ...volumes
  } = await lookAtBoth(fromVisit, to, dependencies, step(to.name))
  const services = request.acceptMissing
    ? { ...found, to: withoutFiles(found.to, missingFiles({ from: looks.from, needs })) }
    : found
  const looked = planMigration({
    id: snapshotId(started),
    ...looks,
    cutover,
    start: request.start,
    replace: request.replace,
    services,
    sources,
    images,
    engines,
    loads,
    needs,
    changed,
    missingVolumes: volumes.missingVolumes,
    volumesMade: volumes.volumesToMake !== undefined,
    acceptMissing: request.acceptMissing,
    history: { from: await pull.vault.runs(from.name), to: await pull.vault.runs(to.name) },
  })
  // The pull itself says it, else.
  const unfit = dryRun ? await captureFindings(fromVisit, sources, dependencies) : []
  const plan = { ...looked, findings: [...looked.findings, ...unfit] }
  const refusal = refusalOf(plan.findings, {
    host: plan.to,
    next: 'Correct that, then migrate again.',
  })
  const report = (result: MigrationResult): MigrationReport => ({
    plan,
    steps: log.steps.toSorted((left, right) => left.at.localeCompare(right.at)),
    duration: pull.now().getTime() - started.getTime(),
    ...result,
  })
  if (dryRun) {
    return report({
      outcome: 'planned',
      serving: 'from',
      snapshots: {},
      sources: [],
      findings: plan.findings,
      error: refusal,
    })
  }
  if (refusal !== undefined) throw refusal
  if (!(await dependencies.confirm(plan)))
    throw new InterruptedError('Not confirmed; nothing was changed', { host: to.name })
  const run: MigrationRun = {
    plan,
    from: sides.from,
    to,
    services,
    makes,
    images,
    acceptMissing: request.acceptMissing,
    runs,
    log,
  }
  if (volumes.volumesToMake !== undefined) {
    log.step(to.name, 'having Compose make its volumes')
    await using place = await visit(to, { shellFor: 'migrate' }, pull, signal)
    await makeVolumes(
      sides.from,
      { ...sides.to, remote: place.remote },
      volumes.volumesToMake,
      plan.id,
      signal,
    )
  }
  const result = await (cutover ? cutOver : rehearse)(run, dependencies, signal)
  return report({ ...result, findings: [...plan.findings, ...result.findings] })
}

/** Compose's arguments without files that are not going to be there. */
function withoutFiles(services: ServerServices, missing: readonly string[]): ServerServices {
  if (services.manager !== 'compose') return services
  const { args } = services
  const isGone = (at: number): boolean =>
    ['--file', '--env-file'].includes(args[at] ?? '') && missing.includes(args[at + 1] ?? '')
  return { ...services, args: args.filter((_arg, at) => !isGone(at) && !isGone(at - 1)) }
}

/** What keeps FROM's sources from being captured, as its pull would say it. */
async function captureFindings(
  place: Visit,
  sources: readonly MovedSource[],
  { restore: { pull } }: MigrateDependencies,
): Promise<Finding[]> {
  const moved = sources.map(({ source }) => source)
  const looks = await lookAtSources(place, moved, pull, { excludes: false })
  return looks.flatMap(({ source, error }) =>
    error === undefined
      ? []
      : [
          {
            check: 'capture',
            outcome: 'failed' as const,
            message: `${source.name} of ${place.host.name} can't be captured: ${error.message}`,
            next: error.details.next,
          },
        ],
  )
}
