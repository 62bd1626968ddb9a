import { execFileSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { runCli, startCli, type CliResult } from '../lab/cli.ts'
import { scriptsEnded } from '../lab/command-services.ts'
import { cutAt } from '../lab/cuts.ts'
import { startGpg } from '../lab/gpg.ts'
import { PASSWORD, startPostgres, type LabPostgres } from '../lab/postgres.ts'
import { startSshd, type Sshd } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'

/** A server with a PostgreSQL of its own, and an app that writes to it. */
interface Server {
  readonly folder: string
  readonly deployment: string
  readonly sshd: Sshd
  readonly postgres: LabPostgres
  /** The last row that the app was told is there; 0 before it has run. */
  acknowledged(): Promise<number>
  serves(): Promise<boolean>
}

const stack = new AsyncDisposableStack()
let home: string
let old: Server
let fresh: Server
beforeAll(async () => {
  const temp = stack.use(await tempDir('relay-migrate-database-'))
  home = join(temp.path, 'workstation')
  await mkdir(home)
  const gpg = stack.use(await startGpg(home))
  ;[old, fresh] = (await Promise.all(['old', 'new'].map((name) => startServer(join(temp.path, name))))) as [
    Server,
    Server,
  ]
  await writeFile(join(home, 'secret'), PASSWORD, { mode: 0o600 })
  await old.postgres.sql('postgres', 'create database app')
  await old.postgres.sql('app', 'create table writes (n bigint generated always as identity primary key)')
  await writeFile(join(old.deployment, 'app.conf'), 'old=yes\n')
  const hosts = Object.fromEntries(
    Object.entries({ old, new: fresh }).map(([name, { deployment, sshd, postgres }]) => [
      name,
      {
        ssh: sshOf(sshd),
        deployment,
        services: { manager: 'systemd', stop: ['app'] },
        sources: {
          config: { kind: 'files', path: 'app.conf' },
          app_db: {
            ...{ kind: 'postgres', address: `127.0.0.1:${postgres.port}`, user: 'postgres' },
            ...{ password: { file: 'secret' }, databases: ['app'] },
          },
        },
      },
    ]),
  )
  const encryption = { recipients: [gpg.publicKey], identity: gpg.privateKey }
  await writeFile(
    join(home, 'hosts.yaml'),
    stringify({ version: 1, vault: 'vault', encryption, retention: { last: 3 }, hosts }),
  )
  await systemctl(old, 'start')
})
afterAll(() => stack.disposeAsync())

function sshOf(sshd: Sshd): Record<string, unknown> {
  const { host, port, user, identityFile, knownHosts } = sshd.sshConfig()
  return { host, port, user, identityFile, knownHosts, agent: false }
}

async function startServer(folder: string): Promise<Server> {
  const deployment = join(folder, 'app')
  await mkdir(deployment, { recursive: true })
  await mkdir(join(folder, 'bin'))
  const sshd = stack.use(await startSshd({ path: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}` }))
  const postgres = stack.use(await startPostgres())
  await writeFile(join(folder, 'pass'), `*:*:*:*:${PASSWORD.replace(/[\\:]/g, '\\$&')}\n`, { mode: 0o600 })
  // systemd, with one unit: it writes row after row, and what it was told goes to a file.
  await writeFile(
    join(folder, 'bin/systemctl'),
    `#!/bin/sh
cd ${folder}
alive() { grep -q '^State:.[^ZX]' "/proc/$1/status" 2>/dev/null; }
runs() { [ -e pid ] && alive "$(cat pid)"; }
case $1 in
  is-active) if runs; then echo active; else echo inactive; exit 3; fi ;;
  show) echo NRestarts=0 ;;
  start)
    runs || {
      : >pid
      (
        while [ -e pid ]; do
          echo "insert into writes default values returning n;"
          sleep 0.01
        done | PGPASSFILE=${folder}/pass psql -X -q -A -t -h 127.0.0.1 -p ${postgres.port} -U postgres app >>acknowledged
      ) </dev/null >/dev/null 2>>errors &
      echo $! >pid
    } ;;
  stop)
    if runs; then
      old=$(cat pid)
      rm -f pid
      while alive "$old"; do sleep 0.05; done
    fi
    rm -f pid ;;
