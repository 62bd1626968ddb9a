import { open, unlink, type FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { Writable } from 'node:stream'
import type { PendingFile } from './contract.ts'
import { onDisk, vaultErrorOf } from './disk-error.ts'
import { FILE_MODE } from './durable.ts'

/** Bytes that may wait for the disk; chunks that arrive meanwhile go out in one write. */
const HIGH_WATER_MARK = 1024 * 1024

/** Writes to an open file. When the disk refuses, the VaultError says how much is free. */
class FileWriter extends Writable {
  readonly #handle: FileHandle
  readonly #path: string

  constructor(handle: FileHandle, path: string) {
    super({ highWaterMark: HIGH_WATER_MARK, decodeStrings: true })
    this.#handle = handle
    this.#path = path
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#append([chunk], done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#append(
      chunks.map(({ chunk }) => chunk),
      done,
    )
  }

  #append(buffers: Buffer[], done: (error?: Error | null) => void): void {
    appendAll(this.#handle, buffers).then(
      () => done(),
      (error: unknown) => done(vaultErrorOf(error, this.#path) as Error),
    )
  }
}

/** A short write is no error of the system call: a nearly full disk takes one part and refuses the rest. */
async function appendAll(handle: FileHandle, buffers: Buffer[]): Promise<void> {
  let rest = buffers
  while (rest.length > 0) {
    let { bytesWritten } = await handle.writev(rest)
    let whole = 0
    for (const buffer of rest) {
      if (bytesWritten < buffer.length) break
      bytesWritten -= buffer.length
      whole += 1
    }
    rest = rest.slice(whole)
    const first = rest[0]
    if (first !== undefined && bytesWritten > 0) rest = [first.subarray(bytesWritten), ...rest.slice(1)]
  }
}

/** One file of a pending snapshot. */
export class OpenPendingFile implements PendingFile {
  readonly name: string
  readonly stream: Writable
  readonly #path: string
  readonly #handle: FileHandle
  #open = true

  private constructor(path: string, handle: FileHandle) {
    this.name = basename(path)
    this.#path = path
    this.#handle = handle
    this.stream = new FileWriter(handle, path)
  }

  static async create(path: string): Promise<OpenPendingFile> {
    return onDisk(path, async () => {
      const handle = await open(path, 'wx', FILE_MODE)
      await handle.chmod(FILE_MODE)
      return new OpenPendingFile(path, handle)
    })
  }

  /** Finished or discarded; a snapshot with open files is not committed. */
  get closed(): boolean {
    return !this.#open
  }

  async finish(): Promise<{ readonly bytes: number }> {
    if (this.stream.errored) throw this.stream.errored
    if (!this.stream.writableFinished)
      throw new Error(`${this.name} was finished before its stream had ended`)
    return onDisk(this.#path, async () => {
      await this.#handle.sync()
      const { size } = await this.#handle.stat()
      await this.#close()
      return { bytes: size }
    })
  }

  async discard(): Promise<void> {
    await this.abandon()
    await unlink(this.#path).catch(() => undefined)
  }

  /** Closes it and leaves what was written where it is. */
  async abandon(): Promise<void> {
    // An error that nobody listens to any more must not end the process.
    this.stream.on('error', () => undefined)
    this.stream.destroy()
    await this.#close()
  }

  async #close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.#handle.close()
  }
}
