import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { watchCli } from '../lab/cli.ts'
import { PASSWORD, program, startMariadb, type LabMariadb } from '../lab/mariadb.ts'
import { soaking, tally } from '../lab/soak.ts'
import { startWorld, type World } from '../lab/world.ts'

const run = promisify(execFile)

const SCHEMA = `
create table users (id int auto_increment primary key, name varchar(40) character set latin1 not null, payload blob);
create table old_style (n int) engine=MyISAM;
create view grown as select id, name from users where id > 1;
insert into users (name, payload) values ('änn', unhex('00ff5c27')), ('bob', null);
insert into old_style values (1);
create event tidy on schedule every 1 hour do delete from old_style where n < 0;
delimiter //
create trigger touched before insert on users for each row begin set new.name = trim(new.name); end//
create procedure fill(n int) begin insert into users (name) select concat('u', seq) from seq_1_to_100 limit n; end//
`

/** An app that writes to a database, one statement after the other, as a service of the host. It ends with its server. */
async function writingService(world: World, mariadb: LabMariadb): Promise<Record<string, unknown>> {
  const [stop, running, script] = ['stop', 'running', 'writer.sh'].map((name) => join(world.home, name))
  const client = `MYSQL_PWD="$LAB_PASSWORD" '${program('mariadb')}' --no-defaults '--socket=${mariadb.socket}' --user=root app`
  await writeFile(
    script!,
    `LAB_PASSWORD=$(cat '${join(world.home, 'secret')}'; printf x); LAB_PASSWORD=\${LAB_PASSWORD%x}
while [ ! -e '${stop}' ] && ${client} -e "insert into users (name) values ('late')"; do sleep 0.05; done
rm -f '${running}'
`,
  )
  return {
    manager: 'command',
    stop: `touch '${stop}'; while [ -e '${running}' ]; do sleep 0.05; done`,
    start: `rm -f '${stop}'; touch '${running}'; setsid sh '${script}' </dev/null >/dev/null 2>&1 &`,
    status: `test -e '${running}'`,
  }
}

/** Opens a dump with stock programs, as the documents say, into a new database. */
async function openByHand(world: World, mariadb: LabMariadb, file: string, database: string): Promise<void> {
  await mariadb.sql(`create database ${database} character set utf8mb4`)
  const client = [program('mariadb'), '--no-defaults', `--socket=${mariadb.socket}`, '--user=root', database]
  await run(
    'bash',
    [
      '-o',
      'pipefail',
      '-c',
      'file=$1; shift; gpg --batch --quiet -d "$file" | zstd -d -q | "$@"',
      'sh',
      file,
      ...client,
    ],
    { env: { ...world.gpg.env, MYSQL_PWD: PASSWORD } },
  )
}

test('a database of MariaDB by the command line: pulled, shown, opened by hand, put back under load, taken back, and discarded', async () => {
  await using world = await startWorld()
  await using mariadb = await startMariadb()
  await mariadb.sql('create database app character set utf8mb4')
  await mariadb.load(SCHEMA, 'app')
  await writeFile(join(world.home, 'secret'), PASSWORD, { mode: 0o600 })
  world.config.hosts['prod']!.sources = {
    app_db: {
      ...{ kind: 'mysql', address: `127.0.0.1:${mariadb.port}`, user: 'root' },
      ...{ password: { file: 'secret' }, databases: ['app'], users: true },
    },
  }
  const services = await writingService(world, mariadb)
  world.config.hosts['prod']!['services'] = services
  await world.writeConfig()
  const before = await mariadb.dumped('app')
  const said: string[] = []
  const cli = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await world.cli(...args)
    expect(code, stdout + stderr).toBe(0)
    said.push(stdout, stderr)
    return stdout
  }
  await cli('pull')
  const [id = ''] = await world.snapshots()

  expect(await cli('show', 'latest')).toMatch(/MariaDB \S+, 1 database, 3 rows/)
  expect(await cli('list')).toContain(id)
  await cli('verify', 'latest')
  expect(await cli('ls', 'latest', 'app_db:')).toMatch(/app_db:app_db\.app\.sql/)
  expect(await cli('cat', 'latest', 'app_db:app_db.users.sql')).toMatch(/CREATE USER IF NOT EXISTS `root`/)
  await openByHand(world, mariadb, join(world.vault, 'prod', id, 'app_db.app.sql.zst.gpg'), 'by_hand')
  expect(await mariadb.dumped('by_hand')).toBe(before)

  const rowsOf = (name: string) => mariadb.sql(`select count(*) from users where name = '${name}'`, 'app')
  await mariadb.sql('delete from users; drop view grown; drop trigger touched', 'app')
  await run('sh', ['-c', services['start'] as string])
  await cli('restore', '--host', 'prod', '--yes')
  expect(await rowsOf('änn')).toBe('1')
  await cli('rollback', '--host', 'prod', '--yes')
  await run('sh', ['-c', services['stop'] as string])
  expect(await rowsOf('änn')).toBe('0')
  expect(Number(await rowsOf('late'))).toBeGreaterThan(0)

  await cli('restore', '--host', 'prod', '--yes')
  await run('sh', ['-c', services['stop'] as string])
  await mariadb.sql("delete from users where name = 'late'", 'app')
  expect(await mariadb.dumped('app')).toBe(before)
  await cli('rollback', '--host', 'prod', '--discard', '--yes')
  expect(
    await mariadb.sql("select schema_name from information_schema.schemata where schema_name like 'app%'"),
  ).toBe('app')
  for (const text of said) expect(text).not.toContain(PASSWORD)
})

test.skipIf(!soaking)('5,000 tables, and one of 5 million rows, stay below the bound of memory', async () => {
  await using world = await startWorld()
  await using mariadb = await startMariadb()
  await mariadb.sql('create database many; create database large')
  const tables = Array.from(
    { length: 5000 },
    (_, at) => `create table t${at} (id int primary key, name text, key (name(9)));`,
  )
  await mariadb.load(`${tables.join('\n')}\ninsert into t7 values (1, 'x');`, 'many')
  await mariadb.load(
    'create table big (id int primary key, name text); insert into big select seq, md5(seq) from seq_1_to_5000000;',
    'large',
  )
  await writeFile(join(world.home, 'secret'), PASSWORD, { mode: 0o600 })
  world.config.hosts['prod']!.sources = {
    app_db: {
      ...{ kind: 'mysql', address: `127.0.0.1:${mariadb.port}`, user: 'root', password: { file: 'secret' } },
    },
  }
  await world.writeConfig()
  for (const args of [
    ['pull'],
    ['restore', '--host', 'prod', '--yes', '--no-safety'],
    ['rollback', '--host', 'prod', '--yes'],
  ]) {
    const started = Date.now()
    const { code, stdout, stderr, peak } = await watchCli(world.start(...args))
    expect(code, stdout + stderr).toBe(0)
    expect(peak).toBeLessThan(200 * 1024 ** 2)
    tally(`MB at the peak of ${args[0]}`, Math.round(peak / 1024 ** 2))
    tally(`seconds of ${args[0]}`, Math.round((Date.now() - started) / 1000))
  }
  expect((await world.cli('show', 'latest')).stdout).toContain('2 databases, 5,000,001 rows')
})
