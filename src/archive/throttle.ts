import { Transform, pipeline } from 'node:stream'
import type { TransformCallback } from 'node:stream'
import type { Throttle } from './contract.ts'

/** A stream that was idle may catch up on this much time, in ms: it evens out timers and network. */
const BURST = 100

/**
 * One limit for all streams that go through it together, in bytes a second. An error of the stream comes out
 * of the limited one; destroying the limited one destroys the stream.
 */
export function createThrottle(bytesPerSecond: number): Throttle {
  if (!(bytesPerSecond > 0)) throw new RangeError(`not a bandwidth: ${bytesPerSecond}`)
  // When everything let through so far would have arrived at exactly the limit, in ms.
  let paidUntil = -Infinity
  const waitFor = (bytes: number) => {
    const now = performance.now()
    paidUntil = Math.max(paidUntil, now - BURST) + (bytes / bytesPerSecond) * 1000
    return paidUntil - now
  }
  return (stream) => pipeline(stream, new Throttled(waitFor), () => {})
}

class Throttled extends Transform {
  readonly #waitFor: (bytes: number) => number
  #timer: NodeJS.Timeout | undefined

  constructor(waitFor: (bytes: number) => number) {
    super()
    this.#waitFor = waitFor
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const wait = this.#waitFor(chunk.length)
    if (wait < 1) done(null, chunk)
    else this.#timer = setTimeout(() => done(null, chunk), wait)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#timer)
    done(error)
  }
}
