import type { MigrateDependencies } from './dependencies.ts'
import { bring, compareSources, type MigrationResult, type MigrationRun } from './migration-run.ts'
import { takeWhole } from './take.ts'

/** Pulls FROM while it runs, and tries the snapshot out on TO. FROM notices nothing but the pull. */
export async function rehearse(
  run: MigrationRun,
  dependencies: MigrateDependencies,
  signal: AbortSignal,
): Promise<MigrationResult> {
  const { from, plan, log } = run
  const { pull } = dependencies.restore
  log.step(plan.from, 'pulling')
  const taking = async () => {
    await using _lock = await pull.lockDeployment(from.remote, from.deployment, {
      sudo: from.host.sudo,
      signal,
    })
    return await takeWhole(run, { purpose: 'pull', stopped: false }, dependencies, signal)
  }
  const snapshot = await taking()
  const report = await bring(run, snapshot, dependencies, signal)
  return {
    outcome: report.outcome === 'done' ? 'done' : 'failed',
    serving: report.outcome === 'done' && plan.start === 'all' ? 'both' : 'from',
    snapshots: { pull: snapshot.id, safety: report.safetySnapshot },
    sources: compareSources(snapshot, report),
    findings: report.findings,
    error: report.error,
  }
}
