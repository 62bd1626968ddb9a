import type { IndexEntry, SortedRecord } from '../../archive/contract.ts'
import { composeListing } from './compose.ts'
import type { IndexBook, TailSegments } from './compose.ts'
import type { NextListing } from './next-listing.ts'
import type { PreparedPull } from './prepare.ts'
import type { ReplayScript } from './replay-script.ts'

/** The captured part of a prepared pull. */
export interface CapturedChanges {
  /** The snapshot that is being made. */
  readonly snapshot: string
  readonly prepared: PreparedPull
  /** This snapshot's own members, sorted and amended. */
  readonly members: () => AsyncIterable<SortedRecord<IndexEntry>>
  readonly tails: TailSegments
  /** Of the capture's outcome. */
  readonly unsettled?: ReadonlySet<string> | undefined
}

/** As many lines of the index are made at a time. */
const BATCH = 500

/** What takes each record of the snapshot on its way into the index. */
export interface Takers {
  /** What the next pull compares with. */
  readonly listing: Pick<NextListing, 'add'>
  readonly book: IndexBook
  /** Only for an incremental. */
  readonly replay: ReplayScript | undefined
}

/** The snapshot's index, in batches. */
export async function* indexBatches(
  { snapshot, prepared, members, tails, unsettled }: CapturedChanges,
  { listing, book, replay }: Takers,
): AsyncGenerator<IndexEntry[]> {
  let batch: IndexEntry[] = []
  const records = composeListing(snapshot, prepared.decisions(), members(), tails, book, unsettled)
  for await (const record of records) {
    const added = listing.add(record)
    if (added !== undefined) await added
    replay?.add(record)
    if ('entry' in record && batch.push(record.entry) === BATCH) {
      yield batch
      batch = []
    }
  }
  yield batch
}
