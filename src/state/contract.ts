import type { IndexEntry } from '../archive/contract.ts'
import type { PathJson } from '../model/path-bytes.ts'
import type { FileStat } from '../model/listing.ts'

/** An entry of the last snapshot: its line of the index, and its stat where that may be trusted. */
export interface LiveRecord {
  readonly entry: IndexEntry
  /** Absent when the entry counts as changed next time: torn, written to during the pull, or not listed. */
  readonly stat?: FileStat | undefined
  /**
   * The snapshot that has the entry's member, where no segment of content says so: for directories, links and the like.
   */
  readonly holder?: string | undefined
}

/** A member of an archive of the chain that no live entry has any more. */
export interface GoneRecord {
  readonly gone: PathJson
  readonly directory: boolean
}

/** One line of a listing. */
export type ListingRecord = LiveRecord | GoneRecord

/** What a listing describes and what it is bound to. */
export interface ListingHeader {
  readonly format: 1
  readonly vault: string
  readonly host: string
  readonly source: string
  /** The snapshot whose index this is, and the hex SHA-256 of its manifest. */
  readonly snapshot: string
  readonly manifestHash: string
  /** Hex SHA-256 of what the source is: kind, paths, exclude. */
  readonly definition: string
  /** Tells the passphrase from others; salted, and slow to guess from. Null where there are recipients. */
  readonly passphrase: string | null
  /** Snapshots that the index refers to, oldest first; the described one is the last. */
  readonly chain: readonly string[]
  /** Incrementals since the last full; 0 for a full. */
  readonly incrementals: number
  /** When the chain's archives were last read and hashed, or written. ISO 8601, UTC. */
  readonly checkedAt: string
  /**
   * `ID/FILE` of the chain's archives, and how each file looked (`Vault.look`) when its content was proven last. An
   * archive that is missing here has to be proven again.
   */
  readonly looks?: Readonly<Record<string, string>>
}

/** The fields of a header that are known before the records are, and before the snapshot is committed. */
export type ListingDraft = Omit<ListingHeader, 'format' | 'manifestHash' | 'chain' | 'looks'>

/** A listing that was found. Its records are proven when the generator ended without error. */
export interface StoredListing {
  readonly header: ListingHeader
  /** Sorted by path bytes. Throws DamageError `listing-damaged` when the file is not whole. */
  records(): AsyncGenerator<ListingRecord>
}

/** A listing being written. Disposing it without a commit leaves the old one in place. */
export interface PendingListing extends AsyncDisposable {
  /** Records must come sorted by path bytes. A promise says that no more should come before it resolved. */
  add(record: ListingRecord): Promise<void> | undefined
  /** Binds it to the committed snapshot and to those its records refer to, with how their archives look, and puts it in place of the old one. */
  commit(manifestHash: string, chain: readonly string[], looks?: ListingHeader['looks']): Promise<void>
}

/**
 * The last listing of each source: a cache. A listing that is lost, foreign or damaged costs one full pull and no more,
 * so `open` returns undefined for each of these.
 */
export interface ListingStore {
  open(vault: string, host: string, source: string): Promise<StoredListing | undefined>
  begin(draft: ListingDraft): Promise<PendingListing>
  /** Forgets a source's listing. Idempotent. */
  remove(vault: string, host: string, source: string): Promise<void>
}
