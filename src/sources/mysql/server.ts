import { SourceError } from '../../errors.ts'
import { findPlace, type FoundPlace, type ServerContext } from '../database/place.ts'
import { engineName, passwordLine } from '../engine-place.ts'
import { parseClients, speakerOf, type Client } from './clients.ts'
import type { MysqlSourceConfig } from './config.ts'

/** A server of MySQL or MariaDB that can be asked, always by its own login. */
export interface Server extends FoundPlace {
  readonly context: ServerContext
  /** In a sentence: `MySQL or MariaDB of service db`. */
  readonly title: string
  /** The line that its programs read first: the password, empty for none. */
  readonly line: Buffer
  /** Which of its programs are there. */
  readonly clients: readonly Client[]
  /** The one that we talk to it with. */
  readonly client: Client
}

const ENGINE = { code: 'mysql', title: 'MySQL or MariaDB' } as const

/**
 * Finds it, and its clients. Throws SourceError for a container that is missing or does not run, for a password that is
 * none, and where there is no client, and as the search for a container does.
 */
export async function findServer(context: ServerContext, config: MysqlSourceConfig): Promise<Server> {
  const line = Buffer.from(`${await passwordLine(context, config.password, ENGINE)}\n`)
  const title = titleOf(config)
  const { place, privilege } = await findPlace(context, config, ENGINE)
  const { stdout } = await context.host.run(
    { script: 'sources/mysql/clients', args: [place[0]], privilege, title: 'looking for clients of MySQL' },
    { signal: context.signal },
  )
  const clients = parseClients(stdout.toString('utf8'))
  return { context, title, line, place, privilege, clients, client: speakerOf(clients, title) }
}

/** In a sentence: `MySQL or MariaDB of service db`. */
export function titleOf({ at }: Pick<MysqlSourceConfig, 'at'>): string {
  return engineName(ENGINE.title, at)
}

/** A name in SQL. */
export function identifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

/** A string in SQL. The sessions have an empty `sql_mode`, so backslashes escape. */
export function literal(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}

/** Turns what its programs said when they failed into an error with a next step. `doing`: `dump app`. */
export function failure(
  { title }: Pick<Server, 'title'>,
  doing: string,
  exit: { readonly status: number; readonly stderr: string; readonly command: string },
): SourceError {
  const said = exit.stderr.trim()
  const options = { command: exit.command, exitStatus: exit.status, stderr: said.slice(0, 4000) }
  if (exit.status === 127) {
    return new SourceError('mysql-client-missing', `${title} can't be asked: there is no ${exit.command}`, {
      ...options,
      next: 'Install the client there, of the server’s version or newer (Debian: mariadb-client, or MySQL’s own mysql-client), or name the container that has it.',
    })
  }
  const known = FAILURES.find(({ says }) => says.test(said))
  return new SourceError(known?.code ?? 'mysql-failed', `${title} did not ${doing}: ${firstLine(said)}`, {
    ...options,
    next: known?.next ?? 'Look into the message above on the server, then run it again.',
  })
}

/** A client says `ERROR 1045 (28000)`, a dump `Got error: 1045:` or ends with `(1412)`. */
const numbered = (...numbers: readonly number[]): RegExp =>
  new RegExp(`(?:error:? |\\()(?:${numbers.join('|')})\\b`, 'i')

const FAILURES = [
  {
    says: numbered(1045, 1698, 1862, 3118, 4151),
    code: 'mysql-login',
    next: 'Correct `user` and `password` of this source; for a container, `credentials: container` takes what its environment says.',
  },
  {
    says: numbered(1130),
    code: 'mysql-login',
    next: 'Let the account in from this address on the server: create user … @ADDRESS; or name the socket: address: unix:/run/mysqld/mysqld.sock.',
  },
  {
    says: numbered(1044, 1142, 1143, 1227, 1370),
    code: 'mysql-privilege',
    next: 'Grant the account what the message above names, then run it again.',
  },
  {
    says: numbered(1049),
    code: 'mysql-database-missing',
    next: 'Correct `databases` of this source, or wait until nobody removes databases.',
  },
  {
    says: numbered(1412, 1146, 1932),
    code: 'mysql-changed',
    next: 'Tables were changed or removed meanwhile: run it again when no migration runs.',
  },
  {
    says: numbered(1205, 1213),
    code: 'mysql-locked',
    next: 'Somebody holds locks on these tables: look at them by show processlist, then run it again.',
  },
  {
    says: numbered(2059, 2026),
    code: 'mysql-client-old',
    next: 'Install a client of the server’s version there: this one can not log in as the server wants it. Or name the socket: address: unix:/run/mysqld/mysqld.sock.',
  },
  {
    says: /unknown (?:variable|option)/,
    code: 'mysql-client-old',
    next: 'Install a client of the server’s version there, or newer.',
  },
  {
    says: /No space left on device|errno: 28|Errcode: 28/,
    code: 'disk-full',
    next: 'Make room on the disk of the server, then run it again.',
  },
  {
    says: numbered(1053, 2006, 2013, 1927),
    code: 'mysql-gone',
    next: 'It stopped, or parted from us, meanwhile: look into its log, then run it again.',
  },
  {
    says: numbered(2002, 2003, 2005),
    code: 'mysql-down',
    next: 'Start it, or correct where this source says that it is.',
  },
] as const

function firstLine(said: string): string {
  const line = said.split('\n').find((each) => /error|denied|failed|couldn't|unknown/i.test(each))
  return (line ?? said.split('\n').at(-1) ?? '').slice(0, 500) || 'it said nothing'
}
