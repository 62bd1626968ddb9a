/** Bytes of a partial body: one of the powers of two that RFC 9580 section 4.2.1.4 allows, and at least 512. */
const BLOCK = 1 << 16
const BLOCK_HEADER = 224 + 16

/**
 * Cuts the body of one packet into partial lengths, so that it can be streamed before its size is known (RFC
 * 9580 section 4.2.1.4). Each block is emitted with its length in front. With `reuse` all blocks share one memory, so
 * `emit` must be done with a block when it returns.
 */
export class PartialBody {
  readonly #emit: (bytes: Buffer) => void
  readonly #reuse: boolean
  #block = newBlock()
  #used = 0

  constructor(emit: (bytes: Buffer) => void, options: { readonly reuse: boolean }) {
    this.#emit = emit
    this.#reuse = options.reuse
  }

  write(bytes: Uint8Array): void {
    let offset = 0
    while (offset < bytes.length) {
      // A full block waits for the next byte, because the last block must not have a partial length.
      if (this.#used === BLOCK) {
        this.#emit(this.#block)
        if (!this.#reuse) this.#block = newBlock()
        this.#used = 0
      }
      const part = bytes.subarray(offset, offset + BLOCK - this.#used)
      this.#block.set(part, 1 + this.#used)
      this.#used += part.length
      offset += part.length
    }
  }

  /** Emits what is left under a definite length, which ends the packet. */
  end(): void {
    this.#emit(Buffer.concat([definiteLength(this.#used), this.#block.subarray(1, 1 + this.#used)]))
  }
}

function newBlock(): Buffer {
  const block = Buffer.allocUnsafe(1 + BLOCK)
  block[0] = BLOCK_HEADER
  return block
}

/** A new-format packet length (RFC 9580 section 4.2.1). */
function definiteLength(length: number): Buffer {
  if (length < 192) return Buffer.from([length])
  if (length < 8384) return Buffer.from([192 + ((length - 192) >> 8), (length - 192) & 0xff])
  const header = Buffer.from([0xff, 0, 0, 0, 0])
  header.writeUInt32BE(length, 1)
  return header
}
