import { randomBytes } from 'node:crypto'
import type { SourceError } from '../../errors.ts'
import { linesOf } from '../../model/lines.ts'
import type { RemoteProcess } from '../../remote/contract.ts'
import { failure, type Server } from './server.ts'

/** What the client writes for what would break a line or a column of it. */
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', '0': '\0' }

/** A session with a server, through its own client. Disposing it ends the session: its locks and its transaction are gone. */
export class Session implements AsyncDisposable {
  readonly #server: Server
  readonly #process: RemoteProcess
  readonly #lines: AsyncGenerator<string>
  /** Nobody else knows it, so no row looks like the end of an answer. */
  readonly #mark = `end-${randomBytes(16).toString('hex')}`

  private constructor(server: Server, process: RemoteProcess) {
    this.#server = server
    this.#process = process
    process.exit.catch(() => {})
    // Not by readline: it also breaks lines at U+2028, which stands in rows as it is.
    this.#lines = linesOf(process.stdout as AsyncIterable<Buffer>, 'utf8')
  }

  /** Throws SourceError when nobody is let in, or nobody answers. No database is its own: names come with theirs. */
  static async open(server: Server, signal: AbortSignal): Promise<Session> {
    const process = await server.context.host.spawn(
      {
        script: 'sources/mysql/session',
        patience: 'work',
        args: [...server.place, server.client.program],
        privilege: server.privilege,
        title: `${server.client.program} on the server`,
      },
      { signal },
    )
    process.stdin.write(server.line)
    const session = new Session(server, process)
    try {
      await session.run(
        // A session that waits for a dump says nothing for hours.
        "set session sql_mode = '', wait_timeout = 31536000, lock_wait_timeout = 60, group_concat_max_len = 1048576;",
      )
      return session
    } catch (error) {
      await session[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Runs statements without an answer. */
  async run(sql: string): Promise<void> {
    await this.#ask(sql)
  }

  /** The rows of a query, each an object by the names of its columns. NULL is the text NULL: a query turns it into another. */
  async rows<T extends Readonly<Record<string, string>>>(query: string): Promise<T[]> {
    const [names = '', ...rows] = await this.#ask(`${query};`)
    const columns = names.split('\t')
    return rows.map((row) => {
      const values = row.split('\t').map(unescaped)
      return Object.fromEntries(columns.map((name, at) => [name, values[at] ?? ''])) as T
    })
  }

  async #ask(sql: string): Promise<string[]> {
    this.#process.stdin.write(`${sql}\nselect '${this.#mark}' as ended;\n`)
    const answer: string[] = []
    for (;;) {
      // The exit says more than a stream that broke off.
      const next = await this.#lines.next().catch(() => ({ done: true }) as const)
      if (next.done === true) throw await this.#ended()
      // Before the mark is the name of its column.
      if (next.value === this.#mark) return answer.slice(0, -1)
      answer.push(next.value)
    }
  }

  async #ended(): Promise<SourceError> {
    const exit = await this.#process.exit
    return failure(this.#server, 'answer', { ...exit, command: this.#server.client.program })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end()
    // The exit comes behind the last byte that is read.
    while ((await this.#lines.next().catch(() => ({ done: true }))).done !== true);
    await this.#process.exit.catch(() => {})
  }
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, (_all, letter: string) => ESCAPES[letter] ?? letter)
}
