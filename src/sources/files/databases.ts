import type { ByteSink, TarEntry } from '../../archive/contract.ts'
import type { FileState, FileStates } from './file-states.ts'

/** How every SQLite file begins (sqlite.org/fileformat.html, section 1.3). */
const HEADER = Buffer.from('SQLite format 3\0', 'latin1')
/** Every page has at least this size, and a database is whole pages. */
const PAGE = 512
/** What SQLite keeps beside a database and needs together with it. */
const BESIDE = ['-wal', '-journal'] as const

const SECOND = 1_000_000_000n
/** A file written to so shortly before the look may be written to again within the same second. */
const SETTLE_SECONDS = 2

/**
 * Finds the SQLite databases among what is captured, and tells which of them did not hold still: a database is a copy
 * only when neither it nor what lies beside it was written to from when its first part was opened until all of them
 * were read. Names are members', in latin1.
 */
export class Databases {
  readonly #isExcluded: (name: string) => boolean
  /** Each part as it was captured last. */
  readonly #captured = new Map<string, FileState>()
  readonly #names = new Set<string>()

  /** @param isExcluded names that no capture takes, so that nobody waits for them */
  constructor(isExcluded: (name: string) => boolean) {
    this.#isExcluded = isExcluded
  }

  /** Sees the beginning of what may be a database. */
  tap(entry: TarEntry): ByteSink | undefined {
    if (entry.size < PAGE || entry.size % PAGE !== 0) return undefined
    let begin = Buffer.alloc(0)
    return {
      write: (chunk) => {
        if (begin.length < HEADER.length)
          begin = Buffer.concat([begin, chunk.subarray(0, HEADER.length - begin.length)])
      },
      end: () => {
        if (begin.equals(HEADER)) this.#names.add(entry.path.toString('latin1'))
      },
    }
  }

  /** A member was read, in whatever part. Call it behind its {@link tap}. */
  add(entry: TarEntry): void {
    if (entry.type !== 'file') return
    const name = entry.path.toString('latin1')
    if (this.#isBeside(name) || this.#names.has(name)) {
      this.#captured.set(name, { size: entry.size, mtimeNs: entry.mtimeNs })
    }
  }

  /** Just the end of a file is captured: what lies beside a database is of no use without all of it. */
  addTail(name: string): void {
    this.#isBeside(name)
  }

  /** Takes note of the database that a file lies beside. */
  #isBeside(name: string): boolean {
    const of = BESIDE.find((ending) => name.endsWith(ending) && name.length > ending.length)
    if (of !== undefined) this.#names.add(name.slice(0, -of.length))
    return of !== undefined
  }

  get names(): readonly string[] {
    return [...this.#names]
  }

  /** The files that a database is made of, whether they are there or not. */
  partsOf(name: string): readonly string[] {
    return [name, ...BESIDE.map((ending) => name + ending)].filter((part) => !this.#isExcluded(part))
  }

  /** The captured parts of a database that are not there any more: old ones beside a new one would spoil it. */
  goneParts(name: string, { states }: FileStates): readonly string[] {
    return this.partsOf(name).filter((part) => this.#captured.has(part) && !states.has(part))
  }

  /** Whether a database was written to since it was captured; `changed` are names that were written to while read. */
  hasMoved(name: string, { states, clock }: FileStates, changed: ReadonlySet<string>): boolean {
    return this.partsOf(name).some((part) => {
      const [was, is] = [this.#captured.get(part), states.get(part)]
      if (was === undefined && is === undefined) return false
      if (was === undefined || is === undefined || changed.has(part)) return true
      if (was.size !== is.size) return true
      if (was.mtimeNs % SECOND !== 0n) return was.mtimeNs !== is.mtimeNs
      // Only whole seconds are known of what was captured.
      const second = is.mtimeNs / SECOND
      return (
        was.mtimeNs / SECOND !== second || (clock !== undefined && second >= BigInt(clock - SETTLE_SECONDS))
      )
    })
  }
}
