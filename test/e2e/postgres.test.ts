import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { PASSWORD, programs, startPostgres } from '../lab/postgres.ts'
import { startWorld } from '../lab/world.ts'

const run = promisify(execFile)

test('a database of PostgreSQL by the command line: pulled, shown, printed, put beside, put back, and opened by hand', async () => {
  await using world = await startWorld()
  await using postgres = await startPostgres()
  await postgres.sql('postgres', 'create database app')
  await postgres.sql(
    'app',
    "create table users (id int primary key, name text); insert into users values (1, 'ann')",
  )
  await writeFile(join(world.home, 'secret'), PASSWORD, { mode: 0o600 })
  world.config.hosts['prod']!.sources = {
    app_db: {
      ...{ kind: 'postgres', address: `127.0.0.1:${postgres.port}`, user: 'postgres' },
      ...{ password: { file: 'secret' }, databases: ['app'], checks: ['select count(*) from users'] },
    },
  }
  await world.writeConfig()
  const before = await postgres.dumped('app')
  const pulled = await world.cli('pull')
  expect(pulled, pulled.stderr).toMatchObject({ code: 0 })
  const [id = ''] = await world.snapshots()

  expect((await world.cli('show', 'latest')).stdout).toMatch(/PostgreSQL \S+, 1 database, 1 row/)
  expect((await world.cli('ls', 'latest', 'app_db:')).stdout).toMatch(/app_db:app_db\.app\.dump/)
  const cat = await world.cli('cat', 'latest', 'app_db:app_db.globals.sql')
  expect(cat.stdout, cat.stderr).toMatch(/CREATE ROLE postgres;/)

  const schema = await world.cli('pull', '--type', 'schema')
  expect(schema.stdout + schema.stderr).toContain('only the schema was asked for')
  expect((await world.cli('list')).stdout).toMatch(
    new RegExp(`${id} .* complete .* latest\\n(.*\\n)*.*schema only`),
  )

  // As the documents say that it is done without us.
  const dump = join(world.vault, 'prod', id, 'app_db.app.dump.zst.gpg')
  const byHand = `set -e; gpg --batch --quiet -d "$1" | zstd -d -q | "$2/pg_restore" -f -`
  const { stdout } = await run('bash', ['-o', 'pipefail', '-c', byHand, 'sh', dump, programs()], {
    env: world.gpg.env,
  })
  const plain = (text: string) => text.replace(/^\\(?:un)?restrict .*$/gm, '').trimEnd()
  expect(plain(stdout)).toBe(plain(before))

  await postgres.sql('app', 'drop table users')
  const beside = await world.cli(
    'restore',
    '--host',
    'prod',
    '--source',
    'app_db',
    '--target',
    'copy',
    '--yes',
  )
  expect(beside, beside.stderr).toMatchObject({ code: 0 })
  expect(beside.stdout).toContain('it is copy, beside what is live')
  expect(await postgres.sql('copy', 'select name from users')).toBe('ann')
  const restored = await world.cli('restore', '--host', 'prod', '--yes')
  expect(restored, restored.stderr).toMatchObject({ code: 0 })
  expect(restored.stdout).toContain('select count(*) from users: 1, as when it was captured')
  expect(await postgres.dumped('app')).toBe(before)
  const log = await readFile(join(world.home, 'hosts.yaml'), 'utf8')
  for (const text of [log, pulled.stderr, beside.stderr, restored.stdout])
    expect(text).not.toContain(PASSWORD)
})
