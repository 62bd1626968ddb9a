import type { HostConfig } from '../model/config.ts'
import type { MigrationPlan, MigrationReport } from '../model/migration-report.ts'
import type { RestoreReport } from '../model/restore-report.ts'
import type { RestoreDependencies } from '../restore/dependencies.ts'
import { openRestore, type LaunchRequest, type OpenRestore } from '../restore/open-restore.ts'
import type { ContainerMake } from '../services/contract.ts'
import type { ServerServices } from '../model/server-services.ts'
import { allKinds } from '../sources/registry.ts'
import { restoreInRun } from '../restore/restore-host.ts'
import type { Run } from '../runs/run.ts'
import { tellStep } from '../runs/tell-step.ts'
import type { Snapshot } from '../vault/contract.ts'
import type { MigrateDependencies } from './dependencies.ts'
import type { Side } from './look.ts'

/** A confirmed migration on its way. */
export interface MigrationRun {
  readonly plan: MigrationPlan
  readonly from: Side
  readonly to: HostConfig
  readonly services: { readonly from: ServerServices; readonly to: ServerServices }
  /** FROM's containers as they run. */
  readonly makes: readonly ContainerMake[]
  /** FROM's images on TO: their ids. */
  readonly images: ReadonlyMap<string, string | undefined>
  /** They may differ on TO. */
  readonly acceptMissing: boolean
  /** Of both hosts: each holds its lock in the vault. */
  readonly runs: { readonly from: Run; readonly to: Run }
  readonly log: MigrationLog
}

/** What happened, in order, on both hosts. */
export interface MigrationLog {
  readonly steps: { at: string; host: string; text: string }[]
  readonly step: (host: string, text: string) => void
}

export function openLog({ restore: { pull } }: MigrateDependencies): MigrationLog {
  const steps: { at: string; host: string; text: string }[] = []
  return {
    steps,
    step: (host, text) => steps.push({ at: tellStep(pull, host, text), host, text }),
  }
}

/** What a migration came to, as its report says it. */
export type MigrationResult = Pick<
  MigrationReport,
  'outcome' | 'serving' | 'snapshots' | 'sources' | 'findings' | 'error' | 'downtime' | 'laps'
>

/** Brings a snapshot of FROM to TO by a restore. */
export async function bring(
  run: MigrationRun,
  snapshot: Snapshot,
  dependencies: MigrateDependencies,
  signal: AbortSignal,
): Promise<RestoreReport> {
  const report = await restoreInRun(requestOf(run, snapshot), confirmed(dependencies), {
    ...run.runs.to,
    signal,
  })
  return told(run, report)
}

/** TO, locked and prepared with a snapshot of FROM as it still runs; see {@link openRestore}. */
export async function openTarget(
  run: MigrationRun,
  snapshot: Snapshot,
  dependencies: MigrateDependencies,
  signal: AbortSignal,
): Promise<OpenRestore> {
  const open = await openRestore(requestOf(run, snapshot), confirmed(dependencies), {
    ...run.runs.to,
    signal,
  })
  return { ...open, place: async (last, handOver) => told(run, await open.place(last, handOver)) }
}

function requestOf({ plan, to, services }: MigrationRun, snapshot: Snapshot): LaunchRequest {
  return {
    host: to,
    snapshot,
    paths: [],
    strategy: 'replace',
    dryRun: false,
    start: true,
    safety: true,
    // The plan has judged how FROM's services were made. What runs on TO is replaced by them.
    acceptChanges: true,
    launch: {
      id: plan.id,
      migration: { role: plan.cutover ? 'to' : 'rehearsal', host: plan.from },
      found: { services: services.to, usersLeft: [] },
      start: plan.start,
    },
  }
}

/** The migration as a whole was confirmed. */
function confirmed({ restore }: MigrateDependencies): RestoreDependencies {
  return { ...restore, confirm: () => Promise.resolve(true) }
}

/** The report as a part of the migration's. */
function told({ plan, to, log }: MigrationRun, report: RestoreReport): RestoreReport {
  // The plan has said which servers of data start there, by their images: a restore alone can't know before they run.
  const checks = allKinds().flatMap(({ engine }) => engine?.versionCheck ?? [])
  const known = checks.filter((one) =>
    plan.findings.some(({ check, outcome }) => check === one && outcome === 'ok'),
  )
  const findings = report.findings.filter(
    ({ check, outcome }) => !(outcome === 'warning' && known.includes(check)),
  )
  for (const { at, text } of report.steps) log.steps.push({ at, host: to.name, text })
  return { ...report, findings }
}

/** What is on TO beside what was captured. */
export function compareSources(snapshot: Snapshot, report: RestoreReport): MigrationReport['sources'] {
  return snapshot.manifest.sources.flatMap((source) => {
    const restored = report.restored.find((one) => one.source === source.name)
    if (restored === undefined) return []
    const { entries, bytes } = restored
    return [{ source: source.name, captured: source.facts, restored: { entries, bytes } }]
  })
}
