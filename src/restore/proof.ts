import { hash } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { DamageError, RelayError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type { Privilege, RemoteHost } from '../remote/contract.ts'
import { hashStaged } from './server/staging.ts'

/** A file that was unpacked, and what it must be. */
export interface ExpectedFile {
  /** As in the archive. */
  readonly path: Buffer
  /** Relative to the staging directory. */
  readonly staged: Buffer
  /** Hex. */
  readonly sha256: string
}

interface StagingPlace {
  readonly directory: string
  readonly privilege: Privilege | undefined
  readonly signal: AbortSignal
}

/** Has the server hash files that were unpacked; throws DamageError for the first that is not what it must be. */
export async function proveFiles(
  host: RemoteHost,
  files: AsyncIterable<ExpectedFile>,
  { source, ...place }: StagingPlace & { readonly source: string },
): Promise<void> {
  for await (const batch of batched(files, MOST_ASKED)) {
    let at = 0
    const names = batch.map(({ staged }) => staged)
    for await (const found of hashStaged(host, { ...place, names })) {
      const file = batch[at]!
      at += 1
      if (typeof found === 'object' && found.sha256 === file.sha256) continue
      throw new DamageError(
        'restored-differs',
        `${printable(file.path)} is ${typeof found === 'object' ? 'not what was captured' : found} on the target after it was unpacked`,
        {
          source,
          next: 'Nothing was replaced. Check the target: disk, memory, other writers; then restore again.',
        },
      )
    }
  }
}

/** Files that are asked for at a time: they are kept until they were answered. */
const MOST_ASKED = 10_000

async function* batched<T>(all: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let batch: T[] = []
  for await (const one of all) {
    if (batch.push(one) < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

/**
 * Files that one process on the server hashes: enough to make its start cheap, and few enough to leave little at the
 * end.
 */
const BATCH_FILES = 2000
const BATCH_BYTES = 256 * 1024 ** 2
/** Names that may wait. More of them mean that hashing is slower than unpacking, so it is done afterwards. */
const MOST_WAITING = 50_000

interface WaitingFile {
  readonly name: Buffer
  readonly size: number
  /** Members of the tar before it. */
  readonly before: number
}

/**
 * Proves the files of a tar while it is unpacked: those that lie there complete are hashed on the server in the tar's
 * order. The index has another order, so the two are compared as sums over all files: in constant memory, and
 * without knowing which file differs.
 */
export class ProofAlongside {
  readonly #host: RemoteHost
  readonly #place: StagingPlace
  readonly #expected = new HashSum()
  readonly #found = new HashSum()
  #waiting: WaitingFile[] = []
  #complete = 0
  #tooMany = false
  readonly #progress = new EventEmitter<{ more: [] }>()

  constructor(host: RemoteHost, place: StagingPlace) {
    this.#host = host
    this.#place = place
  }

  /** A file as the index has it. */
  expect(name: Buffer, sha256: string): void {
    this.#expected.add(name, sha256)
  }

  /** A file that is sent, in the stream's order. */
  add(file: WaitingFile): void {
    if (this.#waiting.length === MOST_WAITING) this.#tooMany = true
    if (this.#tooMany) this.#waiting = []
    else this.#waiting.push(file)
  }

  /**
   * Hashes what is complete while `unpack` runs, which says how many members are, and the rest behind it. Resolves with
   * true when all files are what was expected, by now or by `late`, which is asked behind `unpack`. False only means
   * that {@link proveFiles} has to look, which names the file. Rejects with what `unpack` threw, or the signal's
   * reason.
   */
  async during(
    unpack: (signal: AbortSignal, onMembers: (count: number) => void) => Promise<void>,
    late: () => Iterable<{ readonly name: Buffer; readonly sha256: string }>,
  ): Promise<boolean> {
    const failed = new AbortController()
    const signal = AbortSignal.any([this.#place.signal, failed.signal])
    const proving = this.#run(signal)
    // The promise is awaited below; until then its rejection must not count as unhandled.
    proving.catch(() => undefined)
    try {
      await unpack(signal, (count) => this.#reach(count))
      for (const { name, sha256 } of late()) this.expect(name, sha256)
      this.#reach(Infinity)
      return await proving
    } catch (error) {
      failed.abort(error)
      await proving.catch(() => undefined)
      throw error
    }
  }

  /** So many members lie there complete; Infinity when all do and no more come. */
  #reach(members: number): void {
    this.#complete = members
    this.#progress.emit('more')
  }

  async #run(signal: AbortSignal): Promise<boolean> {
    try {
      for (let batch = await this.#next(signal); batch.length > 0; batch = await this.#next(signal)) {
        let at = 0
        const names = batch.map(({ name }) => name)
        for await (const found of hashStaged(this.#host, { ...this.#place, names, signal })) {
          this.#found.add(names[at]!, typeof found === 'object' ? found.sha256 : found)
          at += 1
        }
      }
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof RelayError)) throw error
      return false
    }
    return !this.#tooMany && this.#found.equals(this.#expected)
  }

  /** A batch of files that lie there complete; less than one when no more come. */
  async #next(signal: AbortSignal): Promise<WaitingFile[]> {
    for (;;) {
      signal.throwIfAborted()
      if (this.#tooMany) return []
      const count = this.#batch()
      if (count !== undefined) return this.#waiting.splice(0, count)
      await once(this.#progress, 'more', { signal })
    }
  }

  /** How many files the next batch has; undefined when there are too few yet. */
  #batch(): number | undefined {
    let bytes = 0
    for (const [count, { size, before }] of this.#waiting.entries()) {
      if (count === BATCH_FILES || bytes >= BATCH_BYTES) return count
      if (before >= this.#complete) return undefined
      bytes += size
    }
    return this.#complete === Infinity ? this.#waiting.length : undefined
  }
}

/** A sum over hashes of names and hashes, in which the order does not count. */
class HashSum {
  #sum = 0n

  add(name: Buffer, sha256: string): void {
    const one = hash('sha256', Buffer.concat([name, Buffer.from(`\0${sha256}`)]))
    this.#sum = BigInt.asUintN(256, this.#sum + BigInt(`0x${one}`))
  }

  equals(other: HashSum): boolean {
    return this.#sum === other.#sum
  }
}
