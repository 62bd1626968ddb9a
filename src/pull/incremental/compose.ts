import type { IndexEntry, IndexFlag, IndexSegment, SortedRecord } from '../../archive/contract.ts'
import type { TreeCounts } from '../../model/facts.ts'
import { pathToJson } from '../../model/path-bytes.ts'
import type { ListingRecord, LiveRecord } from '../../state/contract.ts'
import type { Decision } from './plan.ts'

/** The line of the index for a path that this snapshot's own archives hold. */
export type OwnMember = IndexEntry

/** The tail of one file as it came: a segment of this snapshot. */
export type TailSegments = ReadonlyMap<string, IndexSegment>

/** The totals of a composed index, complete when its generator has ended. */
export class IndexBook {
  entries = 0
  /**
   * Paths where, while the pull ran, a directory took the place of something else in the chain or the other way
   * round: no incremental may follow, and this snapshot's chain can't be unpacked by hand.
   */
  replacedDirectories = 0
  readonly #counts = { files: 0, directories: 0, links: 0, others: 0, bytes: 0 }
  readonly #snapshots = new Set<string>()

  add({ entry, holder }: LiveRecord): void {
    this.entries += 1
    const counts = this.#counts
    if (entry.type === 'file') {
      counts.files += 1
      counts.bytes += entry.size
    } else if (entry.type === 'directory') counts.directories += 1
    else if (entry.type === 'symlink' || entry.type === 'hardlink') counts.links += 1
    else counts.others += 1
    for (const { snapshot } of entry.segments ?? []) this.#snapshots.add(snapshot)
    if (holder !== undefined) this.#snapshots.add(holder)
  }

  /** Counted over everything that is live, wherever its content is. */
  get counts(): TreeCounts {
    return this.#counts
  }

  /** Snapshots that have the content, or the member, of something that is live, but `own`; oldest first. */
  parents(own: string): string[] {
    return [...this.#snapshots].filter((id) => id !== own).sort()
  }
}

/**
 * The next listing, sorted: every live entry with the segments that hold its content, and what of the chain is gone.
 * `members` are the members of this snapshot's own archives by path, amended already; a member that is packed twice
 * counts as it came last. A member that was to be sent and did not come has vanished meanwhile, so it counts as gone.
 *
 * @param own the snapshot that is being made
 * @param tails the tails that came and are whole, by the file's path in latin1
 * @param unsettled members (latin1) whose stat on the server says nothing of what came
 */
export async function* composeListing(
  own: string,
  decisions: AsyncIterable<Decision>,
  members: AsyncIterable<SortedRecord<OwnMember>>,
  tails: TailSegments,
  book: IndexBook,
  unsettled: ReadonlySet<string> = new Set(),
): AsyncGenerator<ListingRecord> {
  for await (const { path, decision, member } of byPath(decisions, members)) {
    const record = settle(own, path, decision, member, tails, unsettled)
    if (record === undefined) continue
    if ('entry' in record) book.add(record)
    if (member !== undefined && isReplaced(decision, member)) book.replacedDirectories += 1
    yield record
  }
}

function settle(
  own: string,
  path: Buffer,
  decision: Decision | undefined,
  member: OwnMember | undefined,
  tails: TailSegments,
  unsettled: ReadonlySet<string>,
): ListingRecord | undefined {
  if (member !== undefined) {
    // Where the file was written to while it was read, the listing's stat says nothing about what was captured.
    const moved = member.flags?.includes('torn') === true || unsettled.has(path.toString('latin1'))
    const stat = decision === undefined || decision.action === 'gone' || moved ? undefined : decision.stat
    const holder = (member.segments?.length ?? 0) === 0 ? { holder: own } : {}
    return { entry: member, ...(stat === undefined ? {} : { stat }), ...holder }
  }
  switch (decision?.action) {
    case undefined:
      return undefined
    case 'keep':
      return {
        entry: decision.entry,
        stat: decision.stat,
        ...(decision.holder === undefined ? {} : { holder: decision.holder }),
      }
    case 'gone':
      return { gone: pathToJson(path), directory: decision.directory }
    case 'send':
      return decision.before && { gone: pathToJson(path), directory: decision.before.directory }
    case 'tail': {
      const tail = tails.get(path.toString('latin1'))
      if (tail === undefined) return { gone: pathToJson(path), directory: false }
      const { stat } = decision
      return {
        entry: grown(decision.entry, tail, decision.listed.mtimeNs),
        ...(stat === undefined ? {} : { stat }),
      }
    }
  }
}

function isReplaced(decision: Decision | undefined, member: OwnMember): boolean {
  const isDirectory = member.type === 'directory'
  switch (decision?.action) {
    case undefined:
      return false
    case 'send':
      return decision.before !== undefined && decision.before.directory !== isDirectory
    case 'gone':
      return decision.directory !== isDirectory
    case 'keep':
    case 'tail':
      return (decision.entry.type === 'directory') !== isDirectory
  }
}

/**
 * A file with one more segment. It has no hash of its own any more: that would cost the server a second reading of
 * all of it. Its segments' hashes prove it, each of its part.
 */
function grown(entry: IndexEntry, tail: IndexSegment, mtimeNs: string): IndexEntry {
  const { sha256: _whole, flags: wasFlags, segments = [], ...rest } = entry
  const flags = withoutTorn(wasFlags)
  return {
    ...rest,
    size: entry.size + tail.length,
    mtimeNs,
    segments: [...segments, tail],
    ...(flags.length === 0 ? {} : { flags }),
  }
}

/** The old part was proven on the server to be what was captured. */
function withoutTorn(flags: readonly IndexFlag[] = []): readonly IndexFlag[] {
  return flags.filter((flag) => flag !== 'torn')
}

/** Pairs decisions with members of the same path, both sorted. */
async function* byPath(
  decisions: AsyncIterable<Decision>,
  members: AsyncIterable<SortedRecord<OwnMember>>,
): AsyncGenerator<{
  readonly path: Buffer
  readonly decision: Decision | undefined
  readonly member: OwnMember | undefined
}> {
  const planned = decisions[Symbol.asyncIterator]()
  const packed = lastOfEach(members)[Symbol.asyncIterator]()
  try {
    let decision = await planned.next()
    let member = await packed.next()
    while (decision.done !== true || member.done !== true) {
      const order =
        decision.done === true
          ? 1
          : member.done === true
            ? -1
            : Buffer.compare(decision.value.path, member.value.key)
      const now = decision.done !== true && order <= 0 ? decision.value : undefined
      const own = member.done !== true && order >= 0 ? member.value : undefined
      const path = now?.path ?? own?.key
      if (path !== undefined) yield { path, decision: now, member: own?.value }
      if (order <= 0) decision = await planned.next()
      if (order >= 0) member = await packed.next()
    }
  } finally {
    await planned.return?.(undefined)
    await packed.return?.(undefined)
  }
}

async function* lastOfEach<T>(records: AsyncIterable<SortedRecord<T>>): AsyncGenerator<SortedRecord<T>> {
  let last: SortedRecord<T> | undefined
  for await (const record of records) {
    if (last !== undefined && !last.key.equals(record.key)) yield last
    last = record
  }
  if (last !== undefined) yield last
}
