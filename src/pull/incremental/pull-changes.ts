import { encodeIndex } from '../../archive/index-file.ts'
import { Readable } from 'node:stream'
import type { SourceConfig } from '../../model/config.ts'
import type { ListedEntry } from '../../model/listing.ts'
import type {
  CapturableSource,
  CaptureContext,
  IncrementalSource,
  ListableSource,
} from '../../sources/contract.ts'
import { indexFileName, replayFileName } from '../archive-name.ts'
import {
  captureArchives,
  captureContext,
  indexHeader,
  writeOwnFile,
  type PullSourceContext,
} from '../capture-archives.ts'
import type { PullDependencies } from '../dependencies.ts'
import type { PulledSource } from '../pull-source.ts'
import { lookAtChain } from './chain.ts'
import type { Chain } from './chain.ts'
import { IndexBook } from './compose.ts'
import { indexBatches } from './finish.ts'
import { OwnMembers } from './members.ts'
import { NextListing } from './next-listing.ts'
import { preparePull } from './prepare.ts'
import { ReplayScript } from './replay-script.ts'
import { formatCount } from '../../model/units.ts'

/**
 * Entries of a source that is compared with its last listing. Sorting, comparing and remembering them takes memory that
 * grows slowly: beyond this many it would be more than a pull may have (docs/design/numbers.md).
 */
const MOST_ENTRIES = 100_000

/** A kind that can be captured both ways. */
type IncrementalKind = CapturableSource & { readonly incremental: IncrementalSource }

/**
 * Captures a source as a link of its chain: lists it on the server, compares with the last listing, and captures what
 * changed, or all of it when that has to be (`mode.ts`). Undefined when it has too many entries for that: nothing was
 * captured then. Throws as `pullSource`.
 */
export async function pullChanges(
  context: PullSourceContext,
  config: SourceConfig,
  kind: IncrementalKind,
  { full }: { readonly full: boolean },
  dependencies: PullDependencies,
): Promise<PulledSource | undefined> {
  const server = captureContext(context, config, dependencies)
  const chain = await lookAtChain(context, config, full, dependencies)
  const source = await kind.incremental.open(server, config)
  return await context.inTurn(() => compareAndCapture(context, config, { kind, source }, chain, dependencies))
}

async function compareAndCapture(
  context: PullSourceContext,
  config: SourceConfig,
  { kind, source }: { readonly kind: IncrementalKind; readonly source: ListableSource },
  chain: Chain,
  dependencies: PullDependencies,
): Promise<PulledSource | undefined> {
  const { pending } = context
  const server = captureContext(context, config, dependencies)
  server.step('listing')
  const size = { bytes: 0 }
  const plan = preparePull({
    snapshot: pending.id,
    listed: bounded(source.list(), size),
    last: chain.last,
    mode: chain.mode,
    createSorter: dependencies.createSorter,
    scratchPath: (name) => pending.scratchPath(`${config.name}.${name}`),
  })
  await using prepared = await plan.catch((error: unknown) => {
    if (error instanceof TooManyEntries) return undefined
    throw error
  })
  if (prepared === undefined) {
    const reason = `it has more than ${formatCount(MOST_ENTRIES, 'entry', 'entries')}`
    tellMode(context, config, true, { mode: 'full', reason }, dependencies)
    return undefined
  }
  const { mode } = prepared
  tellMode(context, config, chain.last !== undefined, mode, dependencies)
  await using capture = source.captureListed(prepared.changes)
  await using members = new OwnMembers(
    pending.id,
    pending.scratchPath(`${config.name}.members`),
    dependencies,
  )
  const add: Parameters<typeof captureArchives>[4] = (entry, place) => members.add(entry, place)
  const captured = await captureArchives(context, config, capture, dependencies, add, size.bytes)
  const { archives, outcome, wireBytes } = captured

  const isFull = mode.mode === 'full'
  const draft = { ...chain.draft, ...(isFull ? chain.afresh : chain.goingOn) }
  const listing = await NextListing.begin(dependencies.listings, draft, (error) => tellLost(server, error))
  try {
    const changes = {
      snapshot: pending.id,
      prepared,
      members: () => members.amended(outcome),
      tails: members.tails(outcome, prepared.changes.tails),
      unsettled: outcome.unsettled,
    }
    const book = new IndexBook()
    const script = isFull ? undefined : new ReplayScript()
    const lines = encodeIndex(
      indexHeader(context, config, outcome),
      indexBatches(changes, { listing, book, replay: script }),
    )
    const index = await writeOwnFile(
      context,
      indexFileName(config.name),
      { stream: Readable.from(lines, { objectMode: false }), store: 'zstd' },
      dependencies,
    )
    const parents = book.parents(pending.id)
    listing.complete(
      book.replacedDirectories > 0 ? undefined : [...parents, pending.id],
      new Map(
        [...(isFull ? [] : chain.looks)].filter(([name]) => parents.includes(name.split('/')[0] ?? '')),
      ),
    )
    const replay =
      script &&
      (await writeOwnFile(
        context,
        replayFileName(config.name),
        { stream: Readable.from(script.pieces()), store: 'none' },
        dependencies,
      ))
    return {
      wireBytes,
      listing,
      manifest: {
        name: config.name,
        kind: config.kind,
        mode: mode.mode,
        parents,
        archives,
        index,
        replay,
        entries: book.entries,
        facts: kind.incremental.facts(book.counts),
        warnings: outcome.warnings,
      },
    }
  } catch (error) {
    await listing[Symbol.asyncDispose]()
    throw error
  }
}

class TooManyEntries extends Error {}

/** Passes entries on, and sums up what files and their headers may need in a tar. */
async function* bounded(
  listed: AsyncIterable<ListedEntry>,
  size: { bytes: number },
): AsyncGenerator<ListedEntry> {
  let count = 0
  for await (const entry of listed) {
    count += 1
    if (count > MOST_ENTRIES) throw new TooManyEntries()
    size.bytes += entry.path.length + (entry.stat.type === 'file' ? entry.stat.size : 0)
    yield entry
  }
}

/** Says why everything is captured, unless that is expected anyway. */
function tellMode(
  { host }: PullSourceContext,
  { name }: SourceConfig,
  hadListing: boolean,
  mode: { readonly mode: 'full'; readonly reason: string } | { readonly mode: 'incremental' },
  { reporter }: PullDependencies,
): void {
  if (mode.mode === 'incremental' || !hadListing) return
  const message = `all of it is captured, not just what changed: ${mode.reason}`
  reporter.event({ type: 'note', host: host.name, source: name, code: 'full', message })
}

function tellLost(server: CaptureContext, error: unknown): void {
  server.notice({
    code: 'listing-not-kept',
    message: `the list of this pull can't be kept, so the next one captures everything again: ${error instanceof Error ? error.message : String(error)}`,
    next: 'Check the directory for state: $XDG_STATE_HOME, or ~/.local/state',
  })
}
