import { atLeast } from '../../model/version-order.ts'
import type { Session } from './session.ts'
import type { Version } from './version.ts'

/** What an account may do, as `show grants` says. */
export interface Grants {
  /** `backup@localhost` */
  readonly account: string
  readonly lines: readonly Grant[]
}

/** One line of it. */
export interface Grant {
  readonly isRevoked: boolean
  /** In capitals: `SELECT`, `ALL PRIVILEGES`. */
  readonly privileges: readonly string[]
  /** `*.*`, `` `shop`.* ``, `` `mysql`.`proc` ``. */
  readonly on: string
}

/** Something that an account may not do. */
export interface MissingPrivilege {
  readonly privilege: string
  /** As in a grant: `` `shop`.* ``. */
  readonly on: string
}

/** What it takes to see all tables, views, triggers and events of a database. */
const TO_DUMP = ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT']

/** Asks what the account of a session may do, roles that are in force with it. */
export async function readGrants(session: Session, { family, version }: Version): Promise<Grants> {
  const [self] = await session.rows<{ account: string }>('select current_user() as account')
  // MariaDB tells those of the current role by itself.
  const [role] =
    family === 'MySQL' && atLeast(version, '8.0')
      ? await session.rows<{ roles: string }>('select current_role() as roles')
      : []
  const using = role === undefined || role.roles === 'NONE' ? '' : ` for current_user() using ${role.roles}`
  const rows = await session.rows<Readonly<Record<string, string>>>(`show grants${using}`)
  return {
    account: self?.account ?? '',
    lines: rows.flatMap((row) => parseGrant(Object.values(row)[0] ?? '') ?? []),
  }
}

/** A line of `show grants`; undefined for one that grants a role, or a proxy. */
export function parseGrant(line: string): Grant | undefined {
  const found =
    /^(GRANT|REVOKE) (.+?) ON (?:TABLE )?((?:\*|`(?:[^`]|``)*`)\.(?:\*|`(?:[^`]|``)*`)) (?:TO|FROM) /.exec(
      line,
    )
  if (found === null) return undefined
  const [, verb, privileges = '', on = ''] = found
  // SELECT (a, b) is a privilege of columns.
  const names = privileges.replace(/[A-Z ]+ \([^)]*\)/g, '').split(',')
  return {
    isRevoked: verb === 'REVOKE',
    privileges: names.map((name) => name.trim()).filter((name) => name !== ''),
    on,
  }
}

/** Which of these privileges the account does not have on all of a database. */
export function missingPrivileges(
  { lines }: Pick<Grants, 'lines'>,
  database: string,
  needed: readonly string[] = TO_DUMP,
): MissingPrivilege[] {
  const here = lines.filter(({ on }) => covers(on, database))
  const has = (privilege: string): boolean => {
    const naming = here.filter(
      ({ privileges }) => privileges.includes(privilege) || privileges.includes('ALL PRIVILEGES'),
    )
    return naming.length > 0 && !naming.some(({ isRevoked }) => isRevoked)
  }
  return needed
    .filter((privilege) => !has(privilege))
    .map((privilege) => ({ privilege, on: `\`${database.replaceAll('`', '``')}\`.*` }))
}

/**
 * The account sees every routine of a database. Who does not is told of none, or of names alone, without an error. MySQL
 * took the right to read `mysql.proc` before 8.0, and MariaDB has had a privilege for it since 11.3.
 */
export function seesRoutines(grants: Pick<Grants, 'lines'>, database: string): boolean {
  const anywhere = grants.lines.filter(({ on, isRevoked }) => on === '*.*' && !isRevoked)
  const has = (lines: readonly Grant[], ...names: readonly string[]): boolean =>
    lines.some(({ privileges }) => [...names, 'ALL PRIVILEGES'].some((name) => privileges.includes(name)))
  return (
    has(anywhere, 'SELECT', 'SHOW_ROUTINE', 'SHOW CREATE ROUTINE') ||
    has(
      grants.lines.filter(({ on }) => on === '`mysql`.`proc`' || on === '`mysql`.*'),
      'SELECT',
    ) ||
    missingPrivileges(grants, database, ['SHOW CREATE ROUTINE']).length === 0
  )
}

/**
 * The account may lock tables of a database in a way that lets a dump read them: it takes the right to flush tables, which
 * MySQL has had as one of its own since 8.0.23.
 */
export function mayHoldStill(grants: Pick<Grants, 'lines'>, database: string): boolean {
  const may = (privilege: string): boolean => missingPrivileges(grants, database, [privilege]).length === 0
  return may('LOCK TABLES') && (may('RELOAD') || may('FLUSH_TABLES'))
}

/** What is granted on `on` holds in the whole of a database: its name there is a pattern, in which a backslash escapes. */
function covers(on: string, database: string): boolean {
  if (on === '*.*') return true
  const named = /^`((?:[^`]|``)*)`\.\*$/.exec(on)?.[1]?.replaceAll('``', '`')
  if (named === undefined) return false
  if (named === database) return true
  const pattern = named.replace(/\\?[\s\S]/gu, (each) => {
    if (each === '%') return '.*'
    if (each === '_') return '.'
    return each.replace(/^\\(?=.)/su, '').replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  })
  return new RegExp(`^${pattern}$`, 'su').test(database)
}
