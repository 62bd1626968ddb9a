import type { HostConfig } from '../model/config.ts'
import type { MigrationPlan, MigrationReport } from '../model/migration-report.ts'
import type { RestoreReport } from '../model/restore-report.ts'
import type { Launch } from '../restore/launch.ts'
import type { ContainerMake } from '../services/contract.ts'
import type { ServerServices } from '../model/server-services.ts'
import { restoreInRun } from '../restore/restore-host.ts'
import type { Run } from '../runs/run.ts'
import type { Snapshot } from '../vault/contract.ts'
import type { MigrateDependencies } from './dependencies.ts'
import type { Side } from './look.ts'

/** A confirmed migration on its way. */
export interface Journey {
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
  readonly diary: Diary
}

/** What happened, in order, on both hosts. */
export interface Diary {
  readonly steps: { at: string; host: string; text: string }[]
  readonly step: (host: string, text: string) => void
}

export function openDiary({ restore: { pull } }: MigrateDependencies): Diary {
  const steps: { at: string; host: string; text: string }[] = []
  return {
    steps,
    step: (host, text) => {
      steps.push({ at: pull.now().toISOString(), host, text })
      pull.reporter.event({ type: 'host-step', host, step: text })
    },
  }
}

/** What carrying a migration out came to. */
export type Arrived = Pick<
  MigrationReport,
  'outcome' | 'serving' | 'snapshots' | 'sources' | 'findings' | 'error' | 'downtime' | 'laps'
>

/** Brings a snapshot of FROM to TO by a restore; `dryRun` looks whether it could be done, and changes nothing. */
export async function bring(
  journey: Journey,
  snapshot: Snapshot,
  options: Pick<Launch, 'handOver'> & { readonly dryRun: boolean },
  { restore }: MigrateDependencies,
  signal: AbortSignal,
): Promise<RestoreReport> {
  const { plan, to, services, runs, diary } = journey
  const report = await restoreInRun(
    {
      host: to,
      snapshot,
      paths: [],
      strategy: 'replace',
      dryRun: options.dryRun,
      start: true,
      safety: true,
      acceptChanges: true,
      launch: {
        id: plan.id,
        migration: { role: plan.cutover ? 'to' : 'rehearsal', host: plan.from },
        found: { services: services.to, usersLeft: [] },
        start: plan.start,
        handOver: options.handOver,
      },
    },
    // The migration as a whole was confirmed.
    { ...restore, confirm: () => Promise.resolve(true) },
    { ...runs.to, signal },
  )
  if (options.dryRun) return report
  // The plan has said which Redis starts there, by its image: a restore alone can't know before it runs.
  const isKnown = plan.findings.some(({ check, outcome }) => check === 'redis-version' && outcome === 'ok')
  const findings = report.findings.filter(
    ({ check, outcome }) => !(isKnown && check === 'redis-version' && outcome === 'warning'),
  )
  for (const { at, text } of report.steps) diary.steps.push({ at, host: to.name, text })
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
