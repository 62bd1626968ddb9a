import type { Transform } from 'node:stream'
import { DamageError } from '../errors.ts'

/** The part of zlib's streams that is needed: how much of its input a decoder has eaten. */
export type ZlibStream = Transform & { readonly bytesWritten: number }

/**
 * One of Node's decoders at work inside a {@link Transform} of ours: takes input piece by piece, gives its
 * output to `onOutput`, and stops working while that says false until `resume` is called.
 */
export class InnerDecoder {
  readonly #stream: ZlibStream
  #error: Error | undefined
  #ended = false
  #settle: (() => void) | undefined

  /** `damageCode` names the error when the decoder finds its input damaged. */
  constructor(stream: ZlibStream, damageCode: string, onOutput: (chunk: Buffer) => boolean) {
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => {
      if (!onOutput(chunk)) stream.pause()
    })
    stream.on('error', (error: Error) => {
      this.#error ??= asDamage(error, damageCode)
      this.#wake()
    })
    stream.on('end', () => {
      this.#ended = true
      this.#wake()
    })
    stream.on('close', () => {
      if (!this.#ended) this.#error ??= new Error('a decoder was destroyed while it worked')
      this.#wake()
    })
  }

  /**
   * Feeds it; resolves when it ate all of it, or found that its data ended before. Returns the bytes eaten and
   * whether it ended.
   */
  async write(chunk: Buffer): Promise<{ readonly eaten: number; readonly ended: boolean }> {
    const before = this.#stream.bytesWritten
    let done = false
    this.#stream.write(chunk, () => {
      done = true
      this.#wake()
    })
    await this.#until(() => done || this.#ended)
    return { eaten: this.#stream.bytesWritten - before, ended: this.#ended }
  }

  /** No more input; resolves when all output was given out. */
  async end(): Promise<void> {
    this.#stream.end()
    await this.#until(() => this.#ended)
  }

  resume(): void {
    this.#stream.resume()
  }

  destroy(): void {
    this.#stream.destroy()
  }

  #wake(): void {
    this.#settle?.()
  }

  async #until(condition: () => boolean): Promise<void> {
    while (this.#error === undefined && !condition()) {
      await new Promise<void>((resolve) => {
        this.#settle = resolve
      })
    }
    if (this.#error !== undefined) throw this.#error
  }
}

/** An error of a decoder about its input is damage; any other error (out of memory) stays as it is. */
function asDamage(error: Error, code: string): Error {
  const reason = (error as NodeJS.ErrnoException).code ?? ''
  if (!/^(ZSTD_error_(?!memory)|Z_(DATA|BUF|NEED)_)/.test(reason)) return error
  return new DamageError(code, `The compressed data is damaged: ${error.message}`, { cause: error })
}
