import type { Secret } from '../model/secret.ts'

/** Asks one question at the terminal. `shown`: what is typed may be seen. Rejects when the person gives up. */
export type AskPerson = (
  question: string,
  options: { readonly shown?: boolean; readonly signal: AbortSignal },
) => Promise<Secret>

/** Whoever sits at the terminal: asked one question at a time, and for the same passphrase once. */
export class Person {
  readonly #ask: AskPerson
  readonly #known = new Map<string, Secret>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(ask: AskPerson) {
    this.#ask = ask
  }

  /** Hosts are connected to side by side: whoever asks waits for the answers before. */
  ask(
    question: string,
    options: { readonly shown?: boolean; readonly signal: AbortSignal },
  ): Promise<Secret> {
    return this.#inTurn(() => this.#ask(question, options))
  }

  /** An answer that is known to be right is not asked for again. `open` says whether it is. */
  async unlock<T>(
    question: string,
    open: (answer: Secret) => T | undefined,
    options: { readonly attempts: number; readonly signal: AbortSignal },
  ): Promise<T | undefined> {
    return this.#inTurn(async () => {
      const known = this.#known.get(question)
      if (known !== undefined) return open(known)
      for (let attempt = 0; attempt < options.attempts; attempt += 1) {
        const answer = await this.#ask(question, options)
        const opened = open(answer)
        if (opened === undefined) continue
        this.#known.set(question, answer)
        return opened
      }
      return undefined
    })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }
}
