import type { EntryType, ReadEntry } from '../../archive/contract.ts'
import type { FilesFacts } from './facts.ts'
import { SizeBook } from './size-book.ts'

/** Names of hard links that are kept; beyond it a changed file can't be read again together with its links. */
const MOST_LINKS = 100_000

/** Types other than files are kept in the book of sizes as negative numbers. */
const CODES: readonly EntryType[] = [
  'file',
  'directory',
  'symlink',
  'hardlink',
  'fifo',
  'character-device',
  'block-device',
]

/** Counts what was packed. A member that is packed again counts as it is then. */
export class Tally {
  readonly #counts = new Map<EntryType, number>()
  readonly #book = new SizeBook()
  readonly #links = new Map<string, string[]>()
  readonly #again = new Map<string, EntryType>()
  #linkCount = 0
  #bytes = 0

  /** A member of the main archive. */
  add(entry: ReadEntry): void {
    this.#count(entry.type, 1)
    if (entry.type === 'file') this.#bytes += entry.size
    this.#book.set(entry.path, entry.type === 'file' ? entry.size : -CODES.indexOf(entry.type))
    if (entry.type === 'hardlink' && entry.linkPath !== undefined) {
      this.#linkCount += 1
      if (this.#linkCount <= MOST_LINKS) {
        const target = entry.linkPath.toString('latin1')
        const names = this.#links.get(target)
        if (names === undefined) this.#links.set(target, [entry.path.toString('latin1')])
        else names.push(entry.path.toString('latin1'))
      }
    }
  }

  /** A member that was read again. */
  replace(entry: ReadEntry): void {
    const known = this.#book.get(entry.path)
    if (known !== undefined) {
      this.#count(CODES[Math.max(0, -known)] ?? 'file', -1)
      if (known > 0) this.#bytes -= known
    }
    this.#count(entry.type, 1)
    if (entry.type === 'file') this.#bytes += entry.size
    this.#book.set(entry.path, entry.type === 'file' ? entry.size : -CODES.indexOf(entry.type))
    this.#again.set(entry.path.toString('latin1'), entry.type)
  }

  /** The main archive has this member (latin1). */
  has(name: string): boolean {
    return this.#book.get(Buffer.from(name, 'latin1')) !== undefined
  }

  /** The members read again, by name in latin1. */
  get again(): ReadonlyMap<string, EntryType> {
    return this.#again
  }

  /** These members and all their hard links, or undefined when there are more of these than were kept. */
  withLinks(members: readonly string[]): readonly string[] | undefined {
    if (this.#linkCount > MOST_LINKS) return undefined
    return [...new Set(members.flatMap((name) => [name, ...(this.#links.get(name) ?? [])]))]
  }

  facts(): FilesFacts {
    const of = (...types: EntryType[]): number =>
      types.reduce((sum, type) => sum + (this.#counts.get(type) ?? 0), 0)
    return {
      kind: 'files',
      files: of('file'),
      directories: of('directory'),
      links: of('symlink', 'hardlink'),
      others: of('fifo', 'character-device', 'block-device'),
      bytes: this.#bytes,
    }
  }

  #count(type: EntryType, by: number): void {
    this.#counts.set(type, (this.#counts.get(type) ?? 0) + by)
  }
}
