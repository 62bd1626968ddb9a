import { execFileSync } from 'node:child_process'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { HostConfig, SourceConfig } from '../../src/model/config.ts'
import type { HostPullReport } from '../../src/model/pull-report.ts'
import { loadScript } from '../../src/remote/scripts.ts'
import type { MysqlFacts } from '../../src/sources/mysql/facts.ts'
import type { Snapshot } from '../../src/vault/contract.ts'
import { LAB_IMAGE, startDocker } from '../lab/docker.ts'
import { makeMariadbData, program, PASSWORD, startMariadb, type LabMariadb } from '../lab/mariadb.ts'
import { seenSecret } from '../lab/seen-secret.ts'
import { DatabaseLab } from './database-lab.ts'
import { RestoreHostsLab } from './restore-hosts-lab.ts'

const NAME = 'the (app) - `data` ü'

const SCHEMA = `
set sql_mode = '';
create table people (
  id int primary key auto_increment, name varchar(80) character set latin1 not null unique, tag text character set utf8mb4,
  payload longblob, born date, stamp datetime, doubled int generated always as (length(name) * 2) stored,
  kind enum('a', 'it''s;'), friend int references people (id), j json, key (born), check (length(name) > 0)) default charset utf8mb4;
create table \`odd \`\`name\`\`\\\\ ü\` (\`VALUES (\` int, \`b\`\`(\` text);
create table kept (n int, t text) engine=MyISAM;
create table fast (n int) engine=MEMORY;
create table parted (day date, n int) partition by range (year(day)) (
  partition p0 values less than (2025), partition p1 values less than maxvalue);
create table empty_one (n int);
create sequence numbers start with 7;
create view grown as select id, name from people where id > 3;
create view grown_names as select upper(name) as name from grown;
insert into people (name, tag, payload, born, stamp, kind, j)
  select concat('näme ', seq, ''''), '💾 ),(''\\\\', unhex('00275c0aff2c28'), '0000-00-00', '0000-00-00 00:00:00', 'it''s;', '{"a": "),("}'
  from seq_1_to_500;
insert into \`odd \`\`name\`\`\\\\ ü\` values (1, 'a;\\nINSERT INTO \`people\` VALUES (1);\\n-- Dump completed'), (2, null);
insert into kept values (1, 'x'), (2, 'y'), (3, 'z');
insert into fast values (1);
insert into parted values ('2024-01-01', 1), ('2026-01-01', 2);
create trigger touch before update on people for each row set new.tag = concat(new.tag, '');
create definer = somebody@'%' event tidy on schedule every 1 day do delete from empty_one;
delimiter //
create procedure fill() begin
  insert into empty_one values (1);
  select '
INSERT INTO \`people\` VALUES (1);
';
end//
create function twice(n int) returns int deterministic return n * 2//
`

let lab: RestoreHostsLab
let databaseLab: DatabaseLab
let mariadb: LabMariadb
beforeAll(async () => {
  lab = await RestoreHostsLab.start()
  databaseLab = new DatabaseLab(lab, PASSWORD)
  mariadb = await startMariadb()
  await mariadb.sql(`create database ${identifier(NAME)} character set utf8mb4 collate utf8mb4_unicode_ci`)
  await mariadb.load(SCHEMA, NAME)
})
afterAll(async () => {
  await mariadb[Symbol.asyncDispose]()
  await lab[Symbol.asyncDispose]()
})

const identifier = (name: string): string => `\`${name.replaceAll('`', '``')}\``

async function server(name: string, rest: object = {}): Promise<HostConfig> {
  const source = {
    kind: 'mysql',
    name: 'shop',
    at: { address: '127.0.0.1', port: mariadb.port },
    databases: [NAME],
    users: false,
    byContainer: false,
    user: 'root',
    password: { env: 'MYSQL' },
    ...{ capture: 'full', checks: [] },
    ...rest,
  } as SourceConfig
  const host = lab.host(name, { sources: [source] })
  await mkdir(host.deployment, { recursive: true })
  return host
}

async function failing(rest: object, password?: string): Promise<unknown> {
  const [source] = (await databaseLab.pull(await server('bad', rest), password)).sources
  expect(source).toMatchObject({ outcome: 'failed' })
  return source
}

/** The plain dump of a part, as a person gets it: this lab does not encrypt. */
function plain(snapshot: Snapshot, part: string): Buffer {
  const { file } = snapshot.manifest.sources[0]!.archives.find((archive) => archive.part === part)!
  return execFileSync('zstd', ['-dcq', lab.lab.vault.filePath(snapshot, file)], { maxBuffer: 2 ** 28 })
}

