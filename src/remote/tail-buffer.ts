import { formatCount } from '../model/units.ts'

/** Keeps the first and the last part of a stream of bytes, within a limit: a tool's last words matter most. */
export class HeadAndTail {
  readonly #headLimit: number
  readonly #tailLimit: number
  #head = Buffer.alloc(0)
  #tail: Buffer[] = []
  #tailBytes = 0
  #dropped = 0

  /** @param limit bytes; a quarter is for the beginning */
  constructor(limit: number) {
    this.#headLimit = Math.floor(limit / 4)
    this.#tailLimit = limit - this.#headLimit
  }

  push(chunk: Buffer): void {
    const room = this.#headLimit - this.#head.length
    if (room > 0) this.#head = Buffer.concat([this.#head, chunk.subarray(0, room)])
    const rest = chunk.subarray(Math.max(0, room))
    if (rest.length === 0) return
    this.#tail.push(Buffer.from(rest))
    this.#tailBytes += rest.length
    while (this.#tailBytes > this.#tailLimit) {
      const [first] = this.#tail
      if (first === undefined) break
      const excess = Math.min(first.length, this.#tailBytes - this.#tailLimit)
      this.#tailBytes -= excess
      this.#dropped += excess
      if (excess === first.length) this.#tail.shift()
      else this.#tail[0] = first.subarray(excess)
    }
  }

  /** What was kept, decoded leniently; a line says how much is missing in between. */
  toString(): string {
    const gap = this.#dropped === 0 ? '' : `\n… ${formatCount(this.#dropped, 'byte')} left out …\n`
    if (gap === '') return Buffer.concat([this.#head, ...this.#tail]).toString('utf8')
    return this.#head.toString('utf8') + gap + Buffer.concat(this.#tail).toString('utf8')
  }
}
