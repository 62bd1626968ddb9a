import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { chmod, mkdir, readdir, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { HostConfig } from '../../src/model/config.ts'
import type { HostPullReport } from '../../src/model/pull-report.ts'
import { packTar } from '../../src/archive/pack-tar.ts'
import { createRecordSorter } from '../../src/archive/record-sorter.ts'
import { deferred } from '../../src/remote/deferred.ts'
import { rollbackRestore } from '../../src/restore/server/settle.ts'
import type { PullContext } from '../../src/sources/contract.ts'
import { captureSqlite } from '../../src/sources/sqlite/capture.ts'
import { expect } from 'vitest'
import { LocalHost, localProbe } from '../lab/local-host.ts'
import { pullHost } from '../../src/pull/pull-host.ts'
import type { SqliteSourceConfig } from '../../src/sources/sqlite/config.ts'
import type { SqliteFacts } from '../../src/sources/sqlite/facts.ts'
import type { Snapshot } from '../../src/vault/contract.ts'
import { busyboxTools } from '../lab/busybox.ts'
import { toolsWithout } from '../lab/tools.ts'
import { signal } from './incremental-lab.ts'
import { RestoreHostsLab } from './restore-hosts-lab.ts'

/** What a server has: to copy databases with, and besides. */
export type Server = 'sqlite3' | 'python3' | 'busybox' | 'nothing'

/** Moves 1 from one account to another in the database argv[1], without a pause. */
const WRITER = `
import sqlite3, sys, random, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
db.execute('PRAGMA synchronous=OFF')
n = 0
while True:
    a, b = random.sample(range(100), 2)
    db.execute('BEGIN IMMEDIATE')
    db.execute('UPDATE account SET n = n - 1 WHERE id = ?', (a,))
    db.execute('UPDATE account SET n = n + 1 WHERE id = ?', (b,))
    db.execute('COMMIT')
    n += 1
    if n == 5: print('busy', flush=True)
    time.sleep(0.001)
`

/** Runs SQL in a database with the machine's own sqlite3, and gives what it says. */
export function sql(path: string, text: string): string {
  return execFileSync('sqlite3', ['-batch', '-bail', path], { input: text, encoding: 'utf8' }).trim()
}

/** A database with 100 accounts that hold 100,000 together, with odd settings. */
export async function makeDatabase(path: string, journal: 'wal' | 'delete' = 'wal'): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  sql(
    path,
    `PRAGMA page_size=8192; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=${journal};
    PRAGMA application_id=77; PRAGMA user_version=9;
    CREATE TABLE account (id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE log (n, x);
    CREATE TABLE "odd ' "" name" (x); INSERT INTO "odd ' "" name" VALUES (1), (2);
    WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 99) INSERT INTO account SELECT i, 1000 FROM c;
    INSERT INTO log VALUES (0, zeroblob(2000000));`,
  )
}

/** What a copy of {@link makeDatabase} must still be. */
export const WHOLE = 'ok|100000|8192|2|77|9'

/** The same of a database. */
export function state(path: string): string {
  return sql(
    path,
    `.mode list
    SELECT (SELECT integrity_check FROM pragma_integrity_check), (SELECT sum(n) FROM account), page_size, auto_vacuum,
      application_id, user_version
    FROM pragma_page_size, pragma_auto_vacuum, pragma_application_id, pragma_user_version;`,
  )
}

