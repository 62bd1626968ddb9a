import { atLeast } from '../../model/version-order.ts'
import { literal } from './server.ts'
import type { Session } from './session.ts'
import type { Version } from './version.ts'

/** Somebody who may log in, or a role. */
export interface Account {
  /** `app@localhost`; a role of MariaDB has no host. */
  readonly name: string
  readonly type: 'account' | 'role'
  /** What makes it, where it is not there; absent for PUBLIC, which always is. */
  readonly create?: string | undefined
  readonly grants: readonly string[]
}

/** The server's own. */
const OWN: ReadonlySet<string> = new Set(['mariadb.sys', 'mysql.sys', 'mysql.session', 'mysql.infoschema'])

/** Asks for all accounts and roles, as the server itself tells them. Throws SourceError where that is not allowed. */
export async function readAccounts(session: Session, { family, version }: Version): Promise<Account[]> {
  const ours = family === 'MariaDB'
  const found = await session.rows<{ user: string; host: string; role: string }>(
    `select user as user, host as host, ${ours ? 'is_role' : "'N'"} as role from mysql.user order by 1, 2`,
  )
  // Hashes of passwords are bytes of any kind.
  if (!ours && atLeast(version, '8.0.17')) await session.run('set session print_identified_with_as_hex = on;')
  const accounts: Account[] = []
  for (const { user, host, role } of found.filter((each) => !OWN.has(each.user))) {
    const isRole = role === 'Y'
    const quoted = isRole
      ? createRole(user) === undefined
        ? 'PUBLIC'
        : literal(user)
      : `${literal(user)}@${literal(host)}`
    const [made] = isRole ? [] : await first(session, `show create user ${quoted}`)
    accounts.push({
      name: isRole ? user : `${user}@${host}`,
      type: isRole ? 'role' : 'account',
      create: isRole ? createRole(user) : made?.replace(/^CREATE USER /, 'CREATE USER IF NOT EXISTS '),
      grants: await first(session, `show grants for ${quoted}`),
    })
  }
  return accounts
}

/** As a file of SQL: all are made before anything is granted, because a role is granted like a privilege. */
export function writeAccounts(accounts: readonly Account[]): string {
  const statements = [
    ...accounts.flatMap(({ create }) => create ?? []),
    ...accounts.flatMap(({ grants }) => grants),
  ]
  return ['-- Accounts and their grants', ...statements.map((each) => `${each};`), ''].join('\n')
}

function createRole(name: string): string | undefined {
  return name.toUpperCase() === 'PUBLIC' ? undefined : `CREATE ROLE IF NOT EXISTS ${literal(name)}`
}

async function first(session: Session, query: string): Promise<string[]> {
  const rows = await session.rows<Readonly<Record<string, string>>>(query)
  return rows.map((row) => Object.values(row)[0] ?? '')
}
