import { printable } from '../../../model/path-bytes.ts'
import type { RestoreContext } from '../../contract.ts'
import type { PostgresSourceConfig } from '../config.ts'
import { databaseNamed, failure, identifier, type Server } from '../server.ts'
import { maintenanceOf, Session } from '../session.ts'

/** Copies schemas with all that is in them from one database of a server to another, all of it or nothing. */
export async function copySchemas(
  context: RestoreContext,
  server: Server,
  { from, to, schemas }: { readonly from: string; readonly to: string; readonly schemas: readonly string[] },
): Promise<void> {
  const result = await context.host.run(
    {
      script: 'sources/postgres/copy-tables',
      patience: 'work',
      args: [...server.place, databaseNamed(from), databaseNamed(to), ...schemas.map(identifier)],
      privilege: server.privilege,
      title: 'copying tables on the server',
    },
    { stdin: server.line, signal: context.signal },
  )
  if (result.status !== 0) {
    throw failure(server, `take the tables into ${printable(to)}`, { ...result, command: 'pg_restore' })
  }
}

/** Removes a database that a restore has made. */
export async function dropDatabase(
  context: RestoreContext,
  config: PostgresSourceConfig,
  server: Server,
  name: string,
): Promise<void> {
  await using session = await Session.open(server, maintenanceOf(config), context.signal)
  await session.run(`drop database ${identifier(name)};`)
}
