import { createHash, hash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import type { Readable, Transform } from 'node:stream'
import { DamageError } from '../errors.ts'
import { formatSize } from '../model/units.ts'
import type { ArchiveFormat, Compression } from '../model/snapshot.ts'
import { createDecompress } from './compression.ts'
import type { ArchiveObserver, ByteSink, TarEntry } from './contract.ts'
import { StreamWriter, pump } from './pump.ts'
import type { ByteWriter } from './pump.ts'
import type { TarHandler } from './tar-reader.ts'
import { TarReader } from './tar-reader.ts'

/** What the read-back counted. */
export interface ReadBackTotals {
  readonly plainBytes: number
  /** Tar members; 0 for the format `stream`. */
  readonly entries: number
}

/**
 * An archive being read back. Nothing but bytes goes in and nothing but totals and the observer's calls come
 * out, so that it can run in another thread.
 */
export interface ReadBack {
  /** Takes the archive as stored: compressed, not encrypted. */
  readonly input: ByteWriter
  /** Resolves when the archive was whole. Rejects with DamageError, or with what the observer threw. */
  readonly result: Promise<ReadBackTotals>
  /** The totals so far. */
  readonly totals: ReadBackTotals
}

/**
 * Starts to read an archive back: decompresses it with every checksum and frame end checked, reads the tar
 * byte-exact to its end-of-archive, hashes each file, and tells the observer. Constant memory.
 *
 * @param own takes over the stream inside, whoever has to destroy it
 * @param most called again and again; more plain bytes than it returns are a bomb and not an archive, and reading fails
 */
export function startReadBack(
  archive: { readonly format: ArchiveFormat; readonly compression: Compression },
  observer: ArchiveObserver,
  own: (stream: Transform) => Transform,
  most: () => number = () => Infinity,
): ReadBack {
  const decompress = own(createDecompress(archive.compression))
  const consumer =
    archive.format === 'tar' ? new TarConsumer(observer) : new ContentConsumer(observer.content)
  return {
    input: new StreamWriter(decompress),
    result: consume(decompress, consumer, most),
    totals: consumer,
  }
}

/**
 * Reads a plain tar from a stream, hashes each file, and tells the observer. Resolves when the archive was
 * whole; rejects with DamageError, with the stream's error, or with what the observer threw.
 */
export function readTar(plain: Readable, observer: ArchiveObserver): Promise<ReadBackTotals> {
  return consume(plain, new TarConsumer(observer))
}

interface Consumer extends ReadBackTotals {
  write(chunk: Buffer): void
  end(): void
}

async function consume(
  plain: Readable,
  consumer: Consumer,
  most: () => number = () => Infinity,
): Promise<ReadBackTotals> {
  let bytes = 0
  await pump(
    plain,
    (chunk) => {
      bytes += chunk.length
      if (bytes > most()) throw tooBig(bytes)
      consumer.write(chunk)
      return undefined
    },
    async () => consumer.end(),
  )
  return { plainBytes: consumer.plainBytes, entries: consumer.entries }
}

function tooBig(bytes: number): DamageError {
  return new DamageError(
    'archive-too-big',
    `What the server sends unpacks to more than ${formatSize(bytes)}, far beyond what it has there`,
  )
}

class ContentConsumer implements Consumer {
  readonly entries = 0
  plainBytes = 0
  readonly #sink: ByteSink | undefined

  constructor(sink: ByteSink | undefined) {
    this.#sink = sink
  }

  write(chunk: Buffer): void {
    this.plainBytes += chunk.length
    this.#sink?.write(chunk)
  }

  end(): void {
    this.#sink?.end()
  }
}

class TarConsumer implements Consumer, TarHandler {
  entries = 0
  readonly #reader = new TarReader(this)
  readonly #observer: ArchiveObserver
  #entry: TarEntry | undefined
  #contentOffset = 0
  #tap: ByteSink | undefined
  /** The content came in one piece so far. Hashing it in one call saves a hash object for each small file. */
  #only: string | undefined
  #hash: Hash | undefined

  constructor(observer: ArchiveObserver) {
    this.#observer = observer
  }

  get plainBytes(): number {
    return this.#reader.offset
  }

  write(chunk: Buffer): void {
    this.#reader.write(chunk)
  }

  end(): void {
    this.#reader.end()
  }

  entry(entry: TarEntry, contentOffset: number): void {
    this.#entry = entry
    this.#contentOffset = contentOffset
    this.#only = undefined
    this.#hash = undefined
    this.#tap = entry.type === 'file' ? this.#observer.tap?.(entry) : undefined
  }

  content(chunk: Buffer): void {
    if (this.#entry?.size === chunk.length) this.#only = hash('sha256', chunk)
    else (this.#hash ??= createHash('sha256')).update(chunk)
    this.#tap?.write(chunk)
  }

  endEntry(): void {
    this.entries += 1
    this.#tap?.end()
    const entry = this.#entry
    if (!entry || !this.#observer.entry) return
    const contentOffset = this.#contentOffset
    this.#observer.entry(
      entry.type === 'file'
        ? { ...entry, contentOffset, sha256: this.#only ?? this.#hash?.digest('hex') ?? EMPTY_SHA256 }
        : { ...entry, contentOffset },
    )
  }
}

const EMPTY_SHA256 = hash('sha256', '')
