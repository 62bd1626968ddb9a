import { Transform } from 'node:stream'
import type { TransformCallback } from 'node:stream'
import { END_OF_ARCHIVE } from './tar-header.ts'
import { TarReader } from './tar-reader.ts'

/**
 * Joins several complete tar archives, one behind the other, to one. The end-of-archive and the padding of each are
 * dropped, and one end-of-archive is put at the end. Streaming; chunks pass through uncopied where they can. A defect,
 * or an input that is not at least one whole archive, is a DamageError whose offset is that of the input.
 */
export function createTarJoin(): Transform {
  return new TarJoin()
}

class TarJoin extends Transform {
  readonly #reader: TarReader
  /** Plain offset up to which the input was passed on or dropped. */
  #settled = 0
  /** Input bytes from `#settled` on that are part of a header not complete yet. */
  #held: Buffer = Buffer.alloc(0)
  /** Input offset at which the chunk being written begins, and the chunk. */
  #chunkStart = 0
  #chunk: Buffer = Buffer.alloc(0)
  #dropping = false

  constructor() {
    super({ readableHighWaterMark: 1024 * 1024 })
    this.#reader = new TarReader(
      {
        entry: () => {},
        content: () => {},
        endEntry: () => {},
        endArchive: (offset) => {
          this.#passTo(offset)
          this.#dropping = true
        },
        nextArchive: (offset) => {
          this.#passTo(offset)
          this.#dropping = false
        },
      },
      { concatenated: true },
    )
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      this.#chunkStart = this.#reader.offset
      this.#chunk = chunk
      this.#reader.write(chunk)
      this.#passTo(this.#reader.offset - this.#reader.pendingHeaderBytes)
      this.#hold()
      done()
    } catch (error) {
      done(error as Error)
    }
  }

  override _flush(done: TransformCallback): void {
    try {
      this.#reader.end()
      done(null, END_OF_ARCHIVE)
    } catch (error) {
      done(error as Error)
    }
  }

  /** Passes on, or drops, the input between `#settled` and `offset`. */
  #passTo(offset: number): void {
    if (!this.#dropping && offset > this.#settled) {
      if (this.#settled < this.#chunkStart) this.push(this.#held)
      this.push(
        this.#chunk.subarray(Math.max(0, this.#settled - this.#chunkStart), offset - this.#chunkStart),
      )
    }
    this.#settled = Math.max(this.#settled, offset)
  }

  /** Keeps a copy of the incomplete header: whether it will be passed on is not known yet. */
  #hold(): void {
    const from = this.#settled - this.#chunkStart
    this.#held =
      from >= 0 ? Buffer.from(this.#chunk.subarray(from)) : Buffer.concat([this.#held, this.#chunk])
  }
}
