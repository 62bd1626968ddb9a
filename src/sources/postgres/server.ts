import { SourceError } from '../../errors.ts'
import {
  findPlace,
  readLogin,
  type FoundPlace,
  type ServerContext,
  type ServerPlace,
} from '../database/place.ts'
import { engineName, passwordLine } from '../engine-place.ts'
import type { PostgresSourceConfig } from './config.ts'

/** A PostgreSQL that can be asked, always as its own user. */
export interface Server extends FoundPlace {
  readonly context: ServerContext
  /** In a sentence: `PostgreSQL of service db`. */
  readonly title: string
  /** The line that its programs read first: the password, empty for none. */
  readonly line: Buffer
}

const ENGINE = { code: 'postgres', title: 'PostgreSQL' } as const

/**
 * Finds it. Throws SourceError for a container that is missing or does not run, and for a password that is none, and as
 * the search for a container does.
 */
export async function findServer(context: ServerContext, config: PostgresSourceConfig): Promise<Server> {
  const found = await findPlace(context, config, ENGINE)
  const title = titleOf(config)
  if (config.byEnvironment === true) {
    const { user, password } = await readLogin(context, ENVIRONMENT, ENGINE)
    const [container, host, port] = found.place
    const line = Buffer.from(`${password}\n`)
    return { context, title, line, privilege: found.privilege, place: [container, host, port, user, '-'] }
  }
  const line = Buffer.from(`${await passwordLine(context, config.password, ENGINE)}\n`)
  return { context, title, line, ...found }
}

/** Which variables of a deployment say who asks PostgreSQL. */
const ENVIRONMENT = { scheme: 'postgres(ql)?', prefixes: ['POSTGRES_', 'PG'] } as const

/**
 * How a loader gets to the server. It stays in the journal, without a secret: one that the deployment says is read from there
 * each time.
 */
export function loaderPlace(
  { context, place }: Server,
  { byEnvironment }: PostgresSourceConfig,
): ServerPlace {
  const [container, host, port] = place
  return byEnvironment === true
    ? [container, host, port, '-', `env:${context.probe.deployment ?? ''}`]
    : place
}

/** In a sentence: `PostgreSQL of service db`. */
export function titleOf({ at }: PostgresSourceConfig): string {
  return engineName(ENGINE.title, at)
}

/** A connection string of libpq for a database of this name, whatever it is called. */
export function databaseNamed(name: string): string {
  return `dbname='${name.replace(/[\\']/g, '\\$&')}'`
}

/** A name in SQL. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A string in SQL. The sessions have `standard_conforming_strings` on. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** Turns what its programs said when they failed into an error with a next step. `doing`: `dump app`. */
export function failure(
  { title }: Pick<Server, 'title'>,
  doing: string,
  exit: { readonly status: number; readonly stderr: string; readonly command: string },
): SourceError {
  const said = exit.stderr.trim()
  const options = { command: exit.command, exitStatus: exit.status, stderr: said.slice(0, 4000) }
  const known = FAILURES.find(({ says }) => says.test(said))
  if (exit.status === 127) {
    return new SourceError(
      'postgres-client-missing',
      `${title} can't be asked: there is no ${exit.command}`,
      {
        ...options,
        next: 'Install the client of PostgreSQL there, of the server’s version or newer (Debian: postgresql-client), or name the container that has it.',
      },
    )
  }
  return new SourceError(known?.code ?? 'postgres-failed', `${title} did not ${doing}: ${firstLine(said)}`, {
    ...options,
    next: known?.next ?? 'Look into the message above on the server, then run it again.',
  })
}

const FAILURES = [
  {
    says: /FATAL: {2}role ".*" does not exist|password authentication failed|no password supplied|fe_sendauth|Peer authentication failed|Ident authentication failed/,
    code: 'postgres-login',
    next: 'Correct `user` and `password` of this source; for a container, `credentials: container` takes what its environment says.',
  },
  {
    says: /no pg_hba\.conf entry/,
    code: 'postgres-login',
    next: 'Let the user in from this address in pg_hba.conf of the server, then reload it.',
  },
  {
    says: /server version mismatch/,
    code: 'postgres-client-old',
    next: 'Install a client of PostgreSQL of the server’s version there, or newer.',
  },
  {
    says: /permission denied/,
    code: 'postgres-privilege',
    next: 'Let the user of the backup read all of it: grant pg_read_all_data to it (PostgreSQL 14 and newer), or make it a superuser.',
  },
  {
    says: /role ".*" does not exist/,
    code: 'postgres-role-missing',
    next: 'Make the role on the server: create role … – the snapshot has all of them in its globals archive (relay-backup cat SNAPSHOT SOURCE:SOURCE.globals.sql). Then restore again.',
  },
  {
    says: /database ".*" does not exist/,
    code: 'postgres-database-missing',
    next: 'Correct `databases` of this source.',
  },
  {
    says: /No space left on device/,
    code: 'disk-full',
    next: 'Make room on the disk of PostgreSQL, then run it again.',
  },
  {
    says: /Connection refused|could not connect|connection to server .* failed|No such file or directory/,
    code: 'postgres-down',
    next: 'Start it, or correct where this source says that it is.',
  },
] as const

function firstLine(said: string): string {
  const line =
    said.split('\n').find((each) => /error|fatal|failed|mismatch/i.test(each)) ?? said.split('\n')[0]
  return (line ?? '').replace(/^psql: |^pg_\w+: /, '').slice(0, 500) || 'it said nothing'
}
