import type { TarEntry } from '../../archive/contract.ts'
import { SourceError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import { count, someNames } from './failures.ts'

/** Settled names at the front of the queue are dropped when there are so many of them. */
const DROP = 1024

/**
 * Compares the names that were asked for with the members that come. tar packs names in the order in which it gets
 * them, so only those that are on their way lie between the two. Names are members', in latin1. Memory: the names on
 * their way, and those that did not come.
 */
export class ExpectedMembers {
  readonly #waiting: string[] = []
  #first = 0
  readonly #skipped: string[] = []
  readonly #tails = new Set<string>()

  /** A name is about to be sent. */
  ask(name: string): void {
    this.#waiting.push(name)
  }

  /** The member that a tail becomes. Tails come in any order, or not at all. */
  askTail(name: string): void {
    this.#tails.add(name)
  }

  /** Throws SourceError `wrong-members` for a member that nobody asked for, or that came before. */
  take({ path }: Pick<TarEntry, 'path'>): void {
    const name = path.toString('latin1')
    if (this.#tails.delete(name)) return
    const at = this.#waiting.indexOf(name, this.#first)
    if (at === -1) {
      throw new SourceError(
        'wrong-members',
        `The server sent ${printable(path)}, which it was not asked for`,
        { next: WHAT_TO_DO },
      )
    }
    for (let skipped = this.#first; skipped < at; skipped += 1)
      this.#skipped.push(this.#waiting[skipped] ?? '')
    this.#first = at + 1
    if (this.#first < DROP) return
    this.#waiting.splice(0, this.#first)
    this.#first = 0
  }

  /** Names that were asked for and did not come. */
  get missing(): readonly string[] {
    return [...this.#skipped, ...this.#waiting.slice(this.#first)]
  }

  /** Members of tails that did not come. */
  get missingTails(): ReadonlySet<string> {
    return this.#tails
  }
}

const WHAT_TO_DO =
  'Look at tar on the server: it, or something in its place, does not pack what it is told to. Nothing of this source was kept.'

/** The error for names (latin1) that are in the list and exist, and that were not sent. */
export function missingMembers(names: readonly string[]): SourceError {
  return new SourceError(
    'missing-members',
    `${count(names.length, 'entry', 'entries')} of the source did not come, and tar on the server reported nothing: ${someNames(names)}`,
    { next: WHAT_TO_DO },
  )
}
