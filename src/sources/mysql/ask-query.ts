import { identifier, type Server } from './server.ts'
import { Session } from './session.ts'

/** A session that reads a database as it is at this moment, for queries of a user, and changes nothing. */
export async function openMoment(server: Server, database: string, signal: AbortSignal): Promise<Session> {
  const session = await Session.open(server, signal)
  try {
    // Queries are written for the mode that the server has.
    await session.run(
      `use ${identifier(database)}; set session sql_mode = @@global.sql_mode;
start transaction with consistent snapshot, read only;`,
    )
    return session
  } catch (error) {
    await session[Symbol.asyncDispose]()
    throw error
  }
}

/** Throws SourceError for a query that could not be put; the session is at its end then. */
export async function prepareQuery(session: Session, query: string): Promise<void> {
  // As a subquery it changes nothing: MariaDB drops tables in transactions that only read.
  const asked = `select * from (\n${query.replace(/[\s;]+$/, '')}\n) said`
  // Not as a text: in some modes of the server backslashes do not escape.
  const bytes = Buffer.from(asked).toString('hex')
  await session.run(
    `set @relay_backup_check = convert(x'${bytes}' using utf8mb4); prepare relay_backup_check from @relay_backup_check;`,
  )
}

/** The rows of a query, each as one text. Throws SourceError for one that fails; the session is at its end then. */
export async function askQuery(session: Session, query: string): Promise<readonly string[]> {
  await prepareQuery(session, query)
  const rows = await session.values('execute relay_backup_check;')
  return rows.map((values) => values.join('|'))
}
