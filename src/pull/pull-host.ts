import { abortedBy, expected, InterruptedError, RelayError } from '../errors.ts'
import { Disposables } from '../model/disposables.ts'
import type { HostConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import type { HostPullReport, RotationReport, SourcePullReport } from '../model/pull-report.ts'
import { snapshotTime } from '../model/names.ts'
import { scheduleOf, type RunPart } from '../model/run-record.ts'
import { contentOf, isTorn, isWhole, typeGroup, VAULT_FORMAT } from '../model/snapshot.ts'
import type { Manifest, ManifestSource, Purpose, SnapshotWarning } from '../model/snapshot.ts'
import type { HostProbe } from '../remote/contract.ts'
import { completePulls, type HostLock, type PendingSnapshot, type Snapshot } from '../vault/contract.ts'
import type { PullDependencies, PullOptions } from './dependencies.ts'
import { freshEnough } from './freshness.ts'
import { openJournalsOf } from './plan.ts'
import { SFTP_ONLY } from '../runs/access.ts'
import { outcomeOf, withRun, type Ended as RunEnded, type Run } from '../runs/run.ts'
import { visit, type Visit } from '../runs/visit.ts'
import { asType } from './capture-type.ts'
import { captureSources, type CaptureTurn } from './capture-sources.ts'
import type { NextListing } from './incremental/next-listing.ts'
import { resumeLeftServices } from './quiesce.ts'
import { acceptPause, pausedFinding, rotateHost } from '../prune/rotate.ts'
import { serverVersions, versionsUnknown } from './server-versions.ts'
import { namesToProbe, selectSources, type SourceSelection } from './select-sources.ts'
import { setBackFinding } from './set-back.ts'
import { heldBytes } from '../sources/held-bytes.ts'
import { tellHosts, type HostEnd } from '../runs/tell-hosts.ts'
import { findShrinkage, type Shrinkage } from './shrinkage.ts'

type Ended = Omit<HostPullReport, 'host' | 'duration'>

/**
 * Pulls one host, start to end: lock → connect → probe → capture each source → commit → rotate → history.
 * Takes at most the host's `runTimeout`. Always resolves, with what happened; a defect is a failure of this host, with InternalError.
 */
export async function pullHost(
  host: HostConfig,
  options: PullOptions,
  dependencies: PullDependencies,
  stop: AbortSignal,
): Promise<HostPullReport> {
  const { reporter, now } = dependencies
  const started = now()
  const tellEnd = ({ error, snapshot, outcome }: Ended): HostEnd => error ?? snapshot ?? outcome
  const ended = await tellHosts([host.name], { reporter }, tellEnd, () =>
    withRun(
      { operation: 'pull', host, locks: true, only: partOf(host, options) },
      dependencies,
      stop,
      async (run) => {
        const result = await pullUnderLock(host, options, { ...dependencies, reporter: run.reporter }, run)
        return { result, end: endOf(result) }
      },
    ).catch((error: RelayError): Ended => ({ outcome: outcomeOf(error), sources: [], error })),
  )
  return { host: host.name, ...ended, duration: now().getTime() - started.getTime() }
}

/** Undefined where all of the host is asked for. */
function partOf({ sources }: HostConfig, { sources: asked = [], type }: PullOptions): RunPart | undefined {
  const isAll = asked.length === 0 || sources.every(({ name }) => asked.includes(name))
  const isTyped = type !== undefined && type !== 'full'
  if (isAll && !isTyped) return undefined
  return { ...(isAll ? {} : { sources: asked }), ...(isTyped ? { type } : {}) }
}

async function pullUnderLock(
  host: HostConfig,
  options: PullOptions,
  dependencies: PullDependencies,
  { lock, signal }: Run,
): Promise<Ended> {
  const { vault, now } = dependencies
  if (lock === undefined) throw new Error('a pull needs the lock of the host')
  if (options.ifOlderThan !== undefined) {
    const age = freshEnough(await vault.snapshots(host.name), options.ifOlderThan, now())
    if (age !== undefined) return { outcome: 'skipped', age, sources: [] }
  }
  let captured: CapturedHost | undefined
  let rotation: RotationReport | undefined
  let error: RelayError | undefined
  try {
    await captureHost(host, options, dependencies, lock, signal, (taken) => (captured = taken))
    if (captured?.snapshot !== undefined)
      rotation = await rotate(host, options, dependencies, lock, captured.snapshot)
  } catch (thrown) {
    // What is committed is there, whatever becomes of the connection, the server's lock, or the rotation.
    if (captured?.snapshot === undefined) throw thrown
    error = (signal.aborted ? abortedBy(signal) : expected(thrown)).withDetails({ host: host.name })
  }
  if (captured === undefined) throw new Error('a capture ended without a word')
  const { snapshot, sources, findings, compose } = captured
  if (snapshot === undefined) {
    const reason = errorOfAll(sources)
    return { outcome: reason ? outcomeOf(reason) : 'failed', compose, sources, findings, error: reason }
  }
  const failed =
    error !== undefined ||
    sources.some((source) => source.outcome !== 'done') ||
    findings.some((finding) => finding.outcome === 'failed')
  return {
    outcome: error instanceof InterruptedError ? 'interrupted' : failed ? 'partial' : 'done',
    snapshot: snapshot.id,
    complete: snapshot.manifest.complete,
    compose,
    sources,
    findings,
    rotation,
    error,
  }
}

/** As the history has it. */
function endOf({ outcome, snapshot, complete, sources, findings, rotation, error }: Ended): RunEnded {
  const counts = new Map<string, number>()
  for (const { code, count } of sources.flatMap((source) => source.warnings))
    counts.set(code, (counts.get(code) ?? 0) + count)
  return {
    outcome,
    snapshot,
    complete,
    sources: sources.map(({ source, outcome: came, bytes, wireBytes, entries, seconds, error: why }) => ({
      name: source,
      outcome: came,
      bytes,
      wireBytes,
      entries,
      seconds,
      code: why?.code,
    })),
    warnings: [...counts].map(([code, count]) => ({ code, count })),
    rotation: rotation && { kept: rotation.kept, removed: rotation.removed.length },
    findings: [...(findings ?? []), ...pausedFinding(rotation)],
    error,
  }
}

/** Why nothing was captured: the sources' common reason, or that each has its own. */
function errorOfAll(sources: readonly SourcePullReport[]): RelayError | undefined {
  const errors = sources.flatMap((source) => source.error ?? [])
  const [first] = errors
  if (first === undefined || errors.every((error) => error.message === first.message)) return first
  return new RelayError('nothing-captured', `none of the ${errors.length} sources could be captured`, {
    next: 'Do what each source says, then pull again.',
  })
}

/** What taking one snapshot of a host came to. */
export interface CapturedHost {
  /** Undefined when no source could be captured. */
  readonly snapshot: Snapshot | undefined
  readonly compose: HostPullReport['compose']
  readonly sources: readonly SourcePullReport[]
  /** A `failed` one says that services which were held still do not run again. */
  readonly findings: readonly Finding[]
}

async function captureHost(
  host: HostConfig,
  options: PullOptions,
  dependencies: PullDependencies,
  lock: HostLock,
  signal: AbortSignal,
  /** Told before the server's lock and the connection are given back. */
  taken: (captured: CapturedHost) => void,
): Promise<void> {
  const { reporter } = dependencies
  const step = (text: string) => reporter.event({ type: 'host-step', host: host.name, step: text })

  const looksFor = { names: namesToProbe(host), insists: true, step }
  await using place = await visit(host, looksFor, dependencies, signal)
  const { remote, probe, deployment } = place
  const open = openJournalsOf(host, probe)
  if (open !== undefined) throw open
  const configured = selectSources(host, options.sources, probe.existing)
  const selection = asType(host, configured, options.type, options.sources)
  if (probe.access === 'sftp') step(SFTP_ONLY)
  // Without a shell there is nothing that could hold a lock.
  await using _serverLock =
    probe.access === 'sftp'
      ? undefined
      : await dependencies.lockDeployment(remote, deployment, { sudo: host.sudo, signal })
  const left = await resumeLeftServices(place)
  tellFindings(host, left, dependencies)
  const request = { lock, selection, purpose: 'pull', full: options.full } as const
  const captured = await takeSnapshot(place, request, dependencies)
  taken({ ...captured, findings: [...left, ...captured.findings] })
}

/** What {@link takeSnapshot} captures, and what for. */
export interface SnapshotRequest {
  readonly lock: HostLock
  readonly selection: SourceSelection
  /**
   * Only a `pull` is a parent. The last pull of a cutover builds on the one before it; what a restore takes stands by
   * itself.
   */
  readonly purpose: Purpose
  /** All of every source, not just what changed. */
  readonly full?: boolean | undefined
  readonly turn?: CaptureTurn | undefined
}

/**
 * Captures the selected sources over a connection and commits them as one snapshot; a failed source is in the
 * report and the snapshot is not complete. Throws what concerns all sources alike. A pull's snapshot that shrank
 * pauses rotation.
 */
export async function takeSnapshot(
  place: Visit,
  request: SnapshotRequest,
  dependencies: PullDependencies,
): Promise<CapturedHost> {
  const { host, probe, signal } = place
  const { lock, selection, purpose } = request
  const { vault, now, reporter } = dependencies
  const before = completePulls(await vault.snapshots(host.name)).at(-1)
  if (before !== undefined && snapshotTime(before.id) > now()) {
    reporter.event({
      type: 'warning',
      host: host.name,
      code: 'future-snapshot',
      message: `the clock went back, or was wrong: ${host.name}/${before.id} is dated in the future; ${host.name}/latest is the snapshot that was made last, whatever its date`,
      next: `Set this computer's clock right if it is wrong now`,
    })
  }
  // Captures go on: the new snapshot is good, and the contradiction needs a person.
  const setBack = await setBackFinding(vault, host.name)
  if (setBack !== undefined) tellFindings(host, [setBack], dependencies)
  await using pending = await vault.begin(lock, now, signal)
  // Beside the captures: what ends it ends them, too, and they say so.
  const asked = serverVersions(place, dependencies).catch((thrown: unknown) => versionsUnknown(place, thrown))
  await using stack = new Disposables()
  const listings: NextListing[] = []

  const captured = await captureSources(
    { ...place, pending },
    selection.sources,
    {
      chaining: purpose === 'safety' ? { chained: false } : { chained: true, full: request.full ?? false },
      keep: (listing) => {
        const next = stack.use(listing)
        if (purpose === 'pull') listings.push(next)
      },
    },
    dependencies,
    request.turn,
  )
  const { versions, compose, findings: unknown } = await asked
  signal.throwIfAborted()
  const findings = captured.manifests.length === 0 ? captured.findings : [...captured.findings, ...unknown]
  tellFindings(host, findings, dependencies)
  if (captured.manifests.length === 0)
    return { snapshot: undefined, compose, sources: captured.reports, findings }

  const failed = captured.reports
    .filter((report) => report.outcome === 'failed')
    .map((report) => report.source)
  const complete =
    selection.everything &&
    failed.length === 0 &&
    captured.manifests.every(isWhole) &&
    captured.manifests.some((source) => contentOf(source) === 'all')
  const shrunk = purpose === 'pull' ? shrinkageSince(before, captured, host, selection, failed) : []
  for (const shrinkage of shrunk) {
    reporter.event({
      type: 'warning',
      host: host.name,
      source: shrinkage.source,
      code: shrinkage.code,
      message: `${shrinkage.message}; rotation pauses until a person looked`,
      next: acceptPause(host.name),
    })
  }
  if (shrunk.length > 0) {
    // Before the commit: a crash in between must not leave a shrunk snapshot that rotation trusts.
    const why = shrunk.map((shrinkage) => `${shrinkage.source} ${shrinkage.message}`).join('; ')
    await vault.pauseRotation(lock, pending.id, why, now())
  }
  reporter.event({ type: 'host-step', host: host.name, step: 'committing' })
  const snapshot = await pending.commit(
    manifestOf(pending, host, probe, dependencies, {
      selection: selection.sources.map((source) => source.name),
      complete,
      sources: captured.manifests.map((source) => withShrinkage(source, shrunk)),
      purpose,
      versions,
    }),
  )
  // This comes last, because a listing describes a snapshot that is there.
  for (const listing of listings) await listing.commit(snapshot, vault)
  const sources = captured.reports.map((report) => withChange(report, before))
  return { snapshot, compose, sources, findings }
}

/** How a source's size has changed since the last complete snapshot. */
function withChange(report: SourcePullReport, before: Snapshot | undefined): SourcePullReport {
  const was = before?.manifest.sources.find(({ name }) => name === report.source)
  if (was === undefined || report.outcome === 'failed') return report
  if (contentOf(was) !== (report.only ?? 'all')) return report
  return { ...report, change: report.size - heldBytes(was) }
}

function tellFindings(host: HostConfig, findings: readonly Finding[], { reporter }: PullDependencies): void {
  for (const { check, message, next } of findings)
    reporter.event({ type: 'warning', host: host.name, code: check, message, next })
}

/** Compared with the last complete snapshot: what was asked for, did not fail, and is still configured. */
function shrinkageSince(
  before: Snapshot | undefined,
  captured: { readonly manifests: readonly ManifestSource[] },
  host: HostConfig,
  selection: SourceSelection,
  failed: readonly string[],
): Shrinkage[] {
  if (before === undefined) return []
  const judged = selection.everything
    ? host.sources.map((source) => source.name)
    : selection.sources.map((source) => source.name)
  const notJudged = before.manifest.sources
    .map((source) => source.name)
    .filter((name) => failed.includes(name) || !judged.includes(name))
  // A schema without its rows has not shrunk.
  const others = captured.manifests.filter((now) => {
    const was = before.manifest.sources.find(({ name }) => name === now.name)
    return was !== undefined && contentOf(was) !== contentOf(now)
  })
  const skipped = new Set([...notJudged, ...others.map(({ name }) => name)])
  return findShrinkage(before.manifest.sources, captured.manifests, skipped)
}

async function rotate(
  host: HostConfig,
  options: PullOptions,
  { vault, now, reporter }: PullDependencies,
  lock: HostLock,
  snapshot: Snapshot,
): Promise<RotationReport | undefined> {
  // A torn copy does not replace the snapshots that would go.
  const { manifest } = snapshot
  const counts = manifest.complete || typeGroup(manifest) !== undefined
  if (!options.rotate || !counts || manifest.sources.some(isTorn)) return undefined
  reporter.event({ type: 'host-step', host: host.name, step: 'rotating' })
  return rotateHost(vault, lock, host, now(), { dryRun: false })
}

function withShrinkage(
  source: ManifestSource,
  shrunk: readonly { source: string; code: string }[],
): ManifestSource {
  const codes = shrunk
    .filter((shrinkage) => shrinkage.source === source.name)
    .map((shrinkage) => shrinkage.code)
  if (codes.length === 0) return source
  const warnings: SnapshotWarning[] = codes.map((code) => ({ code, count: 1 }))
  return { ...source, warnings: [...source.warnings, ...warnings] }
}

function manifestOf(
  pending: PendingSnapshot,
  host: HostConfig,
  probe: HostProbe,
  { tool, now, cause }: PullDependencies,
  what: {
    readonly selection: readonly string[]
    readonly complete: boolean
    readonly sources: readonly ManifestSource[]
    readonly purpose: Purpose
    readonly versions: Readonly<Record<string, string>>
  },
): Manifest {
  const schedule = cause && scheduleOf(cause)
  return {
    format: VAULT_FORMAT,
    id: pending.id,
    host: host.name,
    purpose: what.purpose,
    selection: what.selection,
    complete: what.complete,
    createdAt: pending.createdAt.toISOString(),
    finishedAt: now().toISOString(),
    tool,
    previous: pending.previous,
    ...(schedule === undefined ? {} : { schedule }),
    server: { os: probe.os, arch: probe.arch, versions: what.versions },
    sources: what.sources,
  }
}
