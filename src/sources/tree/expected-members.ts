import type { TarEntry } from '../../archive/contract.ts'
import { SourceError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import { someNames } from './failures.ts'
import { formatCount } from '../../model/units.ts'

/**
 * Compares the names that were asked for with the members that come. tar packs names in the order in which it gets
 * them, so only those that are on their way lie between the two. Hundreds of thousands can be: what is sent waits in
 * the server's tar, its compressor and the connection. Memory: the bytes of the names on their way, and the names that
 * did not come.
 */
export class ExpectedMembers {
  readonly #waiting = new NameQueue()
  readonly #skipped: string[] = []
  readonly #tails = new Set<string>()

  /** A name is about to be sent. It holds no NUL. */
  ask(name: Buffer): void {
    this.#waiting.push(name)
  }

  /** The member that a tail becomes, in latin1. Tails come in any order, or not at all. */
  askTail(name: string): void {
    this.#tails.add(name)
  }

  /** Throws SourceError `wrong-members` for a member that nobody asked for, or that came before. */
  take({ path }: Pick<TarEntry, 'path'>): void {
    if (this.#tails.size > 0 && this.#tails.delete(path.toString('latin1'))) return
    const before = this.#waiting.upTo(path)
    if (before === undefined) {
      throw new SourceError(
        'wrong-members',
        `The server sent ${printable(path)}, which it was not asked for`,
        { next: WHAT_TO_DO },
      )
    }
    for (const skipped of before) this.#skipped.push(skipped)
  }

  /** Names, in latin1, that were asked for and did not come. */
  get missing(): readonly string[] {
    return [...this.#skipped, ...this.#waiting.names()]
  }

  /** Members of tails, in latin1, that did not come. */
  get missingTails(): ReadonlySet<string> {
    return this.#tails
  }
}

/** Bytes of names that are held together. */
const PAGE = 65_536

/** Names in the order in which they were pushed, each as its bytes and a NUL: strings would take twice the memory. */
class NameQueue {
  /** Whole names each. The last is written up to `#written`. */
  readonly #pages: Buffer[] = []
  #written = 0
  /** Where the first name begins in the first page. */
  #read = 0

  push(name: Buffer): void {
    const last = this.#pages.at(-1)
    const page =
      last !== undefined && this.#written + name.length < last.length ? last : this.#turn(name.length + 1)
    page.set(name, this.#written)
    page[this.#written + name.length] = 0
    this.#written += name.length + 1
  }

  /** Takes the names up to this one away, and gives those before it. Undefined, and nothing is taken: it is not there. */
  upTo(name: Buffer): readonly string[] | undefined {
    const before: string[] = []
    for (const { page, from, to, next } of this.#each()) {
      if (to - from === name.length && name.compare(page, from, to) === 0) {
        this.#drop(page, next)
        return before
      }
      before.push(page.toString('latin1', from, to))
    }
    return undefined
  }

  *names(): Generator<string> {
    for (const { page, from, to } of this.#each()) yield page.toString('latin1', from, to)
  }

  *#each(): Generator<{ page: Buffer; from: number; to: number; next: number }> {
    const last = this.#pages.length - 1
    for (const [at, page] of this.#pages.entries()) {
      const end = at === last ? this.#written : page.length
      let from = at === 0 ? this.#read : 0
      while (from < end) {
        const to = page.indexOf(0, from)
        yield { page, from, to, next: to + 1 }
        from = to + 1
      }
    }
  }

  #drop(page: Buffer, next: number): void {
    this.#pages.splice(0, this.#pages.indexOf(page))
    this.#read = next
  }

  #turn(atLeast: number): Buffer {
    const full = this.#pages.pop()
    if (full !== undefined) this.#pages.push(full.subarray(0, this.#written))
    const page = Buffer.allocUnsafe(Math.max(PAGE, atLeast))
    this.#pages.push(page)
    this.#written = 0
    return page
  }
}

const WHAT_TO_DO =
  'Look at tar on the server: it, or something in its place, does not pack what it is told to. Nothing of this source was kept.'

/** The error for names (latin1) that are in the list and exist, and that were not sent. */
export function missingMembers(names: readonly string[]): SourceError {
  return new SourceError(
    'missing-members',
    `${formatCount(names.length, 'entry', 'entries')} of the source did not come, and tar on the server reported nothing: ${someNames(names)}`,
    { next: WHAT_TO_DO },
  )
}
