import type { BackupReport, ReportedHost, ReportPeriod } from '../model/backup-report.ts'
import type { RunRecord } from '../model/run-record.ts'
import { storedBytes } from '../model/snapshot.ts'
import type { HostStatus, StatusReport } from '../model/status-report.ts'
import type { LedgerRecord, Snapshot } from '../vault/contract.ts'
import { daysUntilFull, GROWTH_WINDOW, growthPerDay, heldPoints, vaultGrowth } from './growth.ts'
import { countRuns } from './judge-host.ts'
import { cameTo } from './judge-pulls.ts'

const DAY = 86_400_000
const LENGTHS: Readonly<Record<ReportPeriod, number>> = { day: DAY, week: 7 * DAY, month: 30 * DAY }

/** What is known of a host, beside its status. */
export interface ReportFacts {
  readonly host: string
  /** In the order they were made, retired ones too. */
  readonly snapshots: readonly Snapshot[]
  /** Oldest first. */
  readonly runs: readonly RunRecord[]
  readonly ledger: readonly LedgerRecord[]
}

/** What became of the backups in the period before `now`: a function of the status, the histories and the vault. */
export function buildReport(
  { period, machine }: { readonly period: ReportPeriod; readonly machine: string },
  status: StatusReport,
  facts: readonly ReportFacts[],
  now: Date,
): BackupReport {
  const from = new Date(now.getTime() - LENGTHS[period])
  const hosts = facts.map((one) =>
    reportHost(
      one,
      status.hosts.find(({ host }) => host === one.host),
      from,
      now,
    ),
  )
  const known = hosts.flatMap(({ vault }) => vault.growth ?? [])
  const growth = known.length === 0 ? undefined : known.reduce((sum, one) => sum + one, 0)
  const { disk } = status
  return {
    period,
    from: from.toISOString(),
    to: now.toISOString(),
    machine,
    disk,
    growth,
    daysLeft: disk && daysUntilFull(disk.free, growth),
    attention: [
      ...status.troubles.map(({ code, message, next }) => ({ code, message, next })),
      ...status.hosts.flatMap(({ host, troubles }) =>
        troubles.map(({ code, message, next }) => ({ host, code, message, next })),
      ),
    ],
    hosts,
  }
}

function reportHost(
  { host, snapshots, runs, ledger }: ReportFacts,
  status: HostStatus | undefined,
  from: Date,
  now: Date,
): ReportedHost {
  const isIn = (at: string) => Date.parse(at) > from.getTime() && Date.parse(at) <= now.getTime()
  const own = runs.filter(({ finishedAt, operation }) => isIn(finishedAt) && operation !== 'notify')
  const pulls = own.filter(({ operation }) => operation === 'pull')
  const timed = pulls.map((run) => ({ at: run.at, seconds: secondsOf(run) }))
  const made = pulls.flatMap(({ at, sources = [] }) =>
    sources.map(({ name, bytes }) => ({ at, source: name, bytes })),
  )
  const kept = snapshots.filter(({ retired }) => !retired)
  const names = [...new Set(snapshots.flatMap(({ manifest }) => manifest.sources.map(({ name }) => name)))]
  const { lastGood } = status ?? {}
  return {
    host,
    lastGood: lastGood && { snapshot: lastGood.snapshot, at: lastGood.createdAt },
    runs: countRuns(own),
    failures: own
      .filter(({ outcome }) => outcome !== 'done' && outcome !== 'interrupted')
      .map((run) => ({
        at: run.finishedAt,
        operation: run.operation,
        outcome: run.outcome,
        reason: cameTo(run),
      })),
    sources: names.map((source) => {
      const points = heldPoints(snapshots, source)
      return {
        source,
        sizes: points
          .filter(({ at }) => at >= now.getTime() - GROWTH_WINDOW)
          .map(({ at, bytes }) => ({ at: new Date(at).toISOString(), bytes })),
        growth: growthPerDay(points, now),
      }
    }),
    slowest: timed.toSorted((one, other) => other.seconds - one.seconds)[0],
    biggest: made.toSorted((one, other) => other.bytes - one.bytes)[0],
    proven: (['verify', 'restore'] as const).flatMap((what) => {
      const last = runs.findLast(({ operation, outcome }) => operation === what && outcome === 'done')
      return last === undefined ? [] : [{ what, at: last.finishedAt }]
    }),
    removed: removals(ledger.filter(({ at }) => isIn(at))),
    vault: {
      bytes: snapshots.reduce((sum, one) => sum + storedBytes(one), 0),
      snapshots: kept.length,
      growth: vaultGrowth(ledger, runs, snapshots, now),
    },
  }
}

function removals(ledger: readonly LedgerRecord[]): ReportedHost['removed'] {
  const counts = new Map<string, number>()
  for (const line of ledger)
    if (line.event === 'removed') counts.set(line.why, (counts.get(line.why) ?? 0) + 1)
  return [...counts].map(([why, count]) => ({ why, count }))
}

function secondsOf({ at, finishedAt }: RunRecord): number {
  return Math.max(0, Date.parse(finishedAt) - Date.parse(at)) / 1000
}