esac
`,
    { mode: 0o755 },
  )
  const server: Server = {
    ...{ folder, deployment, sshd, postgres },
    acknowledged: async () =>
      Number(
        (await readFile(join(folder, 'acknowledged'), 'utf8').catch(() => '0')).trimEnd().split('\n').at(-1),
      ),
    serves: () =>
      readFile(join(folder, 'pid')).then(
        () => true,
        () => false,
      ),
  }
  stack.defer(() => systemctl(server, 'stop'))
  return server
}

async function systemctl({ folder }: Server, verb: 'start' | 'stop'): Promise<void> {
  execFileSync(join(folder, 'bin/systemctl'), [verb, '--', 'app'], { stdio: 'ignore' })
}

const cli = (...args: readonly string[]): Promise<CliResult> => runCli(args, { cwd: home })
const databases = ({ postgres }: Server): Promise<string> =>
  postgres.sql('postgres', "select datname from pg_database where datname like 'app%' order by 1")
const rows = async ({ postgres }: Server): Promise<number> =>
  Number(await postgres.sql('app', 'select coalesce(max(n), 0) from writes'))

async function written(server: Server, more: number): Promise<void> {
  const before = await server.acknowledged()
  while ((await server.acknowledged()) < before + more)
    await new Promise((resolve) => setTimeout(resolve, 20))
}

test('a database moves to another PostgreSQL under writes: all that was acknowledged is there; a rollback moves it back', async () => {
  await written(old, 20)
  const planned = await cli('migrate', 'old', 'new', '--cutover', '--dry-run')
  expect(planned.stdout, planned.stderr).toMatch(/PostgreSQL of app_db: \d+\S* on old, \d+\S* on new/)
  expect(planned.stdout).toContain('app_db is dumped')

  const killed = startCli(['migrate', 'old', 'new', '--cutover', '--yes', '--json'], { cwd: home })
  const at = 'host-step new loading app of app_db beside what is there'
  const isCut = await cutAt(killed, at, () => killed.child.kill('SIGKILL'))
  const { stdout, stderr } = await killed.result
  expect(isCut, stdout + stderr).toBe(true)
  await Promise.all([scriptsEnded(old.deployment), scriptsEnded(fresh.deployment)])
  expect([await old.serves(), await fresh.serves()]).toEqual([true, false])
  const settled = await cli('rollback', '--host', 'new', '--yes')
  expect(settled.code, settled.stdout + settled.stderr).toBe(0)
  expect(await databases(fresh)).toBe('')

  await written(old, 20)
  const moved = await cli('migrate', 'old', 'new', '--cutover', '--yes')
  expect(moved.code, moved.stdout + moved.stderr).toBe(0)
  expect([await old.serves(), await fresh.serves()]).toEqual([false, true])
  const last = await old.acknowledged()
  expect(last).toBeGreaterThan(40)
  expect(await rows(old)).toBe(last)
  await written(fresh, 5)
  // It goes on behind the last one: sequences have moved, too.
  expect(await fresh.acknowledged()).toBeGreaterThan(last)
  expect(Number(await fresh.postgres.sql('app', `select count(*) from writes where n <= ${last}`))).toBe(last)

  const back = await cli('rollback', '--host', 'new', '--yes')
  expect(back.code, back.stdout + back.stderr).toBe(0)
  expect([await old.serves(), await fresh.serves()]).toEqual([true, false])
  expect(await databases(fresh)).toMatch(/^app_failed_\d{8}T\d{6}Z$/)
  await written(old, 5)
  for (const { stdout, stderr } of [planned, moved, back]) expect(stdout + stderr).not.toContain(PASSWORD)
})
