import type { RecordSorter } from '../../archive/contract.ts'
import { fromTreeOrder, inTreeOrder } from '../../model/tree-order.ts'
import type { Changes } from '../contract.ts'

/** The names of a source, to be packed all of them. It owns the sorter; dispose it. */
export class ListedNames implements AsyncDisposable {
  readonly #sorter: RecordSorter<null>
  readonly #listed: () => AsyncIterable<Buffer>

  constructor(sorter: RecordSorter<null>, listed: () => AsyncIterable<Buffer>) {
    this.#sorter = sorter
    this.#listed = listed
  }

  /** Lists them; call it once. Throws what the listing throws. */
  async list(): Promise<Changes> {
    for await (const path of this.#listed()) this.#sorter.add(inTreeOrder(path), null)
    return { tails: [], memberCount: this.#sorter.count, members: () => this.#members() }
  }

  async *#members(): AsyncGenerator<Buffer> {
    for await (const { key } of this.#sorter.sorted()) yield fromTreeOrder(key)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sorter[Symbol.asyncDispose]()
  }
}
