import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './ports.ts'
import { withRunner } from './runner.ts'

export const PASSWORD = 'very:secret\\pass'

/** A real PostgreSQL on loopback with the superuser `postgres`. Disposing it kills the server and removes its data. */
export interface LabPostgres extends AsyncDisposable {
  readonly port: number
  /** Runs SQL and returns the rows, columns by tabs. Throws with what psql said. */
  sql(database: string, sql: string): Promise<string>
  /** What its own pg_dump says of a database, without what differs each time. */
  dumped(database: string, ...args: readonly string[]): Promise<string>
}

/** Debian's directory of the programs of the newest version that is installed. */
export function programs(): string {
  const found = globSync('/usr/lib/postgresql/*/bin/initdb').sort().at(-1)
  if (found === undefined) throw new Error('no initdb: install Debian’s package postgresql')
  return found.slice(0, -'/initdb'.length)
}

/** A directory with the data of a new server, and whose it is. It does not run as root. */
export interface PostgresData extends AsyncDisposable {
  readonly home: string
  readonly data: string
  readonly uid: number
  readonly gid: number
}

/** Makes one with this superuser, whose password is {@link PASSWORD}. */
export async function makePostgresData(superuser: string): Promise<PostgresData> {
  const home = await mkdtemp(join(tmpdir(), 'relay-postgres-'))
  const [uid, gid] = ['-u', '-g'].map((which) =>
    Number(execFileSync('id', [which, 'postgres'], { encoding: 'utf8' })),
  ) as [number, number]
  const secret = join(home, 'password')
  await writeFile(secret, `${PASSWORD}\n`)
  for (const path of [home, secret]) await chown(path, uid, gid)
  const data = join(home, 'data')
  execFileSync(
    join(programs(), 'initdb'),
    ['-D', data, '-U', superuser, '-A', 'scram-sha-256', '--pwfile', secret, '-E', 'UTF8', '--no-sync'],
    { uid, gid, cwd: home, env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' }, stdio: 'pipe' },
  )
  return {
    ...{ home, data, uid, gid },
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }),
  }
}

/** Starts one and waits until it answers. */
export async function startPostgres(): Promise<LabPostgres> {
  const bin = programs()
  const made = await makePostgresData('postgres')
  const { home, data, uid, gid } = made
  const port = await freePort()
  const settings = {
    listen_addresses: '127.0.0.1',
    fsync: 'off',
    shared_buffers: '8MB',
    max_connections: '40',
  }
  const server = spawn(
    ...withRunner(join(bin, 'postgres'), [
      ...['-D', data, '-p', String(port), '-k', home],
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ]),
    {
      uid,
      gid,
      cwd: home,
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  let log = ''
  await new Promise<void>((resolve, reject) => {
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text
      if (log.includes('ready to accept connections')) resolve()
    })
    server.once('exit', () => reject(new Error(`PostgreSQL did not start: ${log}`)))
  })
  const client = (program: string, args: readonly string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      execFile(
        join(bin, program),
        [...args, '-h', '127.0.0.1', '-p', String(port), '-U', 'postgres'],
        { env: { PGPASSWORD: PASSWORD, LC_ALL: 'C' }, maxBuffer: 2 ** 28 },
        (error, stdout, stderr) =>
          error === null ? resolve(stdout.trimEnd()) : reject(new Error(stderr || error.message)),
      )
    })
  return {
    port,
    sql: (database, sql) =>
      client('psql', [
        '-X',
        '-q',
        '-A',
        '-t',
        '-F',
        '\t',
        '-v',
        'ON_ERROR_STOP=1',
        '-d',
        database,
        '-c',
        sql,
      ]),
    dumped: async (database, ...args) =>
      (await client('pg_dump', ['-d', database, ...args])).replace(/^\\(?:un)?restrict .*$/gm, ''),
    [Symbol.asyncDispose]: async () => {
      if (server.exitCode === null && server.signalCode === null) {
        const ended = once(server, 'exit')
        // Immediate shutdown: it ends its children.
        server.kill('SIGQUIT')
        await ended
      }
      await made[Symbol.asyncDispose]()
    },
  }
}
