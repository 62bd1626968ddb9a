import pLimit from 'p-limit'
import { ConnectionError, expected, VaultError } from '../errors.ts'
import type { RelayError } from '../errors.ts'
import type { SourceConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import { heldBytes } from '../sources/held-bytes.ts'
import type { SourcePullReport } from '../model/pull-report.ts'
import { contentOf, isTorn, isWhole, type ManifestSource } from '../model/snapshot.ts'
import type { PullDependencies } from './dependencies.ts'
import type { NextListing } from './incremental/next-listing.ts'
import type { PullSourceContext } from './capture-archives.ts'
import { pullSource, type Chaining } from './pull-source.ts'
import { groupByQuiesce, whileQuiesced } from './quiesce.ts'

/** The outcomes of one host's sources, in order. */
export interface CapturedSources {
  readonly manifests: ManifestSource[]
  readonly reports: SourcePullReport[]
  readonly findings: Finding[]
}

/** How the sources are links of their chains. */
export interface Links {
  readonly chaining: Chaining
  /** Takes over what the next pull compares with. */
  readonly keep: (listing: NextListing) => void
}

/** What happens in the middle of a snapshot: some sources are captured before it, the others behind it. */
export interface CaptureTurn {
  /** The names of those that are captured before. Where one of them fails, the rest is not captured. */
  readonly behind: readonly string[]
  /** Is given what was captured before. Throws what ends the snapshot. */
  readonly take: (captured: readonly ManifestSource[]) => Promise<void>
}

/** What all sources of one pull have in common. */
type CommonContext = Omit<PullSourceContext, 'files' | 'refused' | 'inTurn'>

/** How many sources are looked at, or prepared by their servers, at the same time. */
const SIDE_BY_SIDE = 4

/**
 * Captures the sources, those with a quiesce while its services hold still; a failed one is reported and does not
 * spoil the others.
 */
export async function captureSources(
  context: CommonContext,
  sources: readonly SourceConfig[],
  links: Links,
  dependencies: PullDependencies,
  turn?: CaptureTurn,
): Promise<CapturedSources> {
  const captured: CapturedSources = { manifests: [], reports: [], findings: [] }
  const isFirst = ({ name }: SourceConfig): boolean => turn?.behind.includes(name) ?? false
  const first = sources.filter(isFirst)
  await captureGroups(context, first, captured, links, dependencies)
  if (turn !== undefined) {
    if (captured.reports.some(({ outcome }) => outcome === 'failed')) return captured
    await turn.take(captured.manifests)
  }
  const rest = sources.filter((source) => !isFirst(source))
  await captureGroups(context, rest, captured, links, dependencies)
  const order = new Map(sources.map(({ name }, at) => [name, at]))
  const byName = (one: string, other: string) => (order.get(one) ?? 0) - (order.get(other) ?? 0)
  captured.manifests.sort((one, other) => byName(one.name, other.name))
  captured.reports.sort((one, other) => byName(one.source, other.source))
  return captured
}

async function captureGroups(
  context: CommonContext,
  sources: readonly SourceConfig[],
  captured: CapturedSources,
  links: Links,
  dependencies: PullDependencies,
): Promise<void> {
  const { host, signal } = context
  const { reporter } = dependencies
  for (const { quiesce, sources: group } of groupByQuiesce(sources)) {
    const capture = () => captureGroup(context, group, captured, links, dependencies)
    try {
      if (quiesce === undefined) await capture()
      else {
        const step = (text: string) => reporter.event({ type: 'host-step', host: host.name, step: text })
        const found = await whileQuiesced(context, quiesce, step, capture)
        captured.findings.push(...found)
      }
    } catch (thrown) {
      const error = expected(thrown)
      if (!isSourceFailure(error, signal)) throw thrown
      const lost = error instanceof ConnectionError
      const told = new Set(captured.reports.map((report) => report.source))
      for (const { name } of (lost ? sources : group).filter((source) => !told.has(source.name))) {
        captured.reports.push(failedReport(name, error))
        if (lost) continue
        reporter.event({ type: 'source-started', host: host.name, source: name })
        reporter.event({ type: 'source-failed', host: host.name, source: name, error })
      }
      if (lost) break
    }
  }
}

/**
 * Captures sources side by side. An error of one of them ends the others, and is thrown when they have ended. Each of
 * them finds out by itself that the connection is lost.
 */
async function captureGroup(
  context: CommonContext,
  group: readonly SourceConfig[],
  captured: CapturedSources,
  links: Links,
  dependencies: PullDependencies,
): Promise<void> {
  const failed = new AbortController()
  const signal = AbortSignal.any([context.signal, failed.signal])
  const turns = pLimit(1)
  const inTurn = <T>(work: () => Promise<T>): Promise<T> =>
    turns(() => {
      signal.throwIfAborted()
      return work()
    })
  const atOnce = pLimit(SIDE_BY_SIDE)
  let lost: ConnectionError | undefined
  const ended = group.map((source) =>
    atOnce(async () => {
      signal.throwIfAborted()
      if (lost !== undefined) throw lost
      try {
        await captureSource({ ...context, inTurn, signal }, source, captured, links, dependencies)
      } catch (error) {
        if (error instanceof ConnectionError) lost ??= error
        else failed.abort(error)
        throw error
      }
    }),
  )
  await Promise.allSettled(ended)
  context.signal.throwIfAborted()
  failed.signal.throwIfAborted()
  if (lost !== undefined) throw lost
}

/** Captures one source. Throws what the others can't go on from: a lost connection, a vault that fails. */
async function captureSource(
  context: CommonContext & Pick<PullSourceContext, 'inTurn'>,
  source: SourceConfig,
  captured: CapturedSources,
  { chaining, keep }: Links,
  dependencies: PullDependencies,
): Promise<void> {
  const { reporter, now } = dependencies
  const names = { host: context.host.name, source: source.name }
  const started = now().getTime()
  const timed = (report: SourcePullReport) => ({ ...report, seconds: (now().getTime() - started) / 1000 })
  reporter.event({ type: 'source-started', ...names })
  try {
    const { manifest, wireBytes, listing } = await pullSource(context, source, chaining, dependencies)
    captured.manifests.push(manifest)
    if (listing !== undefined) keep(listing)
    captured.reports.push(timed(sourceReport(manifest, wireBytes)))
    reporter.event({ type: 'source-finished', ...names, entries: manifest.entries })
  } catch (thrown) {
    const error = expected(thrown)
    if (!isSourceFailure(error, context.signal)) throw thrown
    captured.reports.push(timed(failedReport(source.name, error)))
    reporter.event({ type: 'source-failed', ...names, error })
    if (error instanceof ConnectionError) throw error
  }
}

/**
 * A full or broken vault fails every source alike, so the others need not go on. A defect fails only the source in
 * which it is.
 */
function isSourceFailure(error: RelayError, signal: AbortSignal): boolean {
  return !(error instanceof VaultError) && !signal.aborted
}

function sourceReport(manifest: ManifestSource, wireBytes: number): SourcePullReport {
  const content = contentOf(manifest)
  const sum = (of: (archive: ManifestSource['archives'][number]) => number) =>
    manifest.archives.reduce((total, archive) => total + of(archive), 0)
  return {
    source: manifest.name,
    outcome: isTorn(manifest) ? 'torn' : isWhole(manifest) ? 'done' : 'partial',
    ...(content === 'all' ? {} : { only: content }),
    entries: manifest.entries,
    size: heldBytes(manifest),
    plainBytes: sum((archive) => archive.plainBytes),
    bytes: sum((archive) => archive.bytes),
    wireBytes,
    warnings: manifest.warnings,
  }
}

function failedReport(source: string, error: RelayError): SourcePullReport {
  return {
    source,
    outcome: 'failed',
    entries: 0,
    size: 0,
    plainBytes: 0,
    bytes: 0,
    wireBytes: 0,
    warnings: [],
    error,
  }
}