test('the server says how it does: connections, the slowest query', async () => {
  const host = await server('health')
  expect(await databaseLab.health(host)).toEqual([
    { outcome: 'ok', message: expect.stringMatching(/^\d+ connections? of \d+, no slow query$/) as string },
  ])
  expect(await databaseLab.health(host, { connections: 0, query: 0 })).toMatchObject([
    { outcome: 'warning', message: expect.stringMatching(/ has \d+ connections? of \d+$/) as string },
    { outcome: 'warning', message: expect.stringMatching(/^a query of MySQL or MariaDB/) as string },
  ])
})

test('a database comes back as its own dump tells it; its facts are what it has', async () => {
  const host = await server('round', { users: true })
  const snapshot = await databaseLab.pulled(host)
  const [source] = snapshot.manifest.sources
  expect(source!.archives.map(({ part, format }) => [part, format])).toEqual([
    [NAME, 'stream'],
    ['users', 'stream'],
  ])
  const facts = source!.facts as unknown as MysqlFacts
  expect(facts).toMatchObject({
    family: 'MariaDB',
    version: expect.stringMatching(/^10\.\d+\.\d+$/) as string,
  })
  expect(facts.databases[NAME]).toMatchObject({
    ...{ tables: 6, rows: 508, views: 2, triggers: 1, routines: 2, events: 1 },
    ...{ definers: ['root@localhost', 'somebody@%'], charset: 'utf8mb4', collation: 'utf8mb4_unicode_ci' },
  })
  await mariadb.sql('create database again character set utf8mb4 collate utf8mb4_unicode_ci')
  await mariadb.load(plain(snapshot, NAME), 'again')
  expect(await mariadb.dumped('again')).toBe(await mariadb.dumped(NAME))
  expect(plain(snapshot, 'users').toString()).toMatch(
    /^CREATE USER IF NOT EXISTS `root`@`localhost` IDENTIFIED BY .*;$[\s\S]*^GRANT ALL PRIVILEGES ON \*\.\* TO `root`@`localhost`/m,
  )
  await mariadb.load(plain(snapshot, 'users'), 'again')

  // Under another name, what it is made of and how much it is are the same.
  const again = await databaseLab.pulled(await server('again', { databases: ['again'] }))
  const found = (again.manifest.sources[0]!.facts as unknown as MysqlFacts).databases['again']
  expect(found).toEqual(facts.databases[NAME])
  await mariadb.sql('drop database again')
})

test('its password is in no argument, no environment and no file while it is dumped', async () => {
  const host = await server('quiet')
  const seen = await seenSecret(PASSWORD, async () => {
    await databaseLab.pulled(host)
  })
  expect(seen).toEqual([])
})

test('what is captured while others write is one moment: nothing that moves between accounts is lost or doubled', async () => {
  await mariadb.sql('create database bank')
  await mariadb.load(
    `create table a (id int primary key, n int); create table b (id int primary key, n int); create table old_a (n int) engine=MyISAM;
     create table moves (n int);
     insert into a select seq, 100 from seq_1_to_50; insert into b select seq, 100 from seq_1_to_50; insert into old_a values (1);
     delimiter //
     create procedure move() begin declare i int default 1; while i <= 40 do
       start transaction; update a set n = n - 1 where id = 1 + i; update b set n = n + 1 where id = 51 - i;
       insert into moves values (i); commit; set i = i + 1; end while; insert into old_a values (2); end//`,
    'bank',
  )
  const stop = new AbortController()
  const writing = (async () => {
    while (!stop.signal.aborted) await mariadb.sql('call move()', 'bank')
  })()
  let snapshot: Snapshot
  try {
    snapshot = await databaseLab.pulled(await server('busy', { databases: ['bank'] }))
  } finally {
    stop.abort()
    await writing
  }
  await mariadb.sql('create database bank_again')
  await mariadb.load(plain(snapshot, 'bank'), 'bank_again')
  expect(await mariadb.sql('select (select sum(n) from a) + (select sum(n) from b)', 'bank_again')).toBe(
    '10000',
  )
  const { rows } = (snapshot.manifest.sources[0]!.facts as unknown as MysqlFacts).databases['bank']!
  const counts = ['a', 'b', 'old_a', 'moves'].map((table) => `(select count(*) from ${table})`).join(' + ')
  expect(await mariadb.sql(`select ${counts}`, 'bank_again')).toBe(String(rows))
})

