/** How far back the speed of an archive is averaged, in ms: long enough to be calm, short enough to be true. */
const WINDOW = 5000

/** The speed of one archive and the time it still takes, from its progress events. */
export class ArchiveRate {
  readonly #samples: { readonly at: number; readonly bytes: number }[] = []
  #expected: number | undefined

  /** @param at monotonic ms; `plainBytes` may come out of order; late values are ignored. */
  update(at: number, plainBytes: number, expectedPlainBytes: number | undefined): void {
    this.#expected = expectedPlainBytes
    const last = this.#samples.at(-1)
    if (last !== undefined && (at <= last.at || plainBytes < last.bytes)) return
    this.#samples.push({ at, bytes: plainBytes })
    while (this.#samples.length > 2 && (this.#samples[1]?.at ?? at) <= at - WINDOW) this.#samples.shift()
  }

  /** Plain bytes a second over the last seconds; undefined until it can be told. */
  get bytesPerSecond(): number | undefined {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.at === first.at) return undefined
    return ((last.bytes - first.bytes) / (last.at - first.at)) * 1000
  }

  /** In ms; undefined when the size or the speed is not known, or when more came than was expected. */
  get timeLeft(): number | undefined {
    const rate = this.bytesPerSecond
    const done = this.#samples.at(-1)?.bytes
    if (rate === undefined || rate <= 0 || done === undefined || this.#expected === undefined)
      return undefined
    return done > this.#expected ? undefined : ((this.#expected - done) / rate) * 1000
  }
}
