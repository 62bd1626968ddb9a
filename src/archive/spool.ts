import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Cipher } from 'node:crypto'
import { createReadStream, writeSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { DamageError } from '../errors.ts'
import { explainDisk } from './disk-error.ts'

const BATCH_BYTES = 64 * 1024
const NEWLINE = 0x0a
const ALGORITHM = 'aes-256-ctr'

/**
 * JSON values set aside in a scratch file and read back in order, in constant memory. The file is encrypted
 * with a key that exists in this process only, so what is left of it after a crash tells nothing.
 *
 * Writing is synchronous, in large batches: whoever appends can't wait, and memory must not grow instead.
 * Disposing it removes the file.
 */
export class EncryptedSpool<T> implements AsyncDisposable {
  readonly #path: string
  readonly #file: FileHandle
  readonly #key = randomBytes(32)
  readonly #iv = randomBytes(16)
  readonly #cipher: Cipher
  #lines: string[] = []
  #lineLength = 0
  #count = 0
  #bytes = 0

  private constructor(path: string, file: FileHandle) {
    this.#path = path
    this.#file = file
    this.#cipher = createCipheriv(ALGORITHM, this.#key, this.#iv)
  }

  /** Makes the scratch file, which must not exist, with mode 0600. Throws VaultError. */
  static async create<T>(path: string): Promise<EncryptedSpool<T>> {
    try {
      return new EncryptedSpool(path, await open(path, 'wx', 0o600))
    } catch (error) {
      throw explainDisk(error, path)
    }
  }

  /** Values appended so far. */
  get count(): number {
    return this.#count
  }

  /** Appends a value that JSON can hold. Throws VaultError when the disk is full or fails. */
  append(value: T): void {
    const line = JSON.stringify(value)
    this.#lines.push(line)
    this.#lineLength += line.length
    this.#count += 1
    if (this.#lineLength >= BATCH_BYTES) this.#flush()
  }

  /** All values in order, in batches. Append nothing after this was called. */
  async *batches(): AsyncGenerator<T[]> {
    this.#flush()
    const decipher = createDecipheriv(ALGORITHM, this.#key, this.#iv)
    const stored = createReadStream(this.#path, { highWaterMark: BATCH_BYTES })
    let rest: Buffer = Buffer.alloc(0)
    let count = 0
    for await (const chunk of stored as AsyncIterable<Buffer>) {
      const plain = Buffer.concat([rest, decipher.update(chunk)])
      const end = plain.lastIndexOf(NEWLINE) + 1
      rest = plain.subarray(end)
      if (end === 0) continue
      const values = this.#parse(plain.toString('utf8', 0, end - 1))
      count += values.length
      yield values
    }
    if (count !== this.#count || rest.length > 0) throw this.#damaged()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
    await rm(this.#path, { force: true })
  }

  #flush(): void {
    if (this.#lines.length === 0) return
    const batch = this.#cipher.update(`${this.#lines.join('\n')}\n`, 'utf8')
    this.#lines = []
    this.#lineLength = 0
    try {
      for (let at = 0; at < batch.length;) {
        at += writeSync(this.#file.fd, batch, at, batch.length - at, this.#bytes + at)
      }
    } catch (error) {
      throw explainDisk(error, this.#path, batch.length)
    }
    this.#bytes += batch.length
  }

  #parse(lines: string): T[] {
    try {
      return JSON.parse(`[${lines.replaceAll('\n', ',')}]`) as T[]
    } catch (error) {
      throw this.#damaged(error)
    }
  }

  #damaged(cause?: unknown): DamageError {
    return new DamageError('spool-damaged', 'A scratch file in the vault was changed or cut while in use', {
      next: 'Run the pull again, and check the disk that holds the vault.',
      cause,
    })
  }
}
