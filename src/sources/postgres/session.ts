import { Conversation } from '../database/conversation.ts'
import type { PostgresSourceConfig } from './config.ts'
import { databaseNamed, failure, literal, type Server } from './server.ts'

/** PostgreSQL's own database. */
export const OWN_DATABASE = 'postgres'

/** Where questions are asked that are none of a single database's: one that is not to be renamed. */
export function maintenanceOf({ databases }: Pick<PostgresSourceConfig, 'databases'>): string {
  return databases.includes(OWN_DATABASE) ? 'template1' : OWN_DATABASE
}

/** A session with a database, through psql. Disposing it ends the session, and rolls back what it has begun. */
export class Session implements AsyncDisposable {
  readonly #server: Server
  readonly #conversation: Conversation

  private constructor(server: Server, conversation: Conversation) {
    this.#server = server
    this.#conversation = conversation
  }

  /** Throws SourceError when there is no such database, or nobody is let in. */
  static async open(server: Server, database: string, signal: AbortSignal): Promise<Session> {
    const process = await server.context.host.spawn(
      {
        script: 'sources/postgres/session',
        patience: 'work',
        args: [...server.place, databaseNamed(database)],
        privilege: server.privilege,
        title: 'psql on the server',
      },
      { signal },
    )
    process.stdin.write(server.line)
    const session = new Session(server, new Conversation(process))
    try {
      await session.run(
        'set standard_conforming_strings = on; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0;' +
          // Of PostgreSQL 17.
          " select set_config(name, '0', false) from pg_settings where name = 'transaction_timeout' \\g /dev/null\n" +
          // With no path every name of a definition comes with its schema.
          " set search_path = ''; set lock_timeout = '60s';",
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

  /** The rows of a query, each an object. */
  async rows<T>(query: string): Promise<T[]> {
    const lines = await this.#ask(`select row_to_json(asked) from (${query}) asked;`)
    return lines.map((line) => JSON.parse(line) as T)
  }

  async #ask(sql: string): Promise<readonly string[]> {
    const answer = await this.#conversation.ask(`${sql}\n\\echo ${this.#conversation.mark}\n`)
    if ('status' in answer)
      throw failure(this.#server, 'answer', { ...answer, command: 'psql on the server' })
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#conversation[Symbol.asyncDispose]()
  }
}

/**
 * Puts a query of a user to a database, and changes nothing. Returns its rows, each as one text. `snapshot`: of a session
 * that is in the middle of its transaction. Names are looked up as the database and the role have it set. Throws
 * SourceError for a query that fails.
 */
export async function askQuery(
  server: Server,
  database: string,
  query: string,
  signal: AbortSignal,
  snapshot?: string,
): Promise<readonly string[]> {
  // A query that fails ends its session.
  await using session = await Session.open(server, database, signal)
  await session.run('reset search_path; begin isolation level repeatable read read only;')
  if (snapshot !== undefined) await session.run(`set transaction snapshot ${literal(snapshot)};`)
  const asked = query.replace(/[\s;]+$/, '')
  const columns = "(select string_agg(coalesce(value, 'null'), '|') from json_each_text(row_to_json(said)))"
  const rows = await session.rows<{ row: string }>(`select ${columns} as row from (\n${asked}\n) said`)
  return rows.map(({ row }) => row)
}
