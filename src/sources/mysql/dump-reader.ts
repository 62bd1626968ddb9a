/** What a dump has of a table. */
export interface DumpedTable {
  rows: number
  /** Of the statements that fill it. */
  bytes: number
}

const NEWLINE = 10
const QUOTE = 39
const DOUBLE_QUOTE = 34
const OPEN = 40
const CLOSE = 41
const SEMICOLON = 59
const BACKSLASH = 92
const BACKTICK = 96
const V = 86

const INSERT = Buffer.from('INSERT INTO `')
/** The longest beginning of a line that says something: a name of 64 characters, each of four bytes, is doubled at worst. */
const LONGEST_HEAD = 1024
/** The name of what a statement makes, or is about to fill: a dump of rows alone makes nothing. */
const NAMED = /^(?:CREATE (?:OR REPLACE )?TABLE (?:IF NOT EXISTS )?|LOCK TABLES )`((?:[^`]|``)*)`/
const BEGINS = /^-- (?:MySQL|MariaDB) dump /
const ENDS = /^-- Dump completed\b/
const UNSEEN = /^-- insufficient privileges to /

/**
 * Reads what mysqldump or mariadb-dump writes of one database, while it streams by, in constant memory: which tables it
 * makes, how many rows it puts into each, and whether it goes to its end. A row is counted at its bracket behind VALUES,
 * outside of all quotes, so neither text nor names look like one. Bodies of routines stand between two DELIMITER lines and
 * are passed over.
 */
export class DumpReader {
  readonly tables = new Map<string, DumpedTable>()
  /** It begins as a dump does. */
  begun = false
  /** The last line is the one that a whole dump ends with. */
  ended = false
  /** Something has been left out, for want of a privilege, as the dump says in a comment. */
  unseen = false
  /** The beginning of the current line; undefined within a statement that inserts. */
  #head: Buffer | undefined = Buffer.alloc(0)
  #isBody = false
  // Within a statement that inserts.
  #name: number[] | undefined
  #table: DumpedTable | undefined
  #quote = 0
  #isEscaped = false
  #depth = 0
  #hasValues = false
  #rows = 0
  #bytes = 0

  write(chunk: Buffer): void {
    let from = 0
    while (from < chunk.length)
      from = this.#head === undefined ? this.#insert(chunk, from) : this.#line(chunk, from, this.#head)
  }

  /** A last line without a line end counts, too. */
  end(): void {
    if (this.#head !== undefined && this.#head.length > 0) this.#judge(this.#head)
  }

  /** Reads of a line until it ends, or turns out to insert. Returns where it stopped. */
  #line(chunk: Buffer, from: number, head: Buffer): number {
    const end = chunk.indexOf(NEWLINE, from)
    const until = end === -1 ? chunk.length : end
    const missing = LONGEST_HEAD - head.length
    const grown =
      missing > 0 ? Buffer.concat([head, chunk.subarray(from, Math.min(until, from + missing))]) : head
    if (!this.#isBody && isInsert(grown)) {
      this.#begin()
      // What of the line was seen before is no more than its beginning.
      const seen = Math.max(0, INSERT.length - head.length)
      return from + seen
    }
    if (end === -1) {
      this.#head = grown
      return until
    }
    this.#judge(grown)
    this.#head = Buffer.alloc(0)
    return end + 1
  }

  #begin(): void {
    this.ended = false
    this.#head = undefined
    this.#name = []
    this.#table = undefined
    this.#quote = BACKTICK
    this.#isEscaped = false
    this.#depth = 0
    this.#hasValues = false
    this.#rows = 0
    this.#bytes = INSERT.length
  }

  #judge(head: Buffer): void {
    if (head.length === 0) return
    const line = head.toString('utf8').replace(/\r$/, '')
    const delimiter = /^DELIMITER (\S+)$/.exec(line)
    if (delimiter !== null) this.#isBody = delimiter[1] !== ';'
    this.ended = false
    if (this.#isBody) return
    if (BEGINS.test(line)) this.begun = true
    if (ENDS.test(line)) this.ended = true
    if (UNSEEN.test(line)) this.unseen = true
    const name = NAMED.exec(line)?.[1]
    if (name !== undefined) this.#of(name.replaceAll('``', '`'))
  }

  #of(name: string): DumpedTable {
    const known = this.tables.get(name)
    if (known !== undefined) return known
    const table: DumpedTable = { rows: 0, bytes: 0 }
    this.tables.set(name, table)
    return table
  }

  /** Reads of a statement that inserts. Returns where it stopped: behind its end, or the chunk's. */
  #insert(chunk: Buffer, from: number): number {
    let at = from
    while (at < chunk.length) {
      if (this.#quote !== 0) {
        at = this.#quoted(chunk, at)
        continue
      }
      const byte = chunk[at]!
      at += 1
      // A name ends with a backtick that none follows.
      if (this.#name !== undefined && byte !== BACKTICK) this.#named(this.#name)
      switch (byte) {
        case QUOTE:
        case DOUBLE_QUOTE:
          this.#quote = byte
          break
        case BACKTICK:
          this.#quote = byte
          this.#name?.push(byte)
          break
        case OPEN:
          if (this.#depth === 0 && this.#hasValues) this.#rows += 1
          this.#depth += 1
          break
        case CLOSE:
          this.#depth -= 1
          break
        case V:
          if (this.#depth === 0) this.#hasValues = true
          break
        case SEMICOLON:
          this.#bytes += at - from
          this.#filled()
          return at
      }
    }
    this.#bytes += at - from
    return at
  }

  /** Reads of what is quoted. Returns where it stopped. */
  #quoted(chunk: Buffer, from: number): number {
    const quote = this.#quote
    const name = quote === BACKTICK ? this.#name : undefined
    const escape = quote === BACKTICK ? -1 : BACKSLASH
    let at = from
    if (this.#isEscaped) {
      this.#isEscaped = false
      at += 1
    }
    for (; at < chunk.length; at += 1) {
      const byte = chunk[at]!
      if (byte === quote) {
        this.#quote = 0
        return at + 1
      }
      if (byte === escape) at += 1
      name?.push(byte)
    }
    // The last byte was a backslash.
    this.#isEscaped = at > chunk.length
    return chunk.length
  }

  /** The name of the table is complete. */
  #named(name: readonly number[]): void {
    this.#table = this.#of(Buffer.from(name).toString('utf8'))
    this.#name = undefined
  }

  /** The statement went to its end: what it has counts. */
  #filled(): void {
    if (this.#table !== undefined) {
      this.#table.rows += this.#rows
      this.#table.bytes += this.#bytes
    }
    this.#head = Buffer.alloc(0)
  }
}

function isInsert(head: Buffer): boolean {
  return head.length >= INSERT.length && head.subarray(0, INSERT.length).equals(INSERT)
}
