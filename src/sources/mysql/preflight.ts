import { SourceError } from '../../errors.ts'
import type { Finding } from '../../model/finding.ts'
import { printable } from '../../model/path-bytes.ts'
import { isOlder } from '../../model/version-order.ts'
import { singleBeside } from '../database/beside.ts'
import type { RestoreContext, RestorePreflight } from '../contract.ts'
import { grantsOf, readAccounts } from './accounts.ts'
import { isThere, oddNames, type ServerLook } from './catalogue.ts'
import type { MysqlSourceConfig } from './config.ts'
import type { MysqlFacts } from './facts.ts'
import { literal, type Server } from './server.ts'
import { Session } from './session.ts'
import { isSame } from './version.ts'

/** Looks for what keeps a restore from being done, or is to be known before it. Changes nothing. */
export async function judge(
  context: RestoreContext,
  server: Server,
  session: Session,
  {
    look,
    facts,
    config,
  }: { readonly look: ServerLook; readonly facts: MysqlFacts; readonly config: MysqlSourceConfig },
): Promise<RestorePreflight> {
  const { title } = server
  const { beside } = config
  const findings: Finding[] = singleBeside(Object.keys(facts.databases), beside)
  const fail = (check: string, message: string, next: string): void => {
    findings.push({ check, outcome: 'failed', message, next })
  }
  const warn = (check: string, message: string, next: string): void => {
    findings.push({ check, outcome: 'warning', message, next })
  }
  if (look.family !== facts.family) {
    warn(
      'mysql-family',
      `${title} is ${look.family} ${look.version}, and the dump is of ${facts.family} ${facts.version}: rows are compared, definitions are not`,
      'Try it with a copy of the app first.',
    )
  } else if (isOlder(look.version, facts.version)) {
    fail(
      'mysql-version',
      `${title} is ${look.version}, and the dump is of ${facts.version}`,
      `Restore to ${facts.family} ${facts.version} or newer.`,
    )
  }
  if (look.lowerCase !== facts.lowerCase) {
    warn(
      'mysql-lower-case',
      `${title} has lower_case_table_names = ${look.lowerCase}, and the dump is of one with ${facts.lowerCase}: names that differ in case alone, or are written in another case, are not found`,
      'It can be set only when a server is made. A dump that loses names so is not put in place.',
    )
  }
  const [self] = await session.rows<{ readonly: string }>('select @@global.read_only as readonly')
  if (self?.readonly !== '0')
    fail('mysql-readonly', `${title} takes no writes (read_only)`, 'Restore to its primary.')
  await judgeNames(session, title, facts, fail)
  const accounts = await judgeAccounts(context, server, { look, facts, name: config.name })
  findings.push(...accounts.findings)
  for (const name of Object.keys(facts.databases)) {
    const odd = beside === undefined ? await oddNames(session, name) : []
    if (odd.length > 0) {
      fail(
        'mysql-name',
        `${printable(name)} of ${title} has ${odd.map(printable).join(', ')}, and names with line breaks and the like can not be set aside`,
        'Rename what is called so, or drop it, then restore again.',
      )
    }
    const bound = await session.rows<{ of: string }>(
      `select distinct concat(constraint_schema, '.', table_name) as \`of\`
       from information_schema.referential_constraints
       where constraint_schema <> unique_constraint_schema and ${literal(name)} in (constraint_schema, unique_constraint_schema)`,
    )
    // What goes beside moves no table that is there.
    if (bound.length === 0 || beside !== undefined) continue
    fail(
      'mysql-foreign-key',
      `foreign keys of ${bound.map(({ of }) => printable(of)).join(', ')} go from or to ${printable(name)} across databases, and would follow its old tables`,
      'Drop these foreign keys, restore, and add them again.',
    )
  }
  const notes = Object.keys(facts.databases).map((name) =>
    beside !== undefined
      ? `${printable(name)} is loaded as ${printable(beside)}; the one that is live stays as it is, and events of the new one do not run`
      : isThere(look, name)
        ? `${printable(name)} is loaded beside the one that is there and then switched with it by renames of their tables`
        : `${printable(name)} is made new`,
  )
  return { findings, notes: [...notes, accounts.note] }
}

/** No restore changes accounts: what is not as in the snapshot is told, with how it is done by hand. */
async function judgeAccounts(
  { signal }: RestoreContext,
  server: Server,
  { look, facts, name }: { readonly look: ServerLook; readonly facts: MysqlFacts; readonly name: string },
): Promise<{ readonly findings: readonly Finding[]; readonly note: string }> {
  const { accounts: captured, users } = facts
  if (users === undefined) return { findings: [], note: 'accounts are not changed' }
  const file = `relay-backup cat SNAPSHOT ${name}:${name}.users.sql`
  const note = `accounts are not changed; what makes those of the snapshot is shown by: ${file}`
  if (captured === undefined) return { findings: [], note }
  let there: Readonly<Record<string, string>>
  try {
    there = grantsOf((await readAccounts(() => Session.open(server, signal), look)).accounts)
  } catch (error) {
    // Who may not read them can restore all the same.
    if (!(error instanceof SourceError) || signal.aborted) throw error
    return { findings: [], note }
  }
  const names = Object.keys(captured)
  const missing = names.filter((account) => there[account] === undefined)
  const others = isSame(look, facts)
    ? names.filter((account) => there[account] !== undefined && there[account] !== captured[account])
    : []
  const finding = (check: string, message: string, next: string): Finding => ({
    check,
    outcome: 'warning',
    message,
    next,
  })
  return {
    note,
    findings: [
      ...(missing.length === 0
        ? []
        : [
            finding(
              'mysql-account-missing',
              `${server.title} has no account ${missing.map(printable).join(', ')}, as the snapshot has, and the restore makes none`,
              `Make those that the app needs, by their statements (create user, grant) in: ${file}`,
            ),
          ]),
      ...(others.length === 0
        ? []
        : [
            finding(
              'mysql-account-differs',
              `${others.map(printable).join(', ')} may do other things on ${server.title} than in the snapshot, and stays as it is`,
              `Compare what show grants says there with: ${file}`,
            ),
          ]),
    ],
  }
}

/** What the databases name and the server must have. */
async function judgeNames(
  session: Session,
  title: string,
  { databases }: MysqlFacts,
  fail: (check: string, message: string, next: string) => void,
): Promise<void> {
  const collations = new Set(
    (
      await session.rows<{ name: string }>(
        `select collation_name as name from information_schema.collations where collation_name is not null`,
      )
    ).map(({ name }) => name),
  )
  const accounts = new Set(
    (
      await session.rows<{ account: string }>("select concat(user, '@', host) as account from mysql.user")
    ).map(({ account }) => account),
  )
  for (const [name, { collation, definers }] of Object.entries(databases)) {
    // MariaDB tells those that fit several character sets without their names: uca1400_ai_ci.
    if (!collations.has(collation) && !collations.has(collation.replace(/^[^_]+_(?=uca1400)/, ''))) {
      fail(
        'mysql-collation',
        `${printable(name)} has the collation ${printable(collation)}, which ${title} does not know`,
        'Restore to a server of the family and version that the dump is of.',
      )
    }
    const missing = definers.filter(
      (definer) => !accounts.has(definer) && !accounts.has(`${definer.replace(/@$/, '')}@`),
    )
    if (missing.length > 0) {
      fail(
        'mysql-definer-missing',
        `views, triggers, routines or events of ${printable(name)} run with the rights of ${missing.map(printable).join(', ')}, and ${title} has no such account`,
        'Make the account there: create user … – the users archive has it where it was captured. Then restore again.',
      )
    }
  }
}
