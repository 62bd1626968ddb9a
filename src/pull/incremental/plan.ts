import type { IndexEntry } from '../../archive/contract.ts'
import { sameStat } from '../../model/listing.ts'
import type { FileStat, ListedEntry } from '../../model/listing.ts'
import { pathFromJson } from '../../model/path-bytes.ts'
import type { GoneRecord, ListingRecord, LiveRecord } from '../../state/contract.ts'

/** Files at least this large send their tail when they grew: below it a tail saves less than it costs to prove. */
export const TAIL_THRESHOLD = 64 * 1024

/** The most tails of one pull. Each costs a line to the server; further files are sent whole. */
const MOST_TAILS = 1000

/** Inodes whose other names must be sent too; beyond it every file with several names is. */
const MOST_TOUCHED = 100_000

/** What becomes of one path. `stat` is the listing's, absent where it can't be trusted next time. */
export type Decision =
  | {
      readonly action: 'keep'
      readonly path: Buffer
      readonly entry: IndexEntry
      readonly stat: FileStat
      readonly holder: string | undefined
    }
  | {
      readonly action: 'send'
      readonly path: Buffer
      readonly listed: FileStat
      readonly stat: FileStat | undefined
      /** Its members in the chain, and whether they are directories; undefined when there are none. */
      readonly before: { readonly directory: boolean } | undefined
    }
  | {
      readonly action: 'tail'
      readonly path: Buffer
      readonly entry: IndexEntry
      readonly listed: FileStat
      readonly stat: FileStat | undefined
    }
  | { readonly action: 'gone'; readonly path: Buffer; readonly directory: boolean }

/** The totals of a plan, complete when its generator has ended. */
export interface PlanTotals {
  kept: number
  sent: number
  tails: number
  gone: number
  /** Content bytes of what is sent, tails included. */
  sentBytes: number
  /** Content bytes of all that is listed. */
  listedBytes: number
  /**
   * Paths that are a directory now and were something else in the chain, or the other way round. No tar unpacks
   * that over the chain, so it takes a full.
   */
  replacedDirectories: number
}

/** The plan's totals, and what {@link closeHardLinks} has to know. Made fresh for each plan. */
export class PlanBook implements PlanTotals {
  kept = 0
  sent = 0
  tails = 0
  gone = 0
  sentBytes = 0
  listedBytes = 0
  replacedDirectories = 0
  readonly #touched = new Set<string>()
  #all = false

