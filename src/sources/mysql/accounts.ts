import { createHash } from 'node:crypto'
import { SourceError } from '../../errors.ts'
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

/** No such account: ER_PASSWORD_NO_MATCH, ER_NONEXISTING_GRANT, ER_CANNOT_USER. */
const UNKNOWN = /^ERROR (?:1133|1141|1396) /m
/** The server's own. */
const OWN: ReadonlySet<string> = new Set(['mariadb.sys', 'mysql.sys', 'mysql.session', 'mysql.infoschema'])

/** What there is of accounts. */
export interface Accounts {
  readonly accounts: readonly Account[]
  /** Names of those that stand in the server's tables and that it does not know: it does not look up host names. */
  readonly ignored: readonly string[]
}

/**
 * Asks for all accounts and roles, as the server itself tells them, in sessions of its own. Throws SourceError where that is not
 * allowed.
 */
export async function readAccounts(
  openSession: () => Promise<Session>,
  { family, version }: Version,
): Promise<Accounts> {
  const ours = family === 'MariaDB'
  const open = async (): Promise<Session> => {
    const session = await openSession()
    // Hashes of passwords are bytes of any kind.
    if (!ours && atLeast(version, '8.0.17'))
      await session.run('set session print_identified_with_as_hex = on;')
    return session
  }
  let session = await open()
  try {
    const found = await session.rows<{ user: string; host: string; role: string }>(
      `select user as user, host as host, ${ours ? 'is_role' : "'N'"} as role from mysql.user order by 1, 2`,
    )
    const accounts: Account[] = []
    const ignored: string[] = []
    for (const { user, host, role } of found.filter((each) => !OWN.has(each.user))) {
      try {
        accounts.push(role === 'Y' ? await readRole(session, user) : await readAccount(session, user, host))
      } catch (error) {
        if (!(error instanceof SourceError) || !UNKNOWN.test(error.details.stderr ?? '')) throw error
        ignored.push(`${user}@${host}`)
        await session[Symbol.asyncDispose]()
        session = await open()
      }
    }
    return { accounts, ignored }
  } finally {
    await session[Symbol.asyncDispose]()
  }
}

async function readAccount(session: Session, user: string, host: string): Promise<Account> {
  const quoted = `${literal(user)}@${literal(host)}`
  const [made] = await first(session, `show create user ${quoted}`)
  return {
    name: `${user}@${host}`,
    type: 'account',
    create: made?.replace(/^CREATE USER /, 'CREATE USER IF NOT EXISTS '),
    grants: await first(session, `show grants for ${quoted}`),
  }
}

async function readRole(session: Session, name: string): Promise<Account> {
  const isPublic = name.toUpperCase() === 'PUBLIC'
  return {
    name,
    type: 'role',
    create: isPublic ? undefined : `CREATE ROLE IF NOT EXISTS ${literal(name)}`,
    grants: await first(session, `show grants for ${isPublic ? 'public' : literal(name)}`),
  }
}

/** As a file of SQL: all are made before anything is granted, because a role is granted like a privilege. */
export function writeAccounts(accounts: readonly Account[]): string {
  const statements = [
    ...accounts.flatMap(({ create }) => create ?? []),
    ...accounts.flatMap(({ grants }) => grants),
  ]
  return ['-- Accounts and their grants', ...statements.map((each) => `${each};`), ''].join('\n')
}

/** What each may do, as a hash. Passwords are no part of it: the hash of one could be tried out. */
export function grantsOf(accounts: readonly Account[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    accounts.map(({ name, grants }) => {
      const plain = grants.map((grant) => grant.replace(/ IDENTIFIED .*?(?= REQUIRE | WITH |$)/s, '')).sort()
      return [name, createHash('sha256').update(plain.join('\n')).digest('hex')]
    }),
  )
}

async function first(session: Session, query: string): Promise<string[]> {
  const rows = await session.rows<Readonly<Record<string, string>>>(query)
  return rows.map((row) => Object.values(row)[0] ?? '')
}
