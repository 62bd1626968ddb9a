import { Transform } from 'node:stream'
import type { TransformCallback } from 'node:stream'

/** Bytes handed over at a time. Smaller chunks cost a web stream's overhead each (32 KiB: a third of the speed). */
const CHUNK = 128 * 1024

/** A conversion of web streams. It gets the input, which yields chunks only when asked, and returns the output. */
export type Convert = (input: ReadableStream<Uint8Array>) => Promise<ReadableStream<Uint8Array>>

/**
 * A Node transform around a conversion of web streams, whose output follows `head`. Only a few chunks are held: the web queue holds one
 * (its highWaterMark counts chunks), and the output is not read further than Node's reader asks.
 */
export async function webTransform(convert: Convert, head?: Uint8Array): Promise<Transform> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  return new WebTransform(writable.getWriter(), (await convert(readable)).getReader(), head)
}

class WebTransform extends Transform {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #output: Promise<void>
  #gathered: Buffer[] = []
  #gatheredBytes = 0
  #wanted: (() => void) | undefined

  constructor(
    writer: WritableStreamDefaultWriter<Uint8Array>,
    reader: ReadableStreamDefaultReader<Uint8Array>,
    head: Uint8Array | undefined,
  ) {
    super({ readableHighWaterMark: CHUNK, writableHighWaterMark: CHUNK })
    if (head !== undefined) this.push(head)
    this.#writer = writer
    this.#reader = reader
    // The calls below handle each rejection. These copies of it must not become unhandled rejections.
    writer.closed.catch(() => {})
    reader.closed.catch(() => {})
    this.#output = this.#copyOutput()
    this.#output.catch((error: Error) => this.destroy(error))
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#gathered.push(chunk)
    this.#gatheredBytes += chunk.length
    if (this.#gatheredBytes < CHUNK) done()
    else this.#handOver().then(() => done(), done)
  }

  override _flush(done: TransformCallback): void {
    this.#finish().then(() => done(), done)
  }

  override _read(size: number): void {
    super._read(size)
    this.#wanted?.()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const reason = error ?? new Error('The stream was closed early')
    void Promise.allSettled([this.#writer.abort(reason), this.#reader.cancel(reason)])
    this.#wanted?.()
    done(error)
  }

  async #handOver(): Promise<void> {
    // The chunk is copied: the conversion may keep it while the writer uses its buffer again.
    const chunk = Buffer.concat(this.#gathered)
    this.#gathered = []
    this.#gatheredBytes = 0
    await this.#writer.write(chunk)
  }

  async #finish(): Promise<void> {
    if (this.#gatheredBytes > 0) await this.#handOver()
    await this.#writer.close()
    await this.#output
  }

  async #copyOutput(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#reader.read()
      if (done || this.destroyed) return
      // A Transform holds back its writer only for what is pushed during `transform`, and this is pushed later.
      if (!this.push(value)) await new Promise<void>((resolve) => (this.#wanted = resolve))
      this.#wanted = undefined
    }
  }
}