  /** An inode of several names that changed, came or went. */
  touch(inode: string): void {
    if (this.#touched.size < MOST_TOUCHED) this.#touched.add(inode)
    else this.#all = true
  }

  /** Adds a decision to the totals. */
  count(decision: Decision): void {
    switch (decision.action) {
      case 'keep':
        this.kept += 1
        if (decision.stat.type === 'file') this.listedBytes += decision.stat.size
        return
      case 'send': {
        const { listed, before: was } = decision
        this.sent += 1
        if (listed.type === 'file') {
          this.sentBytes += listed.size
          this.listedBytes += listed.size
        }
        if (was !== undefined && was.directory !== (listed.type === 'directory'))
          this.replacedDirectories += 1
        return
      }
      case 'tail':
        this.tails += 1
        this.sentBytes += decision.listed.size - decision.entry.size
        this.listedBytes += decision.listed.size
        return
      case 'gone':
        this.gone += 1
    }
  }

  /** Whether {@link closeHardLinks} has anything to do. */
  get hasTouched(): boolean {
    return this.#all || this.#touched.size > 0
  }

  isTouched(inode: string): boolean {
    return this.#all || this.#touched.has(inode)
  }
}

/**
 * Compares the listing with the last one, both sorted by path bytes, in constant memory. An entry is kept only when
 * its whole stat is the same, ctime among it: content that was edited without a trace in size and mtime is sent too.
 * With no previous records everything is sent.
 */
export async function* planChanges(
  previous: AsyncIterable<ListingRecord>,
  listed: AsyncIterable<ListedEntry>,
  book: PlanBook,
): AsyncGenerator<Decision> {
  for await (const [record, now] of inStep(previous, listed)) {
    const decision = decide(record, now, book)
    book.count(decision)
    yield decision
  }
}

function decide(record: ListingRecord | undefined, now: ListedEntry | undefined, book: PlanBook): Decision {
  const live = record !== undefined && 'entry' in record ? record : undefined
  if (now === undefined) {
    if (live?.stat !== undefined && live.stat.links > 1) book.touch(live.stat.inode)
    const path = pathFromJson(live?.entry.path ?? (record as GoneRecord).gone)
    return {
      action: 'gone',
      path,
      directory: live === undefined ? (record as GoneRecord).directory : live.entry.type === 'directory',
    }
  }
  const { path, stat: listedStat, settled } = now
  const stat = settled ? listedStat : undefined
  if (live?.stat !== undefined && stat !== undefined && sameStat(live.stat, stat)) {
    return { action: 'keep', path, entry: live.entry, stat, holder: live.holder }
  }
  if (live !== undefined && book.tails < MOST_TAILS && mayHaveTail(live, listedStat)) {
    return { action: 'tail', path, entry: live.entry, listed: listedStat, stat }
  }
  if (listedStat.links > 1 && listedStat.type !== 'directory') book.touch(listedStat.inode)
  if (live?.stat !== undefined && live.stat.links > 1) book.touch(live.stat.inode)
  return { action: 'send', path, listed: listedStat, stat, before: before(record) }
}

function before(record: ListingRecord | undefined): { readonly directory: boolean } | undefined {
  if (record === undefined) return undefined
  return { directory: 'entry' in record ? record.entry.type === 'directory' : record.directory }
}

/**
 * Whether a file grew and is otherwise as it was. The owner and the mode must be the same: a tail can carry neither
 * names of owners nor ACLs, and these leave their trace in the mode. The old part still has to be proven.
 */
function mayHaveTail({ entry, stat }: LiveRecord, now: FileStat): boolean {
  return (
    entry.type === 'file' &&
    now.type === 'file' &&
    entry.size >= TAIL_THRESHOLD &&
    now.size > entry.size &&
    now.links === 1 &&
    (stat === undefined || (stat.inode === now.inode && stat.links === 1)) &&
    entry.mode === now.mode &&
    entry.uid === now.uid &&
    entry.gid === now.gid &&
    BigInt(now.mtimeNs) >= 0n
  )
}

/**
 * The names of one inode travel together: when one of them is sent, came or went, those that seemed unchanged are
 * sent as well, so that no hard link points to a member that is gone. Goes over a plan when it is complete.
 */
export async function* closeHardLinks(
  decisions: AsyncIterable<Decision>,
  book: PlanBook,
): AsyncGenerator<Decision> {
  for await (const decision of decisions) {
    if (
      decision.action === 'keep' &&
      decision.stat.links > 1 &&
      decision.stat.type !== 'directory' &&
      book.isTouched(decision.stat.inode)
    ) {
      const { path, stat } = decision
      yield { action: 'send', path, listed: stat, stat, before: { directory: false } }
    } else {
      yield decision
    }
  }
}

/** Walks two sorted sequences side by side. Items that both have come as a pair. */
async function* inStep(
  previous: AsyncIterable<ListingRecord>,
  listed: AsyncIterable<ListedEntry>,
): AsyncGenerator<readonly [ListingRecord | undefined, ListedEntry | undefined]> {
  const records = previous[Symbol.asyncIterator]()
  const entries = listed[Symbol.asyncIterator]()
  try {
    let record = await records.next()
    let recordPath = pathOf(record)
    let entry = await entries.next()
    while (record.done !== true || entry.done !== true) {
      const order =
        record.done === true
          ? 1
          : entry.done === true
            ? -1
            : Buffer.compare(recordPath ?? entry.value.path, entry.value.path)
      yield [
        record.done !== true && order <= 0 ? record.value : undefined,
        entry.done !== true && order >= 0 ? entry.value : undefined,
      ]
      if (order <= 0) {
        record = await records.next()
        recordPath = pathOf(record)
      }
      if (order >= 0) entry = await entries.next()
    }
  } finally {
    await records.return?.(undefined)
    await entries.return?.(undefined)
  }
}

function pathOf(record: IteratorResult<ListingRecord, unknown>): Buffer | undefined {
  if (record.done === true) return undefined
  return pathFromJson('entry' in record.value ? record.value.entry.path : record.value.gone)
}