test('what can not be captured is told with what to do', async () => {
  expect(await failing({}, 'wrong')).toMatchObject({ error: { code: 'mysql-login' } })
  expect(await failing({ databases: ['nowhere'] })).toMatchObject({
    error: { code: 'mysql-database-missing' },
  })
  await mariadb.sql("create database `it's`")
  await mariadb.load('create event e on schedule every 1 day do select 1', "it's")
  expect(await failing({ databases: ["it's"] })).toMatchObject({ error: { code: 'mysql-database-name' } })
  expect(await failing({ at: { address: '127.0.0.1', port: 9 } })).toMatchObject({
    error: { code: 'mysql-down' },
  })
  await mariadb.sql(
    `create user reader@'127.0.0.1' identified by 'r'; grant select, trigger on ${identifier(NAME)}.* to reader@'127.0.0.1'`,
  )
  expect(await failing({ user: 'reader' }, 'r')).toMatchObject({
    error: {
      code: 'mysql-privilege',
      message: expect.stringMatching(/SHOW VIEW on .*EVENT on .* is missing/) as string,
    },
  })
  expect(await failing({ user: 'reader', users: true, databases: ['users'] }, 'r')).toMatchObject({
    error: { code: 'mysql-database-missing' },
  })
})

test('an account that may not lock, and sees no routines, gets a dump with warnings', async () => {
  await mariadb.sql(
    `create user few@'127.0.0.1' identified by 'f'; grant select, show view, trigger, event on ${identifier(NAME)}.* to few@'127.0.0.1'`,
  )
  const report = await databaseLab.pull(await server('few', { user: 'few' }), 'f')
  expect(report.sources).toMatchObject([
    {
      warnings: expect.arrayContaining([
        expect.objectContaining({ code: 'mysql-not-locked' }),
        expect.objectContaining({ code: 'mysql-routines-unseen' }),
      ]) as unknown,
    },
  ])
})

/** Pulls from a server on which `mariadb-dump` is this script of sh; `$REAL` is the real one. */
async function dumping(
  name: string,
  script: string,
  pulling: (host: HostConfig) => Promise<HostPullReport> = (host) => databaseLab.pull(host),
  rest: object = {},
): Promise<HostPullReport['sources'][number]> {
  const bin = join(lab.lab.path, `bin-${name}`)
  await mkdir(bin)
  const real = program('mariadb-dump')
  const text = `#!/bin/sh\nREAL=${real}\ncase "$*" in *--version*) exec $REAL "$@" ;; esac\n${script}\n`
  await writeFile(join(bin, 'mariadb-dump'), text, { mode: 0o755 })
  lab.server = { path: `${bin}:${process.env['PATH'] ?? ''}` }
  try {
    const [source] = (await pulling(await server(`dump-${name}`, { databases: ['stock'], ...rest }))).sources
    return source!
  } finally {
    lab.server = {}
  }
}

test('a dump is proven while it streams, whatever its program says', async () => {
  await mariadb.sql('create database stock')
  const make = (): Promise<void> =>
    mariadb.load(
      'create table t (n int); create table u (n int); insert into t values (1), (2), (3)',
      'stock',
    )
  await make()
  const failed = (code: string) => ({ outcome: 'failed', error: { code } })
  const broken = failed('mysql-dump-broken')
  expect(await dumping('nothing', 'exit 0')).toMatchObject(broken)
  expect(await dumping('cut', '"$REAL" "$@" | head -n -1')).toMatchObject(broken)
  expect(await dumping('other', 'echo "-- Dump completed"')).toMatchObject(broken)
  const without = 'file=$1; shift; exec "$REAL" "$file" --ignore-table=stock.u "$@"'
  expect(await dumping('without', without)).toMatchObject(broken)
  expect(await dumping('silent', '"$REAL" "$@"; exit 3')).toMatchObject(failed('mysql-failed'))
  expect(
    await dumping('warned', 'echo "Warning: old name, failed, error" >&2; exec "$REAL" "$@"'),
  ).toMatchObject({
    outcome: 'done',
  })
  // Its own client's arguments and open file are what the script has.
  const client = `${program('mariadb')} "$1" -e`
  const changed = failed('mysql-changed')
  expect(
    await dumping('emptied', `"$REAL" "$@"; ${client} 'create or replace table stock.t (n int)'`),
  ).toMatchObject(changed)
  expect(await dumping('altered', `${client} 'alter table stock.t add m int'; "$REAL" "$@"`)).toMatchObject(
    changed,
  )
  expect(await dumping('came', `"$REAL" "$@"; ${client} 'create table stock.v (n int)'`)).toMatchObject({
    outcome: 'done',
  })
  // Its own transaction is not begun then, and ours is.
  const checks = ['select count(*) from t', "select 'x' as n, 1.5 as m", 'select gone from t', 'drop table t']
  const grown = `${client} 'insert into stock.t (n) values (4)'; exec "$REAL" "$@"`
  expect(await dumping('grown', grown, undefined, { checks })).toMatchObject({
    outcome: 'done',
    warnings: [
      { code: 'check-failed', count: 2 },
      { code: 'check-unsteady', count: 1 },
    ],
  })
  const [last] = (await lab.lab.vault.snapshots('dump-grown')).slice(-1)
  const { databases } = last!.manifest.sources[0]!.facts as unknown as MysqlFacts
  expect(databases['stock']).toMatchObject({
    ...{ rows: 1, tables: 3 },
    checks: [{ unsteady: true }, { rows: 1 }, { failed: true }, { failed: true }],
  })
  expect(await dumping('gone', `${client} 'drop database stock'; exec "$REAL" "$@"`)).toMatchObject(
    failed('mysql-database-missing'),
  )
  await mariadb.sql('create database stock')
})

