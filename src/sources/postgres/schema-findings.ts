import type { Finding } from '../../model/finding.ts'
import { printable } from '../../model/path-bytes.ts'
import type { Server } from './server.ts'
import type { Session } from './session.ts'

/** What keeps a restore from making a schema of its own in a database, which the session is in. */
export async function schemaFindings(
  session: Session,
  server: Server,
  database: string,
): Promise<readonly Finding[]> {
  const [rights] = await session.rows<{ create: boolean }>(
    `select has_database_privilege(current_database(), 'create') as create`,
  )
  if (rights?.create === true) return []
  return [
    {
      check: 'postgres-privilege',
      outcome: 'failed',
      message: `${server.title} lets us make no schema in ${printable(database)}`,
      next: 'Let the user of this source do so: grant create on database, or make it a superuser.',
    },
  ]
}
