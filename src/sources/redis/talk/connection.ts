import { ConnectionError } from '../../../errors.ts'

/** An error that the server answered: `BUSYKEY Target key name already exists.` */
export class ReplyError {
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

export type Reply = Buffer | number | null | ReplyError | readonly Reply[]
export type Argument = string | Buffer

/** A conversation with one Redis. Disposing it ends it. */
export interface RedisConnection extends AsyncDisposable {
  /**
   * The answer to one command; an error answer is returned, not thrown. Throws ConnectionError `lost`, SourceError for a
   * Redis that can't be reached or says nothing, and the signal's reason.
   */
  ask(...args: readonly Argument[]): Promise<Reply>
  /** The answers to several commands, sent without waiting in between. */
  askAll(commands: readonly (readonly Argument[])[]): Promise<readonly Reply[]>
}

/** What bounds a conversation. */
export interface Bounds {
  /** How long it may be silent, in ms, while an answer is waited for: before the first one, and later. */
  readonly silence: { readonly first: number; readonly later: number }
  /** The error for one that has been silent for so many ms. */
  readonly silent: (ms: number) => Error
  /** Ends the conversation: whoever waits for an answer gets the signal's reason. */
  readonly signal: AbortSignal
}

interface Waiting {
  readonly command: string
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

/** Commands that wait for their answers, which come in their order, whatever they travel by. */
export abstract class Conversation implements RedisConnection {
  readonly #bounds: Bounds
  readonly #waiting: Waiting[] = []
  readonly #abort = (): void => this.#end(this.#bounds.signal.reason as Error)
  #silence: number
  #watch: NodeJS.Timeout | undefined
  #failure: Error | undefined

  protected constructor(bounds: Bounds) {
    this.#bounds = bounds
    this.#silence = bounds.silence.first
    bounds.signal.addEventListener('abort', this.#abort)
  }

  /** Sends a command; `taken` is called when the other side took it. */
  protected abstract send(args: readonly Argument[], taken: () => void): void
  /** Ends what it travels by. */
  protected abstract close(): void

  async ask(...args: readonly Argument[]): Promise<Reply> {
    if (this.#bounds.signal.aborted) this.#abort()
    if (this.#failure !== undefined) throw this.#failure
    const answer = new Promise<Reply>((resolve, reject) =>
      this.#waiting.push({ command: String(args[0]), resolve, reject }),
    )
    if (this.#waiting.length === 1) this.heard()
    this.send(args, () => this.heard())
    return answer
  }

  askAll(commands: readonly (readonly Argument[])[]): Promise<readonly Reply[]> {
    return Promise.all(commands.map((command) => this.ask(...command)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve()
    this.#end(new ConnectionError('lost', 'The connection to Redis was closed'))
  }

  /** The command whose answer comes next. */
  protected get asked(): string | undefined {
    return this.#waiting[0]?.command
  }

  /** The answer to it. */
  protected answer(reply: Reply): void {
    this.#silence = this.#bounds.silence.later
    this.#waiting.shift()?.resolve(reply)
    this.heard()
  }

  /** There is none, and the next command may have one. */
  protected refuse(error: Error): void {
    this.#waiting.shift()?.reject(error)
    this.heard()
  }

  /** The other side gave a sign of life. */
  protected heard(): void {
    clearTimeout(this.#watch)
    if (this.#waiting.length === 0 || this.#failure !== undefined) return
    const ms = this.#silence
    this.#watch = setTimeout(() => this.#end(this.#bounds.silent(ms)), ms)
  }

  /** Nothing comes any more. */
  protected fail(error: Error): void {
    this.#failure ??= error
    clearTimeout(this.#watch)
    this.#bounds.signal.removeEventListener('abort', this.#abort)
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
  }

  #end(error: Error): void {
    this.fail(error)
    this.close()
  }
}
