import { PassThrough, Transform } from 'node:stream'
import type { TransformCallback } from 'node:stream'
import { constants, createGzip, createInflateRaw, createZstdCompress, createZstdDecompress } from 'node:zlib'
import type { Compression } from '../model/snapshot.ts'
import { GzipMemberWalker } from './gzip-members.ts'
import { InnerDecoder } from './inner-decoder.ts'
import { ZstdFrameWalker } from './zstd-frames.ts'

/**
 * Output comes in pieces of this size. Each piece costs a trip to the thread pool, and the default of 16 KiB makes
 * many.
 */
const CHUNK_SIZE = 256 * 1024

/**
 * A compressing stream. Without `level`: zstd 3, gzip 6. zstd frames get their content checksum, which Node
 * leaves out by default and {@link createDecompress} insists on.
 */
export function createCompress(compression: Compression, level?: number): Transform {
  switch (compression) {
    case 'zstd':
      return createZstdCompress({
        chunkSize: CHUNK_SIZE,
        params: {
          [constants.ZSTD_c_compressionLevel]: level ?? 3,
          [constants.ZSTD_c_checksumFlag]: 1,
        },
      })
    case 'gzip':
      return createGzip({ chunkSize: CHUNK_SIZE, level: level ?? 6 })
    case 'none':
      return new PassThrough()
  }
}

/**
 * A decompressing stream with back-pressure that ends only if the input was whole: every frame or member ended,
 * every checksum was right, and nothing stood behind the last. Otherwise it fails with a DamageError (`zstd-…`,
 * `gzip-…`). Bytes that it gave out before it ended are not proven yet. For `none` nothing can be checked.
 */
export function createDecompress(compression: Compression): Transform {
  switch (compression) {
    case 'zstd':
      return new ZstdDecompress()
    case 'gzip':
      return new GzipDecompress()
    case 'none':
      return new PassThrough()
  }
}

/** A Transform around Node decoders, one after another; pushes their output with back-pressure. */
abstract class Decompress extends Transform {
  protected inner: InnerDecoder | undefined

  constructor() {
    super({ readableHighWaterMark: 2 * CHUNK_SIZE, writableHighWaterMark: 4 * CHUNK_SIZE })
  }

  protected abstract decode(chunk: Buffer): Promise<void>
  /** Throws unless the input may end here. */
  protected abstract checkEnd(): void

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.decode(chunk).then(() => done(), done)
  }

  override _flush(done: TransformCallback): void {
    try {
      this.checkEnd()
      done()
    } catch (error) {
      done(error as Error)
    }
  }

  override _read(size: number): void {
    this.inner?.resume()
    super._read(size)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.inner?.destroy()
    done(error)
  }
}

class ZstdDecompress extends Decompress {
  /** The walker's finds in the chunk at hand: bytes of a frame, or (undefined) the end of a frame. */
  readonly #found: (Buffer | undefined)[] = []
  readonly #walker = new ZstdFrameWalker({
    frameBytes: (bytes) => this.#found.push(bytes),
    frameEnd: () => this.#found.push(undefined),
  })

  protected override async decode(chunk: Buffer): Promise<void> {
    this.#walker.write(chunk)
    for (const bytes of this.#found.splice(0)) {
      if (bytes) {
        // Each frame gets a decoder of its own, because before Node 24 a decoder stops after the first frame.
        this.inner ??= new InnerDecoder(
          createZstdDecompress({ chunkSize: CHUNK_SIZE }),
          'zstd-damaged',
          (output) => this.push(output),
        )
        await this.inner.write(bytes)
      } else {
        await this.inner?.end()
        this.inner = undefined
      }
    }
  }

  protected override checkEnd(): void {
    this.#walker.end()
  }
}

class GzipDecompress extends Decompress {
  readonly #walker = new GzipMemberWalker()

  protected override async decode(chunk: Buffer): Promise<void> {
    let at = 0
    while (at < chunk.length) {
      const taken = this.#walker.take(chunk, at)
      at = taken.at
      if (taken.need === 'more' || at === chunk.length) continue
      this.inner ??= new InnerDecoder(
        createInflateRaw({ chunkSize: CHUNK_SIZE }),
        'gzip-damaged',
        (output) => {
          this.#walker.inflated(output)
          return this.push(output)
        },
      )
      const { eaten, ended } = await this.inner.write(chunk.subarray(at))
      at += eaten
      if (ended) {
        this.inner.destroy()
        this.inner = undefined
        this.#walker.deflateEnded()
      }
    }
  }

  protected override checkEnd(): void {
    this.#walker.end()
  }
}
