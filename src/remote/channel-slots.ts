/**
 * How many sessions a connection has open at once, and who waits for one. OpenSSH refuses more than
 * MaxSessions (10 by default); a lower limit of a server is found out and respected.
 */
export class ChannelSlots {
  #limit: number
  #taken = 0
  #waiting: (() => void)[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  /** How many there are. */
  get limit(): number {
    return this.#limit
  }

  /** Takes a slot if one is free. */
  take(): boolean {
    if (this.#taken >= this.#limit) return false
    this.#taken += 1
    return true
  }

  /** Takes a slot even when none is free. */
  force(): void {
    this.#taken += 1
  }

  /** Resolves when a slot is ours; give it back with {@link release}. Rejects with the signal's reason. */
  async acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#taken >= this.#limit) {
      await new Promise<void>((resolve, reject) => {
        const wake = () => {
          signal.removeEventListener('abort', abort)
          resolve()
        }
        const abort = () => {
          this.#waiting = this.#waiting.filter((other) => other !== wake)
          reject(signal.reason as Error)
        }
        signal.addEventListener('abort', abort, { once: true })
        this.#waiting.push(wake)
      })
      return
    }
    this.#taken += 1
  }

  release(): void {
    // The slot goes straight to the next one waiting, unless there are fewer slots now.
    const next = this.#taken <= this.#limit ? this.#waiting.shift() : undefined
    if (next === undefined) this.#taken -= 1
    else next()
  }

  /**
   * The server refused a session: from now on no more sessions are opened than are open besides it. False when none is
   * open.
   */
  refused(): boolean {
    if (this.#taken <= 1) return false
    this.#limit = Math.min(this.#limit, this.#taken - 1)
    return true
  }
}
