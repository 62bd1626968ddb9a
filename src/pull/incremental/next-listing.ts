import type { ListingDraft, ListingRecord, ListingStore, PendingListing } from '../../state/contract.ts'
import type { Snapshot, Vault } from '../../vault/contract.ts'

/**
 * The listing that the next pull starts from, on its way. It is only a cache: when something goes wrong with it, that
 * is reported once and makes the next pull a full. It never costs this pull. Disposing it without a commit leaves the
 * old one in place.
 */
export class NextListing implements AsyncDisposable {
  readonly #store: ListingStore
  readonly #draft: ListingDraft
  readonly #tell: (error: unknown) => void
  #pending: PendingListing | undefined
  /** Snapshots that the index refers to; undefined when no incremental may follow. */
  #chain: readonly string[] | undefined
  #looks: ReadonlyMap<string, string> = new Map()

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

  /** All records came; `chain` is undefined when no incremental may follow. `looks` are those of its archives. */
  complete(chain: readonly string[] | undefined, looks: ReadonlyMap<string, string>): void {
    this.#chain = chain
    this.#looks = looks
  }

  /** Binds it to the committed snapshot. Without a chain the old listing is forgotten instead. */
  async commit(snapshot: Snapshot, vault: Pick<Vault, 'look'>): Promise<void> {
    const [pending, chain] = [this.#pending, this.#chain]
    const { vault: id, host, source } = this.#draft
    if (chain === undefined) await this.#attempt(() => this.#store.remove(id, host, source))
    else if (pending !== undefined) {
      await this.#attempt(async () => {
        const own = await looksOf(snapshot, source, vault)
        await pending.commit(snapshot.manifestHash, chain, Object.fromEntries([...this.#looks, ...own]))
      })
    }
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
      // The next commit sweeps what this leaves.
      await Promise.allSettled([pending?.[Symbol.asyncDispose]()])
    }
  }
}

/** How the archives of a snapshot that was just committed look. */
async function looksOf(
  snapshot: Snapshot,
  source: string,
  vault: Pick<Vault, 'look'>,
): Promise<[string, string][]> {
  const looks: [string, string][] = []
  for (const { archives } of snapshot.manifest.sources.filter(({ name }) => name === source)) {
    for (const { file } of archives) {
      const look = await vault.look(snapshot, file)
      if (look !== undefined) looks.push([`${snapshot.id}/${file}`, look])
    }
  }
  return looks
}
