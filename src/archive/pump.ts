import type { Readable, Writable } from 'node:stream'

/** Takes bytes with back-pressure: when `write` returns a promise, no more should come before it has resolved. */
export interface ByteWriter {
  write(chunk: Buffer): Promise<void> | undefined
  /** No more bytes; resolves when all were taken. */
  end(): Promise<void>
}

/** A stream was closed before it ended, and gave no reason. */
export class ClosedEarlyError extends Error {
  constructor() {
    super('a stream was closed before its end')
    this.name = 'ClosedEarlyError'
  }
}

/**
 * Moves everything from a stream into `take`, which may ask for a pause by returning a promise. Resolves when
 * the stream ended and the last `take` was done. Rejects with the stream's error, with what `take` threw, or
 * with {@link ClosedEarlyError}. It makes no promise for each chunk and copies nothing, while async iteration does
 * both.
 */
export function pump(
  source: Readable,
  take: (chunk: Buffer) => Promise<void> | undefined,
  atEnd: () => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let waiting: Promise<void> | undefined
    let ended = false
    const stop = (error: unknown) => {
      source.off('data', onData)
      source.pause()
      reject(error as Error)
    }
    const onData = (chunk: Buffer) => {
      let taken: Promise<void> | undefined
      try {
        taken = take(chunk)
      } catch (error) {
        return stop(error)
      }
      if (!taken) return
      source.pause()
      waiting = taken
      taken.then(() => {
        waiting = undefined
        source.resume()
      }, stop)
    }
    source.once('error', stop)
    source.once('close', () => {
      // ssh2 emits close from its own listener of end, which may come before ours.
      if (!ended && !source.readableEnded) stop(new ClosedEarlyError())
    })
    source.once('end', () => {
      ended = true
      ;(waiting ?? Promise.resolve()).then(atEnd).then(resolve, reject)
    })
    if (source.errored) return stop(source.errored)
    if (source.readableEnded || source.destroyed) return stop(new ClosedEarlyError())
    source.on('data', onData)
  })
}

/** A {@link ByteWriter} over a stream. A write after the stream has failed throws the stream's error. */
export class StreamWriter implements ByteWriter {
  readonly #stream: Writable
  #error: Error | undefined
  #draining: { promise: Promise<void>; settle: () => void } | undefined

  constructor(stream: Writable) {
    this.#stream = stream
    const wake = () => {
      this.#draining?.settle()
      this.#draining = undefined
    }
    stream.on('drain', wake)
    stream.on('error', (error: Error) => {
      this.#error ??= error
      wake()
    })
    stream.on('close', () => {
      if (!stream.writableFinished) this.#error ??= new ClosedEarlyError()
      wake()
    })
  }

  write(chunk: Buffer): Promise<void> | undefined {
    this.#check()
    if (this.#stream.write(chunk)) return undefined
    return this.#drained()
  }

  end(): Promise<void> {
    this.#check()
    return new Promise((resolve, reject) => {
      this.#stream.once('finish', resolve)
      this.#stream.once('error', reject)
      this.#stream.once('close', () => reject(this.#error ?? new ClosedEarlyError()))
      this.#stream.end()
    })
  }

  async #drained(): Promise<void> {
    if (!this.#draining) {
      let settle = () => {}
      const promise = new Promise<void>((resolve) => {
        settle = resolve
      })
      this.#draining = { promise, settle }
    }
    await this.#draining.promise
    this.#check()
  }

  #check(): void {
    if (this.#error) throw this.#error
    if (this.#stream.destroyed) throw this.#stream.errored ?? new ClosedEarlyError()
  }
}

/** Writes everything to several writers; as slow as the slowest. */
export function tee(...writers: readonly ByteWriter[]): ByteWriter {
  return {
    write(chunk) {
      let waits: Promise<void>[] | undefined
      for (const writer of writers) {
        const wait = writer.write(chunk)
        if (wait) (waits ??= []).push(wait)
      }
      if (!waits) return undefined
      return waits.length === 1 ? waits[0] : Promise.all(waits).then(() => {})
    },
    async end() {
      await Promise.all(writers.map((writer) => writer.end()))
    },
  }
}