/** A process that writes to a database until it is disposed. */
export async function writer(path: string): Promise<AsyncDisposable> {
  const child = spawn('python3', ['-c', WRITER, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

/** A process that holds the write lock of a database in rollback mode until it is disposed. */
export async function locker(path: string): Promise<AsyncDisposable> {
  const child = spawn('sqlite3', ['-batch', path], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.write("BEGIN EXCLUSIVE;\nSELECT 'held';\n")
  await once(child.stdout, 'data')
  return {
    [Symbol.asyncDispose]: async () => {
      child.stdin.end()
      await once(child, 'exit')
    },
  }
}

/** A connection that stays open. */
export async function opened(path: string): Promise<Connection> {
  const child = spawn('sqlite3', ['-batch', path], { stdio: ['pipe', 'pipe', 'inherit'] })
  let said = ''
  let asked = 0
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const write = async (text: string) => {
    asked += 1
    child.stdin.write(`${text}\nSELECT 'done ${asked}';\n`)
    while (!said.includes(`done ${asked}\n`)) await once(child.stdout, 'data')
  }
  const kill = async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await write('SELECT count(*) FROM sqlite_master;')
  return { write, kill, [Symbol.asyncDispose]: kill }
}

export interface Connection extends AsyncDisposable {
  write(sql: string): Promise<void>
  /** As a crash does: its log stays. */
  kill(): Promise<void>
}

/** Whole pulls and restores of SQLite sources in this process, as {@link RestoreHostsLab} does them. */
export class SqliteLab implements AsyncDisposable {
  readonly hosts: RestoreHostsLab
  readonly #paths = new Map<Server, string>()

  private constructor(hosts: RestoreHostsLab) {
    this.hosts = hosts
  }

  static async start(): Promise<SqliteLab> {
    return new SqliteLab(await RestoreHostsLab.start())
  }

  /** From now on servers have this. `ahead`: their clock is, so that what was just written counts as settled. */
  async use(server: Server, { ahead = false } = {}): Promise<void> {
    const tools = this.#paths.get(server) ?? (await this.#tools(server))
    this.#paths.set(server, tools)
    const path = ahead ? `${join(this.hosts.lab.path, 'bin')}:${tools}` : tools
    this.hosts.server = { path, ...(server === 'busybox' ? { shell: ['/bin/busybox', 'sh'] } : {}) }
  }

  async #tools(server: Server): Promise<string> {
    const folder = join(this.hosts.lab.path, `tools-${server}`)
    if (server === 'busybox') {
      await busyboxTools(folder)
      await rm(join(folder, 'sqlite3'), { force: true })
      await symlink('/usr/bin/sqlite3', join(folder, 'sqlite3'))
      return folder
    }
    return await toolsWithout(
      folder,
      (name) =>
        (server !== 'sqlite3' && name === 'sqlite3') || (server === 'nothing' && name.startsWith('python3')),
    )
  }

  /** A host with a deployment of its own that has this source. */
  async host(name: string, source: Partial<SqliteSourceConfig> = {}): Promise<HostConfig> {
    const one: SqliteSourceConfig = {
      kind: 'sqlite',
      name: 'db',
      paths: ['prisma/dev.db'],
      patterns: [],
      checks: [],
      ...source,
    }
    const host = this.hosts.host(name, { sources: [one] })
    await mkdir(host.deployment, { recursive: true })
    await chmod(host.deployment, 0o755)
    return host
  }

  async pull(host: HostConfig): Promise<HostPullReport> {
    this.hosts.lab.passDays(1)
    return await pullHost(host, { rotate: true }, this.hosts.dependencies().pull, signal)
  }

  /** Pulls, insists that it went well, and gives the snapshot with the source's facts. */
  async pulled(host: HostConfig): Promise<{ readonly snapshot: Snapshot; readonly facts: SqliteFacts }> {
    const report = await this.pull(host)
    const [failed] = report.sources.flatMap(({ error }) => error ?? [])
    if (failed !== undefined) throw failed
    const snapshot = (await this.hosts.lab.vault.snapshots(host.name)).find(
      ({ id }) => id === report.snapshot,
    )
    if (snapshot === undefined) throw report.error ?? new Error('no snapshot')
    return { snapshot, facts: snapshot.manifest.sources[0]?.facts as SqliteFacts }
  }

  async rollback(host: HostConfig, id: string): Promise<void> {
    await using remote = new LocalHost(this.hosts.server)
    const place = { deployment: host.deployment, privilege: undefined, signal, id }
    expect(await rollbackRestore(remote, place)).toMatchObject({ outcome: 'rolled-back' })
  }

  /** A capture that is under way on a server that can be cut off. */
  async capturing(
    host: HostConfig,
    when: 'copying' | 'reading',
  ): Promise<AsyncDisposable & { cut(): Promise<void> }> {
    const database = join(host.deployment, 'prisma/dev.db')
    const stack = new AsyncDisposableStack()
    const lock = when === 'copying' ? stack.use(await locker(database)) : undefined
    const remote = stack.use(new LocalHost(this.hosts.server))
    const step = deferred<void>()
    const context = {
      ...captureContext(remote, host.deployment),
      step: (text: string) => text.startsWith('copying') && step.resolve(),
    } as unknown as PullContext
    const capture = captureSqlite(context, host.sources[0] as SqliteSourceConfig)
    capture.catch(() => {})
    if (lock === undefined) stack.use(await capture)
    else {
      await step.promise
      await appears(join(host.deployment, '.relay-backup'), 'counted')
    }
    return {
      cut: async () => {
        const scripts = [...remote.running]
        remote.cut()
        await Promise.all(scripts.map((script) => once(script, 'close')))
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  }

  /** Warnings and notes since the last call. */
  told(): string[] {
    return this.hosts.lab.events
      .splice(0)
      .flatMap((event) => (event.type === 'warning' || event.type === 'note' ? [event.message] : []))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.hosts[Symbol.asyncDispose]()
  }
}

function captureContext(host: LocalHost, deployment: string): Omit<PullContext, 'step'> {
  return {
    host,
    probe: localProbe({ deployment }),
    privilege: undefined,
    compression: { kind: 'auto' },
    secret: () => Promise.reject(new Error('no secrets here')),
    findContainer: () => Promise.reject(new Error('no containers here')),
    packTar,
    createSorter: () => createRecordSorter(join(deployment, '..', 'sorting')),
    notice: () => {},
    signal,
  }
}

/** Waits for a file of this name somewhere below a directory. */
async function appears(directory: string, name: string): Promise<void> {
  const found = async () =>
    (await readdir(directory, { recursive: true }).catch(() => [])).some((one) => one.endsWith(name))
  const changes = watch(directory, { recursive: true })
  try {
    while (!(await found())) await once(changes, 'change')
  } finally {
    changes.close()
  }
}

/** What lies in the deployment's own directory of ours. */
export async function left({ deployment }: HostConfig): Promise<string[]> {
  return (await readdir(join(deployment, '.relay-backup')).catch(() => [])).sort()
}
