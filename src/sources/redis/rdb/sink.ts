import type { ByteSink } from '../../../archive/contract.ts'
import type { RdbFacts } from '../facts.ts'
import { RdbReader } from './reader.ts'

/** Reads an RDB as it passes by in an archive. What it throws fails the archive. */
export class RdbSink implements ByteSink {
  readonly #reader = new RdbReader()
  #facts: RdbFacts | undefined

  write(chunk: Buffer): void {
    this.#reader.write(chunk)
  }

  end(): void {
    this.#facts = this.#reader.end()
  }

  /** Undefined until the file ended. */
  get facts(): RdbFacts | undefined {
    return this.#facts
  }
}
