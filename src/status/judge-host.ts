import type { AlertsConfig } from '../model/config.ts'
import { snapshotTime } from '../model/names.ts'
import type { RunRecord } from '../model/run-record.ts'
import { storedBytes } from '../model/snapshot.ts'
import type { HostStatus, LastGood, RunCount, Trouble } from '../model/status-report.ts'
import { formatCount, formatDuration } from '../model/units.ts'
import { formatAge } from '../report/format.ts'
import { heldBytes } from '../sources/held-bytes.ts'
import { anomalies } from './anomaly.ts'
import { aboutRun, failingTrouble, isDone, judgePulls } from './judge-pulls.ts'
import { completePulls, type Snapshot } from '../vault/contract.ts'

/** What is known of a host. */
export interface HostFacts {
  readonly host: string
  /** In the order they were made, retired ones too. */
  readonly snapshots: readonly Snapshot[]
  /** Oldest first. */
  readonly runs: readonly RunRecord[]
  /** Why rotation waits for a person. */
  readonly rotationPaused?: string | undefined
  /** What says that the vault once held more of this host. */
  readonly setBack?: string | undefined
}

const COUNTED_PULLS = 30
const SIZES = 14
/** ms by which a clock may have gone back. */
const CLOCK_TOLERANCE = 60_000

/** How the backups of a host stand at `now`: a function of its history and its snapshots. */
export function judgeHost(facts: HostFacts, alerts: AlertsConfig, now: Date): HostStatus {
  const { host, snapshots, runs } = facts
  const complete = completePulls(snapshots)
  const good = complete.filter(({ damage }) => damage === undefined)
  const newest = complete.at(-1)
  const held = complete
    .slice(-SIZES - 1)
    .map(({ manifest }) => manifest.sources.reduce((sum, source) => sum + heldBytes(source), 0))
  const sizes = held.slice(-SIZES)
  const pulls = judgePulls(runs, snapshots)
  const counted = pulls.whole.slice(-COUNTED_PULLS)
  const lastPull = pulls.whole.at(-1)
  const failing = failingTrouble(host, pulls, alerts, now)
  const verified = runs
    .filter(({ operation, outcome }) => operation === 'verify' && outcome === 'done')
    .at(-1)
  const lastGood = lastGoodOf(host, good.at(-1), now)
  return {
    host,
    lastGood,
    lastPull: lastPull && {
      finishedAt: lastPull.finishedAt,
      outcome: lastPull.outcome,
      seconds: secondsOf(lastPull),
    },
    failuresInARow: pulls.failuresInARow,
    pulls: { good: counted.filter(isDone).length, of: counted.length },
    size: newest === undefined ? undefined : sizes.at(-1),
    sizes,
    storedBytes: snapshots.reduce((sum, snapshot) => sum + storedBytes(snapshot), 0),
    snapshots: snapshots.filter(({ retired }) => !retired).length,
    lastVerified: verified?.finishedAt,
    runs: countRuns(runs),
    troubles: [
      ...backupTroubles(host, lastGood, alerts, now),
      ...damageTroubles(host, snapshots),
      ...(failing === undefined ? [] : [failing]),
      ...otherTroubles(facts),
      ...anomalies(host, { sizes: held, seconds: counted.filter(isDone).map(secondsOf) }, alerts),
    ],
  }
}

function secondsOf({ at, finishedAt }: RunRecord): number {
  return Math.max(0, Date.parse(finishedAt) - Date.parse(at)) / 1000
}

function lastGoodOf(host: string, snapshot: Snapshot | undefined, now: Date): LastGood | undefined {
  if (snapshot === undefined) return undefined
  return {
    snapshot: `${host}/${snapshot.id}`,
    createdAt: snapshot.manifest.createdAt,
    ageMs: now.getTime() - snapshotTime(snapshot.id).getTime(),
  }
}

function backupTroubles(
  host: string,
  lastGood: LastGood | undefined,
  { overdueAfter }: AlertsConfig,
  now: Date,
): Trouble[] {
  const pull = `relay-backup pull ${host}`
  if (lastGood === undefined)
    return [
      {
        code: 'never',
        about: '',
        message: 'there is no complete backup yet',
        next: `Make the first with: ${pull}`,
      },
    ]
  if (lastGood.ageMs < -CLOCK_TOLERANCE)
    return [
      {
        code: 'overdue',
        about: 'future',
        message: `the last good backup is dated ${formatDuration(-lastGood.ageMs)} ahead of this computer's clock, so nobody knows how old it is`,
        next: `Set the clock right if it is wrong now; then make a backup: ${pull}`,
      },
    ]
  if (lastGood.ageMs <= overdueAfter) return []
  return [
    {
      code: 'overdue',
      about: '',
      message: `the last good backup was made ${formatAge(now.getTime() - Date.parse(lastGood.createdAt))}, and one is expected every ${formatDuration(overdueAfter)}`,
      next: `Make one now: ${pull}; and see why the schedule made none`,
    },
  ]
}

function damageTroubles(host: string, snapshots: readonly Snapshot[]): Trouble[] {
  const damaged = snapshots.filter(
    ({ damage, lossAccepted }) => damage !== undefined && lossAccepted !== true,
  )
  if (damaged.length === 0) return []
  const [first] = damaged
  return [
    {
      code: 'damaged',
      about: damaged.map(({ id }) => id).join(' '),
      message: `${formatCount(damaged.length, 'snapshot')} ${damaged.length === 1 ? 'was' : 'were'} found damaged: ${host}/${first?.id ?? ''}${damaged.length === 1 ? '' : ' and others'}`,
      next: `See how with: relay-backup verify ${host}`,
    },
  ]
}

function otherTroubles({ host, runs, rotationPaused, setBack }: HostFacts): Trouble[] {
  const troubles: Trouble[] = []
  const verified = runs.filter(
    ({ operation, outcome }) => operation === 'verify' && outcome !== 'interrupted',
  )
  if (verified.at(-1)?.outcome === 'failed')
    troubles.push({
      code: 'verify-failed',
      about: aboutRun(verified.at(-1)),
      message: 'the last verification found something wrong',
      next: `See what with: relay-backup verify ${host}`,
    })
  const changed = runs.filter(({ operation }) => CHANGES_SERVERS.has(operation)).at(-1)
  if (changed?.outcome === 'lost')
    troubles.push({
      code: 'cut-off',
      about: changed.at,
      message: `the last ${changed.operation} was cut off`,
      next: `See what it left, and settle it, with: relay-backup rollback --host ${host}`,
    })
  if (setBack !== undefined)
    troubles.push({
      code: 'set-back',
      about: setBack,
      message: setBack,
      next: `See all of it with: relay-backup verify ${host}`,
    })
  if (rotationPaused !== undefined)
    troubles.push({
      code: 'rotation-paused',
      about: rotationPaused,
      message: `rotation is paused: ${rotationPaused}`,
      next: `If that is right, run: relay-backup prune ${host} --accept`,
    })
  return troubles
}

const CHANGES_SERVERS: ReadonlySet<string> = new Set(['restore', 'rollback', 'migrate'])

/** How many runs of each operation ended how. */
export function countRuns(runs: readonly RunRecord[]): RunCount[] {
  const counts = new Map<
    string,
    { operation: RunCount['operation']; outcome: RunCount['outcome']; count: number }
  >()
  for (const { operation, outcome } of runs) {
    const key = `${operation} ${outcome}`
    const entry = counts.get(key) ?? { operation, outcome, count: 0 }
    entry.count += 1
    counts.set(key, entry)
  }
  return [...counts.values()]
}
