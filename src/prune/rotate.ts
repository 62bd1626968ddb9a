import { VaultError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import type { RetentionPolicy } from '../model/config.ts'
import type { ScheduleLife } from '../model/schedule.ts'
import { snapshotTime } from '../model/names.ts'
import type { RotationReport } from '../model/pull-report.ts'
import { isTorn, isWhole, sourceFiles, typeGroup } from '../model/snapshot.ts'
import type { RetentionDecision } from '../retention/apply.ts'
import { describeRules } from '../retention/judge.ts'
import { restoresThatStand } from '../runs/restores-that-stand.ts'
import { datesInOrder } from '../retention/dates-in-order.ts'
import {
  applyPolicies,
  applySourceRetention,
  type ArchiveDecision,
  type HostPolicies,
  type SourceRetentionInput,
} from '../retention/per-source.ts'
import type { HostLock, Snapshot, Vault } from '../vault/contract.ts'
import { damageOf } from './damage.ts'

/** A host's policies as the config has them; a host that is no longer configured has the global one. */
export interface RotatedHost {
  readonly name: string
  readonly retention: RetentionPolicy
  readonly sources: readonly { readonly name: string; readonly retention?: RetentionPolicy | undefined }[]
  /** The schedules whose snapshots have a retention of their own. */
  readonly lives?: readonly ScheduleLife[] | undefined
}

/** The report of a pull's rotation, and every decision with its reasons for `prune`. */
export interface RotationOutcome extends RotationReport {
  /** Every snapshot on disk, in the order they were made. */
  readonly decisions: readonly RetentionDecision[]
  /** Archives removed from snapshots that stay. */
  readonly archives: readonly ArchiveDecision[]
}

/**
 * Applies the retention policy to a host: bring back what is kept again, retire, then single archives, then whole snapshots, newest first so
 * that no incremental outlives what it needs. Stopping anywhere leaves a vault that the next run continues
 * with. Does nothing while rotation is paused, and pauses (in the report) when the ledger is contradicted or a
 * snapshot that is to stay is not whole on disk: nothing is deleted before its replacement is proven. A dry run needs no lock.
 */
export async function rotateHost(
  vault: Vault,
  lock: HostLock | undefined,
  host: RotatedHost,
  now: Date,
  { dryRun, accept = false }: { readonly dryRun: boolean; readonly accept?: boolean },
): Promise<RotationOutcome> {
  const snapshots = await vault.snapshots(host.name, { retired: true })
  const plan = await planRotation(vault, host, snapshots, now)
  // A dry run writes no acceptance down, and goes on as the run that has done so.
  const accepted = dryRun && accept
  const paused = accepted ? undefined : await vault.rotationPaused(host.name)
  if (paused !== undefined) return waiting(plan, snapshots, host, paused)
  const [contradiction] = accepted ? [] : await vault.contradictions(host.name)
  if (contradiction !== undefined) {
    const why = `the vault was set back, or something was taken away from it: ${contradiction.message}`
    return waiting(plan, snapshots, host, why)
  }
  const damage = await damageOfKept(vault, host.name, plan, snapshots)
  if (damage !== undefined) return waiting(plan, snapshots, host, damage.message, damage.next)
  if (dryRun) return report(plan, snapshots, host)
  if (lock === undefined) throw new Error('rotation needs the lock of the host')

  const byId = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]))
  const later: (() => Promise<void>)[] = []
  const orLater = async (step: () => Promise<void>) => {
    await step().catch((error: unknown) => {
      if (!(error instanceof VaultError) || error.code !== 'disk-full') throw error
      later.push(step)
    })
  }
  for (const { id, action, reasons } of plan.decisions) {
    const snapshot = byId.get(id)
    if (action === 'keep' && snapshot?.retired === true) {
      await orLater(() => vault.reinstate(lock, snapshot, reasons.join('; '), now))
    }
    if (action === 'retire' && snapshot?.retired === false) {
      await orLater(() => vault.retire(lock, snapshot, reasons.join('; '), now))
    }
  }
  for (const { id, source, reasons } of plan.archives) {
    const snapshot = byId.get(id)
    const files = snapshot === undefined ? [] : presentFiles(snapshot, source)
    if (snapshot !== undefined) {
      await orLater(() => vault.removeArchives(lock, snapshot, files, reasons.join('; '), now))
    }
  }
  for (const { id, action, reasons } of plan.decisions.toReversed()) {
    const snapshot = byId.get(id)
    if (action === 'remove' && snapshot !== undefined) {
      await vault.remove(lock, snapshot, reasons.join('; '), now)
    }
  }
  // On a full disk there was no room for the ledger's lines about these. The removals have made room.
  for (const step of later) await step()
  return report(plan, snapshots, host)
}

