import { Transform } from 'node:stream'
import type { TransformCallback } from 'node:stream'
import type { RdbFacts } from '../facts.ts'
import { RdbReader } from './reader.ts'

/**
 * Lets an RDB pass and drops what follows it: a server that replicates without disk (`repl-diskless-sync yes`)
 * sends a mark of 40 bytes behind it, and redis-cli hands that on. Fails with RdbError when the RDB is damaged or
 * does not end.
 */
export class RdbCut extends Transform {
  readonly #reader = new RdbReader(undefined, { trailing: true })
  #passed = 0
  #facts: RdbFacts | undefined

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      this.#reader.write(chunk)
    } catch (error) {
      done(error as Error)
      return
    }
    const end = this.#reader.endOffset
    const kept = end === undefined ? chunk : chunk.subarray(0, Math.max(0, end - this.#passed))
    this.#passed += chunk.length
    done(null, kept)
  }

  override _flush(done: TransformCallback): void {
    try {
      this.#facts = this.#reader.end()
      done()
    } catch (error) {
      done(error as Error)
    }
  }

  /** Undefined until all of it passed. */
  get facts(): RdbFacts | undefined {
    return this.#facts
  }
}
