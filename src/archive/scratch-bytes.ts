import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { explainDisk } from './disk-error.ts'

const ALGORITHM = 'aes-256-ctr'
const BLOCK = 16

/**
 * Bytes set aside in a scratch file and read back piece by piece. The file is encrypted with a key that exists in
 * this process only, so what is left of it after a crash tells nothing. It is made with the first byte; disposing
 * removes it.
 */
export class ScratchBytes implements AsyncDisposable {
  readonly #path: string
  readonly #key = randomBytes(32)
  /** Of the counter, the last 8 bytes count blocks from 0. */
  readonly #nonce = randomBytes(8)
  readonly #cipher = createCipheriv(ALGORITHM, this.#key, this.#counter(0))
  #file: number | undefined
  #length = 0

  constructor(path: string) {
    this.#path = path
  }

  /** Bytes appended so far. */
  get length(): number {
    return this.#length
  }

  /** Synchronous: whoever appends can't wait. Throws VaultError when the disk is full or fails. */
  append(chunk: Buffer): void {
    const bytes = this.#cipher.update(chunk)
    try {
      this.#file ??= openSync(this.#path, 'wx', 0o600)
      for (let at = 0; at < bytes.length;) {
        at += writeSync(this.#file, bytes, at, bytes.length - at, this.#length + at)
      }
    } catch (error) {
      throw explainDisk(error, this.#path, bytes.length)
    }
    this.#length += bytes.length
  }

  /** What was appended between these offsets. */
  async *read(start: number, end: number): AsyncGenerator<Buffer> {
    if (end <= start) return
    const skipped = start % BLOCK
    const decipher = createDecipheriv(ALGORITHM, this.#key, this.#counter((start - skipped) / BLOCK))
    decipher.update(Buffer.alloc(skipped))
    const stored = createReadStream(this.#path, { start, end: end - 1, highWaterMark: 1024 * 1024 })
    for await (const chunk of stored as AsyncIterable<Buffer>) yield decipher.update(chunk)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#file === undefined) return
    closeSync(this.#file)
    this.#file = undefined
    await rm(this.#path, { force: true })
  }

  #counter(block: number): Buffer {
    const counter = Buffer.alloc(BLOCK)
    this.#nonce.copy(counter)
    counter.writeBigUInt64BE(BigInt(block), 8)
    return counter
  }
}