interface RotationPlan {
  readonly decisions: readonly RetentionDecision[]
  readonly archives: readonly ArchiveDecision[]
}

async function planRotation(
  vault: Vault,
  host: RotatedHost,
  snapshots: readonly Snapshot[],
  now: Date,
): Promise<RotationPlan> {
  const own = host.sources.flatMap(({ name, retention }) =>
    retention === undefined ? [] : [[name, retention] as const],
  )
  const policies: HostPolicies = {
    host: host.retention,
    sources: new Map(own),
    schedules: new Map(host.lives?.map(({ name, keep }) => [name, keep])),
  }
  const goodRestores = restoresThatStand(await vault.runs(host.name))
  const recorded = snapshots.filter(({ unrecorded }) => unrecorded !== true)
  const dates = datesInOrder(
    recorded.map(({ id }) => snapshotTime(id)),
    now,
  )
  const dateOf = new Map(recorded.map(({ id }, at) => [id, dates[at]]))
  const inputs = snapshots.map((snapshot) => retentionInput(snapshot, dateOf.get(snapshot.id)))
  const decisions = applyPolicies(inputs, policies, now, goodRestores)
  return { decisions, archives: applySourceRetention(inputs, decisions, policies, now) }
}

function retentionInput(snapshot: Snapshot, date: Date | undefined): SourceRetentionInput {
  const { manifest } = snapshot
  const sources = manifest.sources.filter(({ name }) => presentFiles(snapshot, name).length > 0)
  return {
    id: snapshot.id,
    time: date ?? snapshotTime(snapshot.id),
    purpose: manifest.purpose,
    complete: manifest.complete,
    group: manifest.complete ? undefined : typeGroup(manifest),
    // What lost a part when it was retired is not whole any more, and does not come back.
    retired: snapshot.retired && snapshot.removedFiles.size > 0,
    damaged: snapshot.lossAccepted,
    held: snapshot.unrecorded === true ? 'the ledger does not know it' : undefined,
    parents: sources.flatMap(({ parents }) => parents),
    sources: sources.map(({ name, parents }) => ({ name, parents })),
    schedule: manifest.schedule,
    asAsked: manifest.selection.every((name) =>
      sources.some((one) => one.name === name && isWhole(one) && !isTorn(one)),
    ),
  }
}

/** Files of a source that per-source retention has not removed yet. */
function presentFiles(snapshot: Snapshot, source: string): string[] {
  const found = snapshot.manifest.sources.find(({ name }) => name === source)
  if (found === undefined) return []
  return sourceFiles(found)
    .map(({ file }) => file)
    .filter((file) => !snapshot.removedFiles.has(file))
}

/**
 * The problem of a snapshot that stays while others are to go, or of one that it builds on. What a person has given up
 * is no reason to wait: it counts for nothing.
 */
