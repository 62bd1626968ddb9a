import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../lab/world.ts'

/** Writes to the database in argv[1] without a pause, or once when argv[3] says so, in the journal mode argv[2]. */
const WRITER = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('PRAGMA journal_mode=' + sys.argv[2])
db.execute('PRAGMA synchronous=OFF')
db.execute('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, x BLOB)')
db.execute('INSERT INTO t (x) VALUES (zeroblob(300000))')
print('ready', flush=True)
n = 0
while sys.argv[3] == 'busy':
    db.execute('INSERT INTO t (x) VALUES (zeroblob(3000))')
    n += 1
    if n % 50 == 0: db.execute('DELETE FROM t WHERE id % 3 = 0')
`

const stack = new AsyncDisposableStack()
let world: World
let writer: ChildProcess | undefined
beforeAll(async () => {
  world = stack.use(await startWorld())
  world.config.hosts['prod']!.sources = {
    data: { kind: 'files', path: 'data', sqlite: 'asFiles' },
    logs: { kind: 'files', path: 'logs' },
  }
  await world.writeConfig()
  await mkdir(join(world.home, 'copies'))
})
afterEach(async () => {
  if (writer?.exitCode === null) {
    writer.kill('SIGKILL')
    await once(writer, 'exit')
  }
})
afterAll(() => stack.disposeAsync())

async function write(journal: 'wal' | 'delete', how: 'busy' | 'once'): Promise<void> {
  const data = join(world.deployment, 'data')
  await rm(data, { recursive: true, force: true })
  await mkdir(data)
  await writeFile(join(data, 'file'), 'x')
  writer = spawn('python3', ['-c', WRITER, join(data, 'app.db'), journal, how], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(writer.stdout!, 'data')
}

test.each(['wal', 'delete'] as const)(
  'a database that is written to all the time is torn, and said so everywhere (regression: complete, malformed) (%s)',
  async (journal) => {
    await write(journal, 'busy')
    const pulled = await world.cli('pull', '--json')
    expect(pulled.code, pulled.stderr).toBe(3)
    const report = JSON.parse(pulled.stdout) as {
      hosts: { outcome: string; sources: { source: string; outcome: string }[] }[]
    }
    expect(report.hosts[0]?.outcome).toBe('partial')
    expect(report.hosts[0]?.sources.map(({ source, outcome }) => [source, outcome])).toEqual([
      ['data', 'torn'],
      ['logs', 'done'],
    ])
    expect(pulled.stderr).toContain('quiesce')
    const human = await world.cli('pull')
    expect(human.code).toBe(3)
    expect(human.stdout).toMatch(/data +torn/)
    expect(human.stdout).toContain('quiesce')
    expect(human.stdout).not.toContain('sqlite }')
    expect((await world.cli('list')).stdout).toContain('torn data')
    const shown = await world.cli('show', `prod/${(await world.snapshots()).at(-1)}`)
    expect(shown.stdout, shown.stderr).toContain('torn: ')
  },
)

test.each(['wal', 'delete'] as const)(
  'a database that holds still is complete, and opens (%s)',
  async (journal) => {
    await write(journal, 'once')
    if (writer?.exitCode === null) await once(writer, 'exit')
    const pulled = await world.cli('pull', '--full')
    expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
    const copy = join(world.home, 'copies', journal)
    await mkdir(copy)
    await world.extract((await world.snapshots()).at(-1) ?? '', copy)
    const said = execFileSync('python3', [
      '-c',
      'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchone()[0])',
      join(copy, 'data/app.db'),
    ])
    expect(said.toString().trim()).toBe('ok')
  },
)