test('a server without its dump program, or with an older one, is told so', async () => {
  const odd = (say: string): string =>
    `#!/bin/sh\ncase "$*" in *--version*) ${say} ;; esac\nexec ${program('mariadb-dump')} "$@"\n`
  const bin = join(lab.lab.path, 'bin-odd')
  await mkdir(bin)
  const path = join(bin, 'mariadb-dump')
  lab.server = { path: `${bin}:${process.env['PATH'] ?? ''}` }
  try {
    await writeFile(path, odd('exit 127'), { mode: 0o755 })
    expect(await failing({})).toMatchObject({ error: { code: 'mysql-client-missing' } })
    await writeFile(path, odd('echo "mariadb-dump  Ver 10.19 Distrib 10.3.39-MariaDB, for x"; exit'), {
      mode: 0o755,
    })
    expect(await failing({})).toMatchObject({ error: { code: 'mysql-client-old' } })
    await writeFile(
      path,
      odd('echo "mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)"; exit'),
      {
        mode: 0o755,
      },
    )
    expect(await failing({})).toMatchObject({ error: { code: 'mysql-client-old' } })
  } finally {
    lab.server = {}
  }
})

test('one in a container is asked there, as its own environment says; one without its client is told so', async () => {
  await using engine = await startDocker()
  await using made = await makeMariadbData()
  const bin = join(lab.lab.path, 'bin-boxed')
  await mkdir(bin)
  for (const name of ['mariadbd', 'mariadb', 'mariadb-dump']) await copyFile(program(name), join(bin, name))
  await writeFile(join(made.home, 'secret'), PASSWORD)
  await writeFile(
    join(made.home, 'init.sql'),
    `alter user root@localhost identified by '${PASSWORD.replace(/[\\']/g, '\\$&')}'; create database app; create table app.t (n int); insert into app.t values (1), (2);`.replaceAll(
      '; ',
      ';\n',
    ),
  )
  // The image has none: its programs are this machine's.
  const mounts = ['/usr/lib:/usr/lib', '/usr/share:/usr/share', '/usr/lib:/lib', '/usr/lib64:/lib64']
  await engine.docker(
    ...['run', '--detach', '--name', 'db', '--user', `${made.uid}:${made.gid}`],
    ...[...mounts, `${bin}:/opt/bin`].flatMap((mount) => ['--volume', `${mount}:ro`]),
    ...['--volume', `${made.home}:/lab`, '--tmpfs', '/run/mysqld:mode=1777'],
    ...['--env', 'PATH=/bin:/opt/bin', '--env', 'MARIADB_ROOT_PASSWORD_FILE=/lab/secret'],
    ...[
      LAB_IMAGE,
      'mariadbd',
      '--no-defaults',
      '--datadir=/lab/data',
      '--tmpdir=/lab',
      '--skip-name-resolve',
    ],
    ...['--socket=/run/mysqld/mysqld.sock', '--init-file=/lab/init.sql', '--innodb-buffer-pool-size=8M'],
  )
  const sql = (text: string) =>
    engine.docker(
      ...['exec', '--env', `MYSQL_PWD=${PASSWORD}`, 'db', 'mariadb', '--no-defaults', '-N', '-B'],
      ...['-uroot', '-e', text, 'app'],
    )
  while ((await sql('select count(*) from t').catch(() => '')) !== '2') await sleep(50)
  process.env['DOCKER_HOST'] = engine.env.DOCKER_HOST
  try {
    const rest = { at: { container: 'db' }, databases: 'all', byContainer: true }
    const host = await server('boxed', { ...rest, user: undefined, password: undefined })
    const snapshot = await databaseLab.pulled(host)
    expect(snapshot.manifest.sources[0]!.facts).toMatchObject({ databases: { app: { rows: 2, tables: 1 } } })
    await sql('delete from t')
    const report = await databaseLab.restore(snapshot, host)
    expect(report, JSON.stringify(report)).toMatchObject({ outcome: 'done' })
    expect(await sql('select sum(n) from t')).toBe('3')
    const told = async (): Promise<unknown> => (await databaseLab.pull(host)).sources[0]
    await rm(join(bin, 'mariadb-dump'))
    expect(await told()).toMatchObject({
      error: { code: 'mysql-client-missing', message: expect.stringContaining('container db') as string },
    })
    await engine.docker('kill', 'db')
    expect(await told()).toMatchObject({ error: { code: 'mysql-down' } })
  } finally {
    delete process.env['DOCKER_HOST']
  }
})