async function damageOfKept(
  vault: Vault,
  host: string,
  plan: RotationPlan,
  snapshots: readonly Snapshot[],
): Promise<{ readonly message: string; readonly next: string } | undefined> {
  const goes = plan.archives.length > 0 || plan.decisions.some(({ action }) => action === 'remove')
  if (!goes) return undefined
  const stays = new Set(plan.decisions.filter(({ action }) => action !== 'remove').map(({ id }) => id))
  const relied = snapshots.filter(({ id, lossAccepted }) => stays.has(id) && lossAccepted !== true)
  const problems = await damageOf(vault, host, relied, snapshots)
  const [problem] = problems
  if (problem === undefined) return undefined
  const where = [problem.snapshot, problem.file].filter((part) => part !== undefined).join('/')
  const ids = [...new Set(problems.map(({ snapshot }) => snapshot))].sort()
  return {
    message: `a snapshot that is to stay is damaged (${where}: ${problem.message})`,
    next: `Put it back from a copy of the vault, and prove it with: relay-backup verify ${host}. If it is lost, go on without it: relay-backup prune ${host} --accept-loss ${ids.join(' ')}`,
  }
}

/** What the history has of a rotation that waits. */
export function pausedFinding(rotation: RotationReport | undefined): Finding[] {
  if (rotation?.paused === undefined) return []
  return [{ check: 'rotation-paused', outcome: 'warning', message: rotation.paused }]
}

/** The next step where rotation waits for a person to look. */
export function acceptPause(host: string): string {
  return `If that is right, run: relay-backup prune ${host} --accept`
}

/** While rotation is paused nothing is removed, whatever is decided. */
function waiting(
  plan: RotationPlan,
  snapshots: readonly Snapshot[],
  host: RotatedHost,
  paused: string,
  next = acceptPause(host.name),
): RotationOutcome {
  return { ...report(plan, snapshots, host), removed: [], retired: [], reinstated: [], paused, next }
}

function report(
  { decisions, archives }: RotationPlan,
  snapshots: readonly Snapshot[],
  host: RotatedHost,
): RotationOutcome {
  const before = new Set(snapshots.filter(({ retired }) => retired).map(({ id }) => id))
  const of = (wanted: RetentionDecision['action']) =>
    decisions
      .filter(({ action }) => action === wanted)
      .map(({ id, reasons }) => ({ snapshot: id, why: reasons.join('; ') }))
  return {
    kept: of('keep').length,
    keptBy: keptBy(decisions, snapshots, host),
    reinstated: of('keep').filter(({ snapshot }) => before.has(snapshot)),
    needed: of('retire').length,
    removed: of('remove'),
    retired: of('retire').filter(({ snapshot }) => !before.has(snapshot)),
    decisions,
    archives,
  }
}

/** Why the kept ones stay. Only complete pulls use up a place of the policy. */
function keptBy(
  decisions: readonly RetentionDecision[],
  snapshots: readonly Snapshot[],
  { retention, sources }: RotatedHost,
): RotationOutcome['keptBy'] {
  const byId = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]))
  const counts = new Map<string, number>()
  for (const { id, action, reasons } of decisions) {
    const snapshot = byId.get(id)
    if (action !== 'keep' || snapshot === undefined) continue
    const own = sources.find(({ name }) => reasons[0]?.startsWith(`${name}: `) === true)
    const schedule = /^schedule ([^:]+): /.exec(reasons[0] ?? '')?.[1]
    const why =
      schedule !== undefined
        ? `by the schedule ${schedule}`
        : own === undefined
          ? whyKept(snapshot, describeRules(retention))
          : `by the policy of ${own.name}`
    counts.set(why, (counts.get(why) ?? 0) + 1)
  }
  return [...counts].map(([why, count]) => ({ why, count }))
}

function whyKept({ manifest, unrecorded, lossAccepted }: Snapshot, rules: string): string {
  if (unrecorded === true) return 'not in the ledger'
  if (lossAccepted === true) return 'given up as damaged'
  if (manifest.purpose !== 'pull') return manifest.purpose
  const group = typeGroup(manifest)
  if (!manifest.complete) return group === undefined ? 'not complete' : `as the ${group}`
  return rules === '' ? 'by a policy without a rule' : `by ${rules}`
}
