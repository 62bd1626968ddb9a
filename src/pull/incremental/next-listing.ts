import type { ListingDraft, ListingRecord, ListingStore, PendingListing } from '../../state/contract.ts'

/**
 * The listing that the next pull starts from, on its way. It is only a cache: whatever goes wrong with it is told
 * once and costs the next pull a full, never this pull. Disposing it without a commit leaves the old one in place.
 */
export class NextListing implements AsyncDisposable {
  readonly #store: ListingStore
  readonly #draft: ListingDraft
  readonly #tell: (error: unknown) => void
  #pending: PendingListing | undefined
  /** Snapshots that the index refers to; undefined when no incremental may follow. */
  #chain: readonly string[] | undefined

  private constructor(store: ListingStore, draft: ListingDraft, tell: (error: unknown) => void) {
    this.#store = store
    this.#draft = draft
    this.#tell = tell
  }

  /** Never throws; `tell` gets what went wrong. */
  static async begin(
    store: ListingStore,
    draft: ListingDraft,
    tell: (error: unknown) => void,
  ): Promise<NextListing> {
    const next = new NextListing(store, draft, tell)
    await next.#attempt(async () => {
      next.#pending = await store.begin(draft)
    })
    return next
  }

  /** Records must come sorted by path bytes. A promise says that no more should come before it resolved. */
  add(record: ListingRecord): Promise<void> | undefined {
    const added = this.#pending?.add(record)
    return added && this.#attempt(() => added)
  }

  /** All records came; `chain` is undefined when no incremental may follow this snapshot. */
  complete(chain: readonly string[] | undefined): void {
    this.#chain = chain
  }

  /** Binds it to the committed snapshot. Without a chain the old listing is forgotten instead. */
  async commit(manifestHash: string): Promise<void> {
    const [pending, chain] = [this.#pending, this.#chain]
    const { vault, host, source } = this.#draft
    if (chain === undefined) await this.#attempt(() => this.#store.remove(vault, host, source))
    else if (pending !== undefined) await this.#attempt(() => pending.commit(manifestHash, chain))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pending?.[Symbol.asyncDispose]()
  }

  async #attempt(what: () => Promise<void>): Promise<void> {
    try {
      await what()
    } catch (error) {
      const pending = this.#pending
      this.#pending = undefined
      this.#tell(error)
      // What it leaves is swept with the next commit.
      await Promise.allSettled([pending?.[Symbol.asyncDispose]()])
    }
  }
}