const ROOT = { user: 'root', password: PASSWORD }
test.each([
  [{ MARIADB_ROOT_PASSWORD: PASSWORD, MYSQL_ROOT_PASSWORD: 'x', MYSQL_USER: 'app' }, ROOT],
  [{ MYSQL_ROOT_PASSWORD: PASSWORD, MARIADB_USER: 'app' }, ROOT],
  [{ MYSQL_ROOT_PASSWORD_FILE: 'secret', MYSQL_PASSWORD: 'x' }, ROOT],
  [
    { MARIADB_USER: 'a"b', MARIADB_PASSWORD_FILE: 'secret' },
    { user: 'a"b', password: PASSWORD },
  ],
  [
    { MYSQL_USER: 'app', MYSQL_PASSWORD: PASSWORD, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD: '' },
    { user: 'app', password: PASSWORD },
  ],
  [{ MYSQL_ALLOW_EMPTY_PASSWORD: 'yes' }, { user: 'root' }],
  [
    { MARIADB_ROOT_PASSWORD_HASH: '*1', MARIADB_USER: 'app', MARIADB_PASSWORD: PASSWORD },
    { user: 'app', password: PASSWORD },
  ],
])('who asks one in a container is whom its environment says: %j', async (said, who) => {
  const client = join(lab.lab.path, 'shows')
  await writeFile(client, '#!/bin/sh\nexec cat /dev/fd/9\n', { mode: 0o755 })
  await writeFile(join(lab.lab.path, 'secret'), PASSWORD)
  const env = { PATH: process.env['PATH'], ...said }
  const args = [
    '-c',
    await loadScript('sources/mysql/session'),
    'sh',
    '-',
    '-',
    '-',
    '-',
    'container',
    client,
  ]
  const shown = execFileSync('sh', args, { env, cwd: lab.lab.path, input: '\n', encoding: 'utf8' })
  const escaped = (text: string): string => text.replace(/[\\"]/g, '\\$&')
  const lines = Object.entries(who).map(([key, value]) => `${key}="${escaped(value)}"\n`)
  expect(shown).toBe(`[client]\n${lines.join('')}`)
})

test('who ends in the middle leaves no lock and no session on the server', async () => {
  await mariadb.load('create table old_t (n int) engine=MyISAM; insert into old_t values (1)', 'stock')
  const stop = new AbortController()
  const fifo = join(lab.lab.path, 'begun')
  execFileSync('mkfifo', [fifo])
  const begun = readFile(fifo).then(async () => {
    const held = "select count(*) from information_schema.processlist where host like '127.0.0.1%'"
    expect(Number(await mariadb.sql(held))).toBeGreaterThan(0)
    stop.abort()
  })
  const ended = dumping('killed', `: > ${fifo}; exec "$REAL" "$@"`, (host) =>
    databaseLab.pull(host, PASSWORD, stop.signal),
  )
  await Promise.allSettled([begun, ended])
  await begun
  while (
    (await mariadb.sql(
      "select count(*) from information_schema.processlist where host like '127.0.0.1%'",
    )) !== '0'
  );
  await mariadb.sql('insert into old_t values (2)', 'stock')
})

test('a server that goes in the middle of a dump makes no backup', async () => {
  await mariadb.load(
    'create table big (t longtext); insert into big select repeat("x", 100000) from seq_1_to_300',
    'stock',
  )
  const script = `{ "$REAL" "$@" || : > "$0.failed"; } | { head -c 100000; kill -9 ${mariadb.pid}; cat; }
[ ! -e "$0.failed" ] || exit 3`
  expect(await dumping('power', script)).toMatchObject({ outcome: 'failed', error: { code: 'mysql-gone' } })
})
