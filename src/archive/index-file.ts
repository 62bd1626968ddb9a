import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { DamageError } from '../errors.ts'
import type { IndexEntry, IndexHeader, StreamEntry, StreamIndexHeader } from './contract.ts'
import { parseIndexEntry, parseIndexHeader } from './index-entry.ts'
import { parseStreamEntry, parseStreamHeader } from './stream-entry.ts'

/** The last line: how many entries there are, and the hex SHA-256 of every byte before this line. */
interface IndexTrailer {
  readonly entries: number
  readonly sha256: string
}

const BATCH_BYTES = 64 * 1024
const NEWLINE = 0x0a
/** No entry comes near this, even with all the extended attributes a file can have. */
const MAX_LINE = 64 * 1024 * 1024

interface EncodeIndex {
  (header: IndexHeader, batches: AsyncIterable<Iterable<IndexEntry>>): AsyncGenerator<Buffer>
  (header: StreamIndexHeader, batches: AsyncIterable<Iterable<StreamEntry>>): AsyncGenerator<Buffer>
}

/** An index of version 1 as plain JSON lines (docs/design/vault.md): header, entries, trailer. */
export const encodeIndex: EncodeIndex = async function* (
  header: IndexHeader | StreamIndexHeader,
  batches: AsyncIterable<Iterable<IndexEntry | StreamEntry>>,
) {
  const hash = createHash('sha256')
  let lines = [JSON.stringify(header)]
  let length = 0
  let entries = 0
  const take = () => {
    const bytes = Buffer.from(`${lines.join('\n')}\n`)
    hash.update(bytes)
    lines = []
    length = 0
    return bytes
  }
  for await (const batch of batches) {
    for (const entry of batch) {
      const line = JSON.stringify(entry)
      lines.push(line)
      length += line.length
      entries += 1
      if (length >= BATCH_BYTES) yield take()
    }
  }
  if (lines.length > 0) yield take()
  const trailer: IndexTrailer = { entries, sha256: hash.digest('hex') }
  yield Buffer.from(`${JSON.stringify(trailer)}\n`)
}

/**
 * Reads an index of version 1 from plain JSON lines, in constant memory, each line strictly checked. The
 * entries are unproven until the generator ended without error: only then the trailer's count and hash were
 * right and nothing stood behind it. Throws DamageError (`index-…`) otherwise.
 *
 * @param options.onHeader sees the header before the first entry; what it throws ends the reading
 */
export async function* readIndex(
  stream: Readable,
  options: { readonly onHeader?: (header: IndexHeader) => void } = {},
): AsyncGenerator<IndexEntry> {
  yield* readLines(stream, new IndexReader(parseIndexHeader, parseIndexEntry, options.onHeader))
}

/** {@link readIndex} for the index of a `stream` source. */
export async function* readStreamIndex(
  stream: Readable,
  options: { readonly onHeader?: (header: StreamIndexHeader) => void } = {},
): AsyncGenerator<StreamEntry> {
  yield* readLines(stream, new IndexReader(parseStreamHeader, parseStreamEntry, options.onHeader))
}

async function* readLines<H, E>(stream: Readable, reader: IndexReader<H, E>): AsyncGenerator<E> {
  for await (const chunk of stream as AsyncIterable<Buffer>) yield* reader.write(chunk)
  reader.end()
}

class IndexReader<Header, Entry> {
  readonly #parseHeader: (json: unknown) => Header | undefined
  readonly #parseEntry: (json: unknown) => Entry | undefined
  readonly #onHeader: ((header: Header) => void) | undefined
  readonly #hash = createHash('sha256')
  /** The beginning of a line that is not complete yet. */
  #rest: Buffer[] = []
  #restLength = 0
  #line = 0
  #entries = 0
  #state: 'header' | 'entries' | 'done' = 'header'

  constructor(
    parseHeader: (json: unknown) => Header | undefined,
    parseEntry: (json: unknown) => Entry | undefined,
    onHeader: ((header: Header) => void) | undefined,
  ) {
    this.#parseHeader = parseHeader
    this.#parseEntry = parseEntry
    this.#onHeader = onHeader
  }

  *write(chunk: Buffer): Generator<Entry> {
    const last = chunk.lastIndexOf(NEWLINE)
    if (last === -1) {
      this.#keep(chunk)
      return
    }
    const lines = Buffer.concat([...this.#rest, chunk.subarray(0, last + 1)])
    this.#rest = []
    this.#restLength = 0
    this.#keep(chunk.subarray(last + 1))
    // Every line but the trailer is hashed, in one go where that is possible.
    for (let start = 0; start < lines.length;) {
      const end = lines.indexOf(NEWLINE, start)
      const entry = this.#take(this.#parse(lines.toString('utf8', start, end)), () =>
        lines.subarray(0, start),
      )
      if (entry) yield entry
      start = end + 1
    }
    if (this.#state !== 'done') this.#hash.update(lines)
  }

  end(): void {
    if (this.#state !== 'done') throw damage('index-truncated', 'The index is cut short')
    if (this.#restLength > 0) throw this.#trailing()
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return
    this.#rest.push(part)
    this.#restLength += part.length
    if (this.#restLength > MAX_LINE) throw this.#malformed()
  }

  #parse(line: string): unknown {
    this.#line += 1
    if (this.#state === 'done') throw this.#trailing()
    try {
      return JSON.parse(line) as unknown
    } catch {
      throw this.#malformed()
    }
  }

  /** One line; `unhashed` gives what stands before it and was not hashed yet. */
  #take(json: unknown, unhashed: () => Buffer): Entry | undefined {
    if (this.#state === 'header') {
      this.#takeHeader(json)
      return undefined
    }
    const entry = this.#parseEntry(json)
    if (entry) {
      this.#entries += 1
      return entry
    }
    if (!isTrailer(json)) throw this.#malformed()
    this.#hash.update(unhashed())
    if (json.entries !== this.#entries || json.sha256 !== this.#hash.digest('hex')) {
      throw damage('index-hash', 'The index is damaged: its count or hash is wrong')
    }
    this.#state = 'done'
    return undefined
  }

  #takeHeader(json: unknown): void {
    const format = (json as { format?: unknown } | null)?.format
    if (typeof format === 'number' && format !== 1) {
      throw new DamageError(
        'index-format',
        `The index has the format ${format}, which this version can't read`,
        {
          next: 'Use a newer relay-backup.',
        },
      )
    }
    const header = this.#parseHeader(json)
    if (!header) throw this.#malformed()
    this.#state = 'entries'
    this.#onHeader?.(header)
  }

  #malformed(): DamageError {
    return damage('index-malformed', `The index is damaged: line ${this.#line} is not what it must be`)
  }

  #trailing(): DamageError {
    return damage('index-trailing-data', 'The index goes on behind its end')
  }
}

function isTrailer(json: unknown): json is IndexTrailer {
  if (typeof json !== 'object' || json === null) return false
  const { entries, sha256, ...rest } = json as Record<string, unknown>
  return typeof entries === 'number' && typeof sha256 === 'string' && Object.keys(rest).length === 0
}

function damage(code: string, message: string): DamageError {
  return new DamageError(code, message, { next: 'Check the snapshot: relay-backup verify' })
}
