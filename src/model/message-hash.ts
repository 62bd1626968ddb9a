import { createHash } from 'node:crypto'
import type { ManifestFile } from './snapshot.ts'

/** Hashes a message as it passes by: all of it, and what lies behind its session-key packets. */
export class MessageHash {
  readonly #offset: number
  readonly #all = createHash('sha256')
  readonly #body = createHash('sha256')
  #bytes = 0

  /** @param offset where the body begins, in bytes */
  constructor(offset: number) {
    this.#offset = offset
  }

  update(chunk: Uint8Array): void {
    this.#all.update(chunk)
    this.#body.update(chunk.subarray(Math.max(0, this.#offset - this.#bytes)))
    this.#bytes += chunk.length
  }

  /** Call it once. */
  digest(): Pick<ManifestFile, 'bytes' | 'sha256' | 'body'> {
    return {
      bytes: this.#bytes,
      sha256: this.#all.digest('hex'),
      body: {
        offset: this.#offset,
        bytes: Math.max(0, this.#bytes - this.#offset),
        sha256: this.#body.digest('hex'),
      },
    }
  }
}
