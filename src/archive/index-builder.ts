import { Readable } from 'node:stream'
import { pathFromJson } from '../model/path-bytes.ts'
import type { CreateIndexBuilder, IndexBuilder, IndexEntry, IndexHeader, ReadEntry } from './contract.ts'
import { describeEntry, placeEntry } from './index-entry.ts'
import { encodeIndex } from './index-file.ts'
import { EncryptedSpool } from './spool.ts'

interface Place {
  readonly part: string
  readonly archive: string
}

/** An entry set aside: the number of its place, and what the archive says of it. */
type Spooled = readonly [place: number, entry: IndexEntry]

/** The promises are those of {@link IndexBuilder}. */
export const createIndexBuilder: CreateIndexBuilder = async (scratchPath) =>
  new SpooledIndex(await EncryptedSpool.create(scratchPath))

class SpooledIndex implements IndexBuilder {
  readonly #spool: EncryptedSpool<Spooled>
  /** One place for each archive of the source, so there are few. */
  readonly #places: Place[] = []

  constructor(spool: EncryptedSpool<Spooled>) {
    this.#spool = spool
  }

  get count(): number {
    return this.#spool.count
  }

  add(entry: ReadEntry, { part, archive }: Place): void {
    // Entries come archive by archive, so it is nearly always the last place.
    let place = this.#places.findLastIndex((known) => known.part === part && known.archive === archive)
    if (place === -1) place = this.#places.push({ part, archive }) - 1
    this.#spool.append([place, describeEntry(entry)])
  }

  finish(header: IndexHeader, amend: Parameters<IndexBuilder['finish']>[1]): Readable {
    return Readable.from(encodeIndex(header, this.#amended(header.snapshot, amend)), { objectMode: false })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spool[Symbol.asyncDispose]()
  }

  async *#amended(
    snapshot: string,
    amend: Parameters<IndexBuilder['finish']>[1],
  ): AsyncGenerator<IndexEntry[]> {
    for await (const batch of this.#spool.batches()) {
      const entries: IndexEntry[] = []
      for (const [number, entry] of batch) {
        const place = this.#places[number]
        if (!place) throw new RangeError(`no place ${number}`)
        const amendment = amend(place.part, pathFromJson(entry.path))
        if (amendment?.drop) continue
        entries.push(placeEntry(entry, { snapshot, archive: place.archive, flags: amendment?.flags }))
      }
      yield entries
    }
  }
}
