import type { IndexEntry, SortedRecord } from '../../archive/contract.ts'
import type { ListingRecord, PendingListing } from '../../state/contract.ts'
import { IndexBook, composeListing } from './compose.ts'
import type { TailSegments } from './compose.ts'
import type { PreparedPull } from './prepare.ts'
import { replayScript } from './replay-script.ts'

/** What was captured of a prepared pull. */
export interface CapturedChanges {
  readonly prepared: PreparedPull
  /** This snapshot's own members, sorted and amended; asked for once for each reading. */
  readonly members: () => AsyncIterable<SortedRecord<IndexEntry>>
  readonly tails: TailSegments
}

/** The snapshot's index, entry by entry. Each record goes to the next pull's listing on its way. */
export async function* indexEntries(
  captured: CapturedChanges,
  listing: PendingListing | undefined,
  book: IndexBook,
): AsyncGenerator<IndexEntry> {
  for await (const record of records(captured, book)) {
    await listing?.add(record)
    if ('entry' in record) yield record.entry
  }
}

/** The replay script of an incremental. */
export function replayOf(captured: CapturedChanges): AsyncGenerator<string> {
  return replayScript(() => records(captured, new IndexBook()))
}

function records(
  { prepared, members, tails }: CapturedChanges,
  book: IndexBook,
): AsyncGenerator<ListingRecord> {
  return composeListing(prepared.decisions(), members(), tails, book)
}
