import type { IndexEntry, SortedRecord } from '../../archive/contract.ts'
import type { ListingRecord } from '../../state/contract.ts'
import { IndexBook, composeListing } from './compose.ts'
import type { TailSegments } from './compose.ts'
import type { NextListing } from './next-listing.ts'
import type { PreparedPull } from './prepare.ts'
import { replayScript } from './replay-script.ts'

/** What was captured of a prepared pull. */
export interface CapturedChanges {
  /** The snapshot that is being made. */
  readonly snapshot: string
  readonly prepared: PreparedPull
  /** This snapshot's own members, sorted and amended; asked for once for each reading. */
  readonly members: () => AsyncIterable<SortedRecord<IndexEntry>>
  readonly tails: TailSegments
}

/** As many lines of the index are made at a time. */
const BATCH = 500

/** The snapshot's index, in batches. Each record goes to the next pull's listing on its way. */
export async function* indexBatches(
  captured: CapturedChanges,
  listing: Pick<NextListing, 'add'>,
  book: IndexBook,
): AsyncGenerator<IndexEntry[]> {
  let batch: IndexEntry[] = []
  for await (const record of records(captured, book)) {
    await listing.add(record)
    if ('entry' in record && batch.push(record.entry) === BATCH) {
      yield batch
      batch = []
    }
  }
  yield batch
}

/** The replay script of an incremental. */
export function replayOf(captured: CapturedChanges): AsyncGenerator<string> {
  return replayScript(() => records(captured, new IndexBook()))
}

function records(
  { snapshot, prepared, members, tails }: CapturedChanges,
  book: IndexBook,
): AsyncGenerator<ListingRecord> {
  return composeListing(snapshot, prepared.decisions(), members(), tails, book)
}
