import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { find } from './install.ts'
import { freePort } from './ports.ts'
import { withRunner } from './runner.ts'

/** What stands in a password to be hard to write down: quotes, a comment's sign, a backslash, a blank at the end. */
export const PASSWORD = `ve"ry #secret\\n 'x' `

/** A real MariaDB on loopback. Disposing it kills the server and removes its data. */
export interface LabMariadb extends AsyncDisposable {
  readonly port: number
  readonly socket: string
  readonly pid: number
  /** Runs SQL as root and returns the rows, columns by tabs, without their names. Throws with what the client said. */
  sql(sql: string, database?: string): Promise<string>
  /** Runs a file of SQL as root in a database: a dump, or statements with their own delimiters. */
  load(text: string | Buffer, database: string): Promise<void>
  /** What its own dump program says of a database, without what differs each time. */
  dumped(database: string): Promise<string>
  /** Stops it at once, as a loss of power does. */
  kill(): Promise<void>
}

/** Where a program of Debian's packages lies, sbin too. */
export function program(name: string): string {
  const found = find(name)
  if (found === undefined) throw new Error(`no ${name}: install Debian’s package mariadb-server`)
  return found
}

/** A directory with the data of a new server, and whose it is. It does not run as root. */
export interface MariadbData extends AsyncDisposable {
  readonly home: string
  readonly data: string
  readonly uid: number
  readonly gid: number
}

/** Makes one in which root has no password yet. */
export async function makeMariadbData(): Promise<MariadbData> {
  const home = await mkdtemp(join(tmpdir(), 'relay-mariadb-'))
  const [uid, gid] = ['-u', '-g'].map((which) =>
    Number(execFileSync('id', [which, 'mysql'], { encoding: 'utf8' })),
  ) as [number, number]
  const data = join(home, 'data')
  execFileSync(
    program('mariadb-install-db'),
    [
      ...['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal'],
      ...['--skip-test-db', '--skip-name-resolve'],
    ],
    // Temporary tables are named by the pid, which another PID namespace has, too.
    { stdio: 'pipe', env: { ...process.env, TMPDIR: home } },
  )
  execFileSync('chown', ['-R', `${uid}:${gid}`, data])
  await chown(home, uid, gid)
  return {
    ...{ home, data, uid, gid },
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }),
  }
}

/** Starts one and waits until it answers; root's password is {@link PASSWORD}. */
export async function startMariadb(): Promise<LabMariadb> {
  const made = await makeMariadbData()
  const { home, data, uid, gid } = made
  const port = await freePort()
  const socket = join(home, 'server.sock')
  const server = spawn(
    ...withRunner(program('mariadbd'), [
      ...['--no-defaults', `--datadir=${data}`, `--socket=${socket}`, `--port=${port}`],
      ...[
        `--tmpdir=${home}`,
        '--bind-address=127.0.0.1',
        `--pid-file=${join(home, 'pid')}`,
        '--skip-name-resolve',
      ],
      ...[
        '--innodb-flush-log-at-trx-commit=0',
        '--innodb-flush-method=nosync',
        '--innodb-buffer-pool-size=16M',
        '--innodb-log-file-size=8M',
      ],
      ...['--event-scheduler=OFF', '--lower-case-table-names=0'],
    ]),
    { uid, gid, cwd: home, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let log = ''
  await new Promise<void>((resolve, reject) => {
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text
      if (log.includes('ready for connections')) resolve()
    })
    server.once('exit', () => reject(new Error(`MariaDB did not start: ${log}`)))
  })
  let password = ''
  const client = (name: string, args: readonly string[], input: string | Buffer = ''): Promise<string> =>
    new Promise((resolve, reject) => {
      const child = execFile(
        program(name),
        ['--no-defaults', `--socket=${socket}`, '--user=root', '--default-character-set=utf8mb4', ...args],
        { env: { MYSQL_PWD: password }, maxBuffer: 2 ** 28 },
        (error, stdout, stderr) =>
          error === null ? resolve(stdout.trimEnd()) : reject(new Error(stderr || error.message)),
      )
      // A client that fails reads no more; its exit tells why.
      child.stdin?.on('error', () => {})
      child.stdin?.end(input)
    })
  const sql = (text: string, database?: string): Promise<string> =>
    client('mariadb', [
      '--batch',
      '--raw',
      '--skip-column-names',
      '-e',
      text,
      ...(database === undefined ? [] : [database]),
    ])
  await sql(`set password for root@localhost = password('${PASSWORD.replace(/[\\']/g, '\\$&')}')`)
  password = PASSWORD
  await sql(
    `create or replace user root@'127.0.0.1' identified by '${PASSWORD.replace(/[\\']/g, '\\$&')}'; grant all on *.* to root@'127.0.0.1' with grant option`,
  )
  const kill = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill('SIGKILL')
    await ended
  }
  return {
    ...{ port, socket, sql, kill },
    pid: server.pid!,
    load: async (text, database) => {
      await client('mariadb', [database], text)
    },
    dumped: async (database) =>
      (
        await client('mariadb-dump', [
          ...['--routines', '--triggers', '--events', '--hex-blob', '--skip-dump-date', '--', database],
        ])
      ).replace(/^-- (?:Host: |Dumping \w+ for database ).*$/gm, ''),
    [Symbol.asyncDispose]: async () => {
      await kill()
      await made[Symbol.asyncDispose]()
    },
  }
}
