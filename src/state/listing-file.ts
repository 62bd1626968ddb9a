import { createHash, randomBytes } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { pipeline as finished } from 'node:stream/promises'
import { createZstdCompress, createZstdDecompress } from 'node:zlib'
import type { ZstdCompress } from 'node:zlib'
import { DamageError } from '../errors.ts'
import type { ListingRecord } from './contract.ts'

const NEWLINE = 0x0a
const BATCH_LENGTH = 128 * 1024

/** The proof that a file of records is as it was written. */
export interface RecordsProof {
  readonly records: number
  /** Hex SHA-256 of the plain lines. */
  readonly sha256: string
}

/**
 * The records of a listing: zstd of JSON lines. It is our own cache, so lines are not checked field by field: the
 * proof says that they are as written. Proven when the generator ended. Throws DamageError `listing-damaged`.
 */
export async function* readRecords(path: string, proof: RecordsProof): AsyncGenerator<ListingRecord> {
  const hash = createHash('sha256')
  let records = 0
  const file = createReadStream(path)
  const decoder = createZstdDecompress()
  pipeline(file, decoder, () => {})
  let rest: Buffer = Buffer.alloc(0)
  try {
    for await (const chunk of decoder as AsyncIterable<Buffer>) {
      hash.update(chunk)
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let from = 0
      for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
        records += 1
        yield JSON.parse(bytes.toString('utf8', from, end)) as ListingRecord
        from = end + 1
      }
      rest = bytes.subarray(from)
    }
  } catch (error) {
    throw damaged(error)
  } finally {
    file.destroy()
    decoder.destroy()
  }
  if (records !== proof.records || hash.digest('hex') !== proof.sha256) throw damaged()
}

/** Writes a file of records, mode 0600; it must not exist. */
export class RecordsWriter {
  readonly path: string
  readonly #compress: ZstdCompress
  readonly #written: Promise<void>
  readonly #hash: Hash = createHash('sha256')
  #lines: string[] = []
  #length = 0
  #records = 0

  /** `prefix` is what the file's name begins with. */
  constructor(prefix: string, suffix: string) {
    this.path = `${prefix}${randomBytes(6).toString('hex')}${suffix}`
    this.#compress = createZstdCompress()
    this.#written = finished(this.#compress, createWriteStream(this.path, { mode: 0o600, flags: 'wx' }))
    // `add` or `end` reports the failure.
    this.#written.catch(() => {})
  }

  /** A promise says that no more should come before it resolved. */
  add(record: ListingRecord): Promise<void> | undefined {
    const line = JSON.stringify(record)
    this.#lines.push(line)
    this.#length += line.length
    this.#records += 1
    return this.#length >= BATCH_LENGTH ? this.#flush() : undefined
  }

  /** Resolves when everything is in the file. */
  async end(): Promise<RecordsProof> {
    if (this.#lines.length > 0) await this.#flush()
    this.#compress.end()
    await this.#written
    return { records: this.#records, sha256: this.#hash.digest('hex') }
  }

  async abort(): Promise<void> {
    this.#compress.destroy()
    await this.#written.catch(() => {})
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.from(`${this.#lines.join('\n')}\n`)
    this.#lines = []
    this.#length = 0
    this.#hash.update(bytes)
    if (this.#compress.destroyed) await this.#written
    if (!this.#compress.write(bytes)) await Promise.race([once(this.#compress, 'drain'), this.#written])
  }
}

function damaged(cause?: unknown): DamageError {
  return new DamageError('listing-damaged', 'The list of the last pull is damaged', {
    next: 'Nothing needs to be done: the next pull is a full one.',
    cause,
  })
}
