import { Conversation } from '../database/conversation.ts'
import { failure, type Server } from './server.ts'

/** What the client writes for what would break a line or a column of it. */
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', '0': '\0' }

/** A session with a server, through its own client. Disposing it ends the session: its locks and its transaction are gone. */
export class Session implements AsyncDisposable {
  readonly #server: Server
  readonly #conversation: Conversation

  private constructor(server: Server, conversation: Conversation) {
    this.#server = server
    this.#conversation = conversation
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
    const session = new Session(server, new Conversation(process))
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
    const [columns = [], ...rows] = await this.#table(`${query};`)
    return rows.map((values) => Object.fromEntries(columns.map((name, at) => [name, values[at] ?? ''])) as T)
  }

  /** The values of the rows of a single statement. NULL is the text NULL. */
  async values(sql: string): Promise<readonly (readonly string[])[]> {
    return (await this.#table(sql)).slice(1)
  }

  /** The names of the columns, and the rows; nothing where there are no rows. */
  async #table(sql: string): Promise<readonly (readonly string[])[]> {
    return (await this.#ask(sql)).map((row) => row.split('\t').map(unescaped))
  }

  async #ask(sql: string): Promise<readonly string[]> {
    const asked = `${sql}\nselect '${this.#conversation.mark}' as ended;\n`
    const answer = await this.#conversation.ask(asked)
    if ('status' in answer)
      throw failure(this.#server, 'answer', { ...answer, command: this.#server.client.program })
    // Before the mark is the name of its column.
    return answer.slice(0, -1)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#conversation[Symbol.asyncDispose]()
  }
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, (_all, letter: string) => ESCAPES[letter] ?? letter)
}
