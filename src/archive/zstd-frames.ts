import { DamageError } from '../errors.ts'

/** What a {@link ZstdFrameWalker} finds, synchronously and in order. */
export interface ZstdFrameHandler {
  /** Bytes of a data frame: part of the chunk that was written (or a few header bytes held back). */
  frameBytes(bytes: Buffer): void
  /** The data frame is complete, checksum included. */
  frameEnd(): void
}

const FRAME_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const MAX_BLOCK = 128 * 1024

/** What the next bytes are. All but `payload` and `skip` are collected whole before they are looked at. */
type Part =
  'magic' | 'descriptor' | 'frame-header' | 'block-header' | 'payload' | 'checksum' | 'skip-size' | 'skip'

/**
 * Follows the structure of a zstd stream (RFC 8878, section 3.1) without decompressing it: every frame's
 * header, its blocks, its content checksum, and skippable frames. Node's decoder can't be asked: depending on
 * the version it takes a truncated stream, empty input or trailing garbage for a clean end, or stops after the
 * first frame. Frames without a content checksum are refused, for the decoder could not tell their damage.
 *
 * `write` and `end` throw DamageError (`zstd-…`) that says at which compressed offset.
 */
export class ZstdFrameWalker {
  readonly #handler: ZstdFrameHandler
  #part: Part = 'magic'
  /** Bytes of the current part still to come. */
  #left = 4
  readonly #collected: Buffer = Buffer.alloc(16)
  #have = 0
  #offset = 0
  #inDataFrame = false
  #lastBlock = false
  #dataFrames = 0

  constructor(handler: ZstdFrameHandler) {
    this.#handler = handler
  }

  write(chunk: Buffer): void {
    let at = 0
    // Where the bytes begin that were not handed on yet.
    let from = 0
    while (at < chunk.length) {
      const taken = Math.min(this.#left, chunk.length - at)
      if (this.#part !== 'payload' && this.#part !== 'skip') {
        chunk.copy(this.#collected, this.#have, at, at + taken)
        this.#have += taken
      }
      at += taken
      this.#offset += taken
      this.#left -= taken
      if (this.#left > 0) break
      const part = this.#part
      const wasInFrame = this.#inDataFrame
      this.#finishPart(part)
      if (!wasInFrame && this.#inDataFrame) {
        // The magic number may have begun in an earlier chunk, when it was not known to belong to a data frame.
        this.#handler.frameBytes(Buffer.from(this.#collected.subarray(0, 4)))
        from = at
      } else if (wasInFrame && !this.#inDataFrame) {
        this.#handler.frameBytes(chunk.subarray(from, at))
        this.#handler.frameEnd()
      }
    }
    if (this.#inDataFrame && from < at) {
      this.#handler.frameBytes(from === 0 && at === chunk.length ? chunk : chunk.subarray(from, at))
    }
  }

  /** The input ended: throws unless the last frame ended exactly here. */
  end(): void {
    if (this.#part !== 'magic' || this.#have > 0) {
      throw this.#part === 'magic' && this.#dataFrames > 0
        ? damage('zstd-trailing-data', this.#offset, 'The zstd stream goes on behind its last frame')
        : damage('zstd-truncated', this.#offset, 'The zstd stream is cut short')
    }
    if (this.#dataFrames === 0) throw damage('zstd-empty', this.#offset, 'The zstd stream is empty')
  }

  #expect(part: Part, bytes: number): void {
    this.#part = part
    this.#left = bytes
    this.#have = 0
  }

  #finishPart(part: Part): void {
    switch (part) {
      case 'magic':
        return this.#magic(this.#collected.readUInt32LE(0))
      case 'descriptor':
        return this.#descriptor(this.#collected[0] ?? 0)
      case 'block-header':
        return this.#blockHeader(this.#collected.readUIntLE(0, 3))
      case 'frame-header':
        return this.#expect('block-header', 3)
      case 'payload':
        return this.#blockEnd()
      case 'checksum':
        this.#inDataFrame = false
        this.#dataFrames += 1
        return this.#expect('magic', 4)
      case 'skip-size': {
        const size = this.#collected.readUInt32LE(0)
        return size > 0 ? this.#expect('skip', size) : this.#expect('magic', 4)
      }
      case 'skip':
        return this.#expect('magic', 4)
    }
  }

  #magic(magic: number): void {
    if (magic === FRAME_MAGIC) {
      this.#inDataFrame = true
      this.#lastBlock = false
      this.#expect('descriptor', 1)
    } else if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
      this.#expect('skip-size', 4)
    } else if (this.#offset === 4) {
      throw damage('zstd-format', 0, 'This is not a zstd stream')
    } else {
      throw damage('zstd-trailing-data', this.#offset - 4, 'The zstd stream goes on behind its last frame')
    }
  }

  #descriptor(descriptor: number): void {
    const singleSegment = (descriptor & 0x20) !== 0
    const at = this.#offset - 1
    if ((descriptor & 0x08) !== 0)
      throw damage('zstd-format', at, 'A zstd frame header has a reserved bit set')
    if ((descriptor & 0x03) !== 0) throw damage('zstd-format', at, 'A zstd frame needs a dictionary')
    if ((descriptor & 0x04) === 0) {
      throw damage('zstd-no-checksum', at, 'A zstd frame has no content checksum')
    }
    const contentSize = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
    this.#expect('frame-header', contentSize + (singleSegment ? 0 : 1))
  }

  #blockHeader(header: number): void {
    this.#lastBlock = (header & 1) === 1
    const type = (header >> 1) & 3
    const size = header >> 3
    if (type === 3 || size > MAX_BLOCK) {
      throw damage('zstd-format', this.#offset - 3, 'A zstd block header is damaged')
    }
    // An RLE block holds the one byte that is repeated.
    const payload = type === 1 ? 1 : size
    if (payload === 0) this.#blockEnd()
    else this.#expect('payload', payload)
  }

  #blockEnd(): void {
    if (this.#lastBlock) this.#expect('checksum', 4)
    else this.#expect('block-header', 3)
  }
}

function damage(code: string, offset: number, message: string): DamageError {
  return new DamageError(code, `${message} (at byte ${offset} of the compressed data)`)
}
