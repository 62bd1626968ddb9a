import type { MigrateDependencies } from './dependencies.ts'
import { bring, compareSources, type Arrived, type Journey } from './journey.ts'
import { takeWhole } from './take.ts'

/** Pulls FROM while it runs, and tries the snapshot out on TO. FROM notices nothing but the pull. */
export async function rehearse(
  journey: Journey,
  dependencies: MigrateDependencies,
  signal: AbortSignal,
): Promise<Arrived> {
  const { from, plan, diary } = journey
  const { pull } = dependencies.restore
  diary.step(plan.from, 'pulling')
  const taking = async () => {
    await using _lock = await pull.lockDeployment(from.remote, from.deployment, {
      sudo: from.host.sudo,
      signal,
    })
    return await takeWhole(journey, { purpose: 'pull', held: false }, dependencies, signal)
  }
  const snapshot = await taking()
  const report = await bring(journey, snapshot, dependencies, signal)
  return {
    outcome: report.outcome === 'done' ? 'done' : 'failed',
    serving: report.outcome === 'done' && plan.start === 'all' ? 'both' : 'from',
    snapshots: { pull: snapshot.id, safety: report.safetySnapshot },
    sources: compareSources(snapshot, report),
    findings: report.findings,
    error: report.error,
  }
}
