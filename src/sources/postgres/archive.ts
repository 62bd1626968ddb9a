/** An entry of the table of contents of an archive of pg_dump's custom format. */
export interface ArchiveEntry {
  readonly id: number
  /** `TABLE DATA`, `DATABASE PROPERTIES`, `ACL`… */
  readonly type: string
  readonly schema: string
  readonly name: string
  /** Its SQL; empty for what is data alone. */
  readonly definition: string
  readonly hasData: boolean
}

/** Versions of the format whose layout is known: those of PostgreSQL 10 to 18. */
const KNOWN = { from: 12, to: 16 }
/** Of a text in it, in bytes; nothing that people write comes near. */
const LONGEST = 16 * 1024 * 1024
const BEHIND = 'it goes on behind its end'
const BLOCK = { data: 1, largeObjects: 3 } as const

/**
 * Reads an archive of `pg_dump -Fc` as it streams by, in constant memory but for its table of contents: all of its entries,
 * and each block of data to its end (WriteHead and WriteToc in src/bin/pg_dump/pg_backup_archiver.c, _WriteData in
 * pg_backup_custom.c). Of a version that is not known only the beginning is read.
 */
export class ArchiveWalk {
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  /** Of a block that is passed over. */
  #skip = 0
  #intSize = 4
  #offsetSize = 8
  #problem: string | undefined
  /** At an end, where nothing more need come. */
  #isWhole = false
  readonly #walk: Generator<void, void, void>
  #entries: readonly ArchiveEntry[] | undefined

  constructor() {
    this.#walk = this.#read()
  }

  /** Its table of contents, when that was read; undefined before, and for a version that is not known. */
  get entries(): readonly ArchiveEntry[] | undefined {
    return this.#entries
  }

  write(chunk: Buffer): void {
    if (this.#problem !== undefined) return
    const passed = Math.min(this.#skip, chunk.length)
    this.#skip -= passed
    const left = this.#bytes.length - this.#at
    const rest = chunk.subarray(passed)
    if (this.#skip > 0) return
    this.#bytes = left === 0 ? rest : Buffer.concat([this.#bytes.subarray(this.#at), rest])
    this.#at = 0
    try {
      this.#walk.next()
    } catch (error) {
      if (!(error instanceof NotAnArchive)) throw error
      this.#problem = error.message
    }
  }

  /** What is wrong with it, when all of it was written; undefined: it is whole. */
  end(): string | undefined {
    if (this.#problem !== undefined) return this.#problem
    if (this.#isWhole) return this.#at === this.#bytes.length ? undefined : BEHIND
    return this.#entries === undefined
      ? 'it ends in the middle of its table of contents'
      : 'it ends in the middle of its data'
  }

  *#read(): Generator<void, void, void> {
    if ((yield* this.#text(5)) !== 'PGDMP') throw new NotAnArchive('it does not begin as an archive does')
    const [major, minor] = [yield* this.#byte(), yield* this.#byte()]
    yield* this.#byte()
    if (major !== 1 || minor < KNOWN.from || minor > KNOWN.to) return yield* this.#passUnknown()
    this.#intSize = yield* this.#byte()
    this.#offsetSize = yield* this.#byte()
    if (this.#intSize < 1 || this.#intSize > 6) throw new NotAnArchive('its numbers have no known size')
    const format = yield* this.#byte()
    if (format !== 1) throw new NotAnArchive(`it is of format ${format}, and not the custom one`)
    if (minor >= 15) yield* this.#byte()
    else yield* this.#int()
    for (let time = 0; time < 7; time += 1) yield* this.#int()
    for (let version = 0; version < 3; version += 1) yield* this.#string()
    const count = yield* this.#int()
    const entries: ArchiveEntry[] = []
    for (let entry = 0; entry < count; entry += 1) entries.push(yield* this.#entry(minor))
    this.#entries = entries
    const awaited = new Set(entries.filter(({ hasData }) => hasData).map(({ id }) => id))
    while (awaited.size > 0) {
      const type = yield* this.#byte()
      const id = yield* this.#int()
      if (!awaited.delete(id)) throw new NotAnArchive('it has data that its table of contents does not name')
      if (type === BLOCK.data) yield* this.#chunks()
      else if (type === BLOCK.largeObjects) while ((yield* this.#int()) !== 0) yield* this.#chunks()
      else throw new NotAnArchive('it has a block of data of no known kind')
    }
    this.#isWhole = true
    yield
    throw new NotAnArchive(BEHIND)
  }

  *#passUnknown(): Generator<void, void, void> {
    this.#isWhole = true
    for (;;) {
      this.#at = this.#bytes.length
      yield
    }
  }

  *#entry(minor: number): Generator<void, ArchiveEntry, void> {
    const id = yield* this.#int()
    const hasData = (yield* this.#int()) !== 0
    for (let oid = 0; oid < 2; oid += 1) yield* this.#string()
    const name = yield* this.#string()
    const type = yield* this.#string()
    yield* this.#int()
    const definition = yield* this.#string()
    for (let other = 0; other < 2; other += 1) yield* this.#string()
    const schema = yield* this.#string()
    yield* this.#string()
    if (minor >= 14) yield* this.#string()
    if (minor >= 16) yield* this.#int()
    for (let other = 0; other < 2; other += 1) yield* this.#string()
    // What it depends on, up to a string that is none.
    while ((yield* this.#nullable()) !== undefined);
    yield* this.#bytesOf(1 + this.#offsetSize)
    return { id, type, schema, name, definition, hasData }
  }

  *#chunks(): Generator<void, void, void> {
    for (let length = yield* this.#int(); length !== 0; length = yield* this.#int()) {
      if (length < 0) throw new NotAnArchive('a piece of its data has no length')
      const here = Math.min(length, this.#bytes.length - this.#at)
      this.#at += here
      this.#skip = length - here
      while (this.#skip > 0) yield
    }
  }

  *#string(): Generator<void, string, void> {
    return (yield* this.#nullable()) ?? ''
  }

  *#nullable(): Generator<void, string | undefined, void> {
    const length = yield* this.#int()
    return length < 0 ? undefined : yield* this.#text(length)
  }

  *#text(length: number): Generator<void, string, void> {
    return (yield* this.#bytesOf(length)).toString('utf8')
  }

  /** A sign, and the lowest byte first. */
  *#int(): Generator<void, number, void> {
    const size = 1 + this.#intSize
    while (this.#bytes.length - this.#at < size) yield
    let value = 0
    for (let at = size - 1; at > 0; at -= 1) value = value * 256 + (this.#bytes[this.#at + at] ?? 0)
    const isNegative = this.#bytes[this.#at] !== 0
    this.#at += size
    return isNegative ? -value : value
  }

  *#byte(): Generator<void, number, void> {
    return (yield* this.#bytesOf(1))[0] ?? 0
  }

  *#bytesOf(length: number): Generator<void, Buffer, void> {
    if (length > LONGEST) throw new NotAnArchive('it has a text without an end')
    while (this.#bytes.length - this.#at < length) yield
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}

class NotAnArchive extends Error {}
