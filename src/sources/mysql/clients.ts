import { SourceError } from '../../errors.ts'
import type { CaptureType } from '../../model/config.ts'
import { atLeast } from '../../model/version-order.ts'
import { isTooOld, parseClientVersion, type Version } from './version.ts'

/** A program of MySQL or MariaDB that is there. */
export interface Client extends Version {
  /** `mariadb-dump`. */
  readonly program: string
}

const SPEAKERS = ['mariadb', 'mysql']
const DUMPERS = ['mariadb-dump', 'mysqldump']
const INSTALL =
  'Install the client there, of the server’s version or newer (Debian: mariadb-client, or MySQL’s own mysql-client), or name the container that has it.'

/** What sources/mysql/clients says is there. */
export function parseClients(said: string): Client[] {
  return said.split('\n').flatMap((line) => {
    const [program = '', text = ''] = line.split('\t')
    const version = parseClientVersion(text)
    return version === undefined ? [] : [{ program, ...version }]
  })
}

/** The one to talk to a server with. Throws SourceError where there is none. */
export function speakerOf(clients: readonly Client[], title: string): Client {
  const found = clients.find(({ program }) => SPEAKERS.includes(program))
  if (found !== undefined) return found
  throw new SourceError(
    'mysql-client-missing',
    `${title} can't be asked: there is neither mariadb nor mysql`,
    {
      next: INSTALL,
    },
  )
}

/**
 * The one to dump with: of the server's own family before others, and then the newest. Throws SourceError where there is
 * none, and for one that is older than the server, because it would leave out what it does not know.
 */
export function dumperOf(clients: readonly Client[], server: Version, title: string): Client {
  const dumpers = clients.filter(({ program }) => DUMPERS.includes(program))
  const rank = ({ family }: Client): number => (family === server.family ? 0 : 1)
  const [best] = [...dumpers].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      Number(atLeast(b.version, a.version)) - Number(atLeast(a.version, b.version)) ||
      DUMPERS.indexOf(a.program) - DUMPERS.indexOf(b.program),
  )
  if (best === undefined) {
    throw new SourceError(
      'mysql-client-missing',
      `${title} can't be dumped: there is neither mariadb-dump nor mysqldump`,
      { next: INSTALL },
    )
  }
  if (isTooOld(best, server)) {
    throw new SourceError(
      'mysql-client-old',
      `${title} is ${server.version}, and ${best.program} there is of ${best.version}`,
      { next: 'Install a client of the server’s version there, or newer.' },
    )
  }
  return best
}

const ONLY = {
  full: ['--routines', '--triggers', '--events'],
  schema: ['--no-data', '--routines', '--triggers', '--events'],
  data: ['--no-create-info', '--skip-triggers'],
} as const

/**
 * How a database is dumped. Each option is said as far as the client knows it: MySQL's has been since 5.7, MariaDB's since
 * 10.5.
 */
export function dumpOptions(
  { family, version }: Version,
  database: string,
  capture: CaptureType = 'full',
): string[] {
  return [
    // One moment of all tables that know transactions, and rows as they are read.
    ...['--single-transaction', '--quick', '--skip-lock-tables'],
    ...ONLY[capture],
    ...['--hex-blob', '--no-tablespaces'],
    // Text of any charset comes through; the server turns it back when it is loaded.
    '--default-character-set=utf8mb4',
    // The greatest that there is: a row that does not fit would end the dump.
    '--max-allowed-packet=1073741824',
    // A dump is to be loaded into a server that has a history of its own.
    ...(family === 'MySQL' ? ['--set-gtid-purged=OFF'] : []),
    // Asked of a server that has none of these statistics, a client of MySQL 8 fails.
    ...(family === 'MySQL' && atLeast(version, '8.0') ? ['--column-statistics=0'] : []),
    '--',
    database,
  ]
}
