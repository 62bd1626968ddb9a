import type { Stream } from 'node:stream'
import { InterruptedError, RelayError } from '../errors.ts'
import { ClosedEarlyError } from './pump.ts'

/** The part of a node:stream that matters here. */
interface OwnedStream extends Stream {
  readonly errored?: Error | null
  readonly readableEnded?: boolean
  readonly writableFinished?: boolean
  destroy(): unknown
}

type Explain = (error: unknown) => unknown
const same: Explain = (error) => error

/**
 * Ties streams and tasks together: the first error of any of them, or the signal, destroys all streams at once
 * and is the error that comes out; the errors that follow from it are dropped. No rejection is left unhandled.
 */
export class StreamScope implements Disposable {
  readonly #streams: OwnedStream[] = []
  readonly #signal: AbortSignal
  readonly #failed: Promise<never>
  #reject: (error: unknown) => void = () => {}
  #error: { readonly reason: unknown } | undefined
  #done = false

  constructor(signal: AbortSignal) {
    this.#signal = signal
    this.#failed = new Promise<never>((_, reject) => {
      this.#reject = reject
    })
    this.#failed.catch(() => {})
    signal.addEventListener('abort', this.#onAbort)
    if (signal.aborted) this.#onAbort()
  }

  /**
   * Takes a stream over. `side` is the one that has to come to its end before the stream closes. `explain`
   * turns a raw error into one for the user.
   */
  own<S extends OwnedStream>(stream: S, side: 'readable' | 'writable', explain: Explain = same): S {
    this.#streams.push(stream)
    // The listener stays for good, because a stream may still emit an error after it was destroyed.
    stream.on('error', (error: Error) => this.#fail(explain(error)))
    stream.on('close', () => {
      const complete = side === 'readable' ? stream.readableEnded : stream.writableFinished
      if (!complete) this.#fail(explain(stream.errored ?? new ClosedEarlyError()))
    })
    if (stream.errored) this.#fail(explain(stream.errored))
    if (this.#error) stream.destroy()
    return stream
  }

  /** Waits for a task; its failure fails everything, and everything's failure ends the wait. */
  async run<T>(task: Promise<T>, explain: Explain = same): Promise<T> {
    const guarded = task.catch((error: unknown): Promise<never> => {
      this.#fail(explain(error))
      return this.#failed
    })
    return Promise.race([guarded, this.#failed])
  }

  /** Call when all went well; otherwise leaving the scope destroys the streams. */
  done(): void {
    this.#done = true
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener('abort', this.#onAbort)
    if (!this.#done) this.#fail(new Error('the scope was left before it was done'))
  }

  readonly #onAbort = () => {
    const reason: unknown = this.#signal.reason
    this.#fail(reason instanceof RelayError ? reason : new InterruptedError('Interrupted', { cause: reason }))
  }

  #fail(reason: unknown): void {
    if (this.#error || this.#done) return
    this.#error = { reason }
    this.#reject(reason)
    for (const stream of this.#streams) stream.destroy()
  }
}
