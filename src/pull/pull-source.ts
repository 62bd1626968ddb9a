import { Readable } from 'node:stream'
import { encodeIndex } from '../archive/index-file.ts'
import type { IndexBuilder, StreamEntry } from '../archive/contract.ts'
import { RelayError } from '../errors.ts'
import type { SourceConfig } from '../model/config.ts'
import { isStream, type ManifestFile, type ManifestSource } from '../model/snapshot.ts'
import type { CapturableSource, Capture, CaptureOutcome, PullContext } from '../sources/contract.ts'
import type { PendingFile } from '../vault/contract.ts'
import { indexFileName } from './archive-name.ts'
import {
  captureArchives,
  captureContext,
  indexHeader,
  writeOwnFile,
  type PullSourceContext,
} from './capture-archives.ts'
import type { PullDependencies } from './dependencies.ts'
import type { NextListing } from './incremental/next-listing.ts'
import { pullChanges } from './incremental/pull-changes.ts'
import { locateSource } from './locate.ts'
import { needsShell } from './look-at-sources.ts'
import type { ChosenPrivilege } from '../runs/privilege.ts'
import { describePrivilege, privilegeToRead, withRefusal } from './privilege.ts'

/** A source that was captured, read back and written into the pending snapshot. */
export interface PulledSource {
  readonly manifest: ManifestSource
  readonly wireBytes: number
  /** What the next pull starts from, to be committed once the snapshot is, else disposed. */
  readonly listing?: NextListing | undefined
}

/** How a source that can be pulled incrementally is pulled: as its chain allows, full and forgotten, or afresh. */
export type Chaining =
  /** A link of the chain, or the beginning of a new one with `full`. */
  | { readonly chained: true; readonly full: boolean }
  /** By itself: it is no parent of anything. */
  | { readonly chained: false }

/**
 * Captures one source into the pending snapshot: every archive streamed, read back and judged, then the index.
 * Throws a RelayError when the source can't be trusted; its files are gone from the pending snapshot then, and
 * what the capture changed on the server is put back either way.
 */
export async function pullSource(
  where: Omit<PullSourceContext, 'files'>,
  config: SourceConfig,
  chaining: Chaining,
  dependencies: PullDependencies,
): Promise<PulledSource> {
  const files: PendingFile[] = []
  let chosen: ChosenPrivilege | undefined
  try {
    const source = await locateSource(where, config)
    chosen = await privilegeToRead(where, source, dependencies)
    const context: PullSourceContext = { ...where, ...chosen, files }
    const kind = await dependencies.sourceOf(source.kind)
    const { incremental } = kind
    const server = captureContext(context, source, dependencies)
    const asWhom = describePrivilege(chosen.privilege)
    if (asWhom !== undefined) server.step(`reading it ${asWhom}`)
    const linked =
      chaining.chained && incremental?.canList(server) === true
        ? await pullChanges(context, source, { ...kind, incremental }, chaining, dependencies)
        : undefined
    const pulled = linked ?? (await pullWhole(context, source, kind, dependencies))
    context.signal.throwIfAborted()
    return pulled
  } catch (error) {
    await Promise.allSettled(files.map((file) => file.discard()))
    throw located(withRefusal(error, chosen), where.host.name, config.name)
  }
}

/** The error with its host and source; a defect keeps its own class and stack. */
function located(error: unknown, host: string, source: string): unknown {
  return error instanceof RelayError ? error.withDetails({ host, source }) : error
}

async function pullWhole(
  context: PullSourceContext,
  config: SourceConfig,
  source: CapturableSource,
  dependencies: PullDependencies,
): Promise<PulledSource> {
  const how = captureContext(context, config, dependencies)
  await using capture = await begin(source, how, config)
  return await context.inTurn(() => captureWhole(context, config, capture, dependencies))
}

async function captureWhole(
  context: PullSourceContext,
  config: SourceConfig,
  capture: Capture,
  dependencies: PullDependencies,
): Promise<PulledSource> {
  const scratch = context.pending.scratchPath(`${config.name}.entries`)
  await using index = await dependencies.createIndexBuilder(scratch)
  const captured = await captureArchives(context, config, capture, dependencies, (entry, place) =>
    index.add(entry, place),
  )
  const { archives, outcome, wireBytes } = captured
  const written = isStream(captured)
    ? await writeStreamIndex(context, config, captured.objects, dependencies)
    : await writeIndex(context, config, { index, outcome }, dependencies)
  return {
    wireBytes,
    manifest: {
      name: config.name,
      kind: config.kind,
      mode: 'full',
      parents: [],
      archives,
      index: written.manifest,
      entries: written.entries,
      facts: outcome.facts,
      warnings: outcome.warnings,
    },
  }
}

/** Starts the capture in the way that the server allows. */
async function begin(source: CapturableSource, context: PullContext, config: SourceConfig): Promise<Capture> {
  if (context.probe.access === 'shell') return source.capture(context, config)
  if (source.captureOverSftp !== undefined) return source.captureOverSftp(context, config)
  throw needsShell(config)
}

async function writeStreamIndex(
  context: PullSourceContext,
  { name }: SourceConfig,
  objects: readonly StreamEntry[],
  dependencies: PullDependencies,
): Promise<{ readonly manifest: ManifestFile; readonly entries: number }> {
  const batches = (async function* () {
    yield objects
  })()
  const header = { format: 1, of: 'stream', source: name, snapshot: context.pending.id } as const
  const stream = Readable.from(encodeIndex(header, batches), { objectMode: false })
  const manifest = await writeOwnFile(context, indexFileName(name), { stream, store: 'zstd' }, dependencies)
  return { manifest, entries: objects.length }
}

async function writeIndex(
  context: PullSourceContext,
  config: SourceConfig,
  { index, outcome }: { readonly index: IndexBuilder; readonly outcome: CaptureOutcome },
  dependencies: PullDependencies,
): Promise<{ readonly manifest: ManifestFile; readonly entries: number }> {
  let entries = 0
  const lines = index.finish(indexHeader(context, config, outcome), (part, path) => {
    const name = path.toString('latin1')
    const amendment = outcome.amendments.get(`${part}\0${name}`) ?? outcome.amendments.get(name)
    if (amendment?.replacedBy !== undefined && amendment.replacedBy !== part) return { drop: true }
    entries += 1
    const isAbsolute = outcome.absolutePrefixes.some(
      (prefix) => name === prefix || name.startsWith(`${prefix}/`),
    )
    const flags = [...(amendment?.flags ?? []), ...(isAbsolute ? (['absolute'] as const) : [])]
    return flags.length === 0 ? undefined : { flags }
  })
  const content = { stream: lines, store: 'zstd' } as const
  const manifest = await writeOwnFile(context, indexFileName(config.name), content, dependencies)
  return { manifest, entries }
}
