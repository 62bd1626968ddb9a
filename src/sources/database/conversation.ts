import { randomBytes } from 'node:crypto'
import { linesOf } from '../../model/lines.ts'
import type { ExitResult, RemoteProcess } from '../../remote/contract.ts'

/** Questions to a client on the server that answers in lines. Disposing it closes its stdin, which ends the client. */
export class Conversation implements AsyncDisposable {
  /** The line that ends an answer. Nobody else knows it, so no row looks like it. */
  readonly mark = `end-${randomBytes(16).toString('hex')}`
  readonly #process: RemoteProcess
  readonly #lines: AsyncGenerator<string>

  constructor(process: RemoteProcess) {
    this.#process = process
    process.exit.catch(() => {})
    // Not by readline: it also breaks lines at U+2028, which stands in rows as it is.
    this.#lines = linesOf(process.stdout as AsyncIterable<Buffer>, 'utf8')
  }

  /**
   * Writes a question, which makes the client write the mark behind its answer. Resolves with the lines before the mark, or
   * with the client's exit when it ended before that.
   */
  async ask(question: string): Promise<readonly string[] | ExitResult> {
    this.#process.stdin.write(question)
    const answer: string[] = []
    for (;;) {
      const line = await this.#next()
      if (line === undefined) return await this.#process.exit
      if (line === this.mark) return answer
      answer.push(line)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end()
    // The exit comes behind the last byte that is read, and over SSH only then.
    while ((await this.#next()) !== undefined);
    await this.#process.exit.catch(() => {})
  }

  async #next(): Promise<string | undefined> {
    // The exit says more than a stream that broke off.
    const next = await this.#lines.next().catch(() => ({ done: true }) as const)
    return next.done === true ? undefined : next.value
  }
}
