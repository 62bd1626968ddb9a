import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { HostConfig, SourceConfig } from '../../src/model/config.ts'
import { loadScript } from '../../src/remote/scripts.ts'
import type { MysqlFacts } from '../../src/sources/mysql/facts.ts'
import type { Snapshot } from '../../src/vault/contract.ts'
import { soaking } from '../lab/soak.ts'
import { PASSWORD, startMariadb, type LabMariadb } from '../lab/mariadb.ts'
import { DatabaseLab } from './database-lab.ts'
import { RestoreHostsLab } from './restore-hosts-lab.ts'

// No quotes: mariadb-dump 10.11 does not find such a database.
const NAME = 'the `shop`s data'
const HERE = `\`${NAME.replaceAll('`', '``')}\``

const SCHEMA = `
create table people (id int auto_increment primary key, name varchar(80) not null unique, payload blob,
  doubled int as (length(name) * 2) stored, mood enum('fine', 'it''s bad'), friend int,
  constraint friends foreign key (friend) references people (id)) engine=InnoDB;
create table \`odd "table\` (\`a column\` text, at datetime) engine=MyISAM charset latin1;
create table letters (id int primary key, person int, constraint whose foreign key (person) references people (id));
create table parted (day date not null) partition by range columns (day)
  (partition a values less than ('2025-06-01'), partition b values less than maxvalue);
create sequence numbers start with 7;
create view grown as select id, name from people where id > 3;
create view grown_names as select upper(name) as name from grown;
create function twice(n int) returns int deterministic return n * 2;
create event tidy on schedule every 1 hour comment 'x' do delete from letters where id < 0;
create event theirs on schedule every 1 hour disable on slave comment 'it''s ENABLE ' do delete from letters where id < 0;
create event theirs_too on schedule every 1 hour on completion preserve disable on slave do delete from letters where id < 0;
create event resting on schedule every 1 hour on completion preserve disable comment 'x' do select 1;
create event once on schedule at '2038-01-01' do select 1;
delimiter //
create procedure fill(n int) begin declare i int default 0; while i < n do
  insert into people (name, payload) values (concat('name ', i), unhex('00ff5c27')); set i = i + 1; end while; end//
create trigger touched before insert on people for each row begin set new.mood = 'fine'; end//
delimiter ;
call fill(20);
insert into letters select id, id from people;
insert into \`odd "table\` values ('tab\\t, new\\nline, \\\\ and ü', '0000-00-00');
insert into parted values ('2025-01-01'), ('2026-01-01');
`

const SMALL = `
create table a (id int primary key);
create table b (id int primary key, a int, constraint whose foreign key (a) references a (id));
create trigger touched before insert on a for each row set new.id = new.id + 1;
create view both_of as select a.id, b.a from a join b on b.a = a.id;
create event tidy on schedule every 1 hour do delete from b;
insert into a values (1), (5); insert into b values (1, 2);
`

let lab: RestoreHostsLab
let databaseLab: DatabaseLab
let mariadb: LabMariadb
beforeAll(async () => {
  lab = await RestoreHostsLab.start()
  databaseLab = new DatabaseLab(lab, PASSWORD)
  mariadb = await startMariadb()
  await mariadb.sql(`create database ${HERE} character set utf8mb4 collate utf8mb4_unicode_ci`)
  await mariadb.load(`set sql_mode = '';${SCHEMA}`, NAME)
})
afterAll(async () => {
  await mariadb[Symbol.asyncDispose]()
  await lab[Symbol.asyncDispose]()
})

async function server(name: string, rest: object = {}): Promise<HostConfig> {
  const source = {
    kind: 'mysql',
    name: 'shop',
    at: { address: '127.0.0.1', port: mariadb.port },
    databases: [NAME],
    users: false,
    byContainer: false,
    user: 'root',
    password: { env: 'MARIADB' },
    checks: [],
    capture: 'full',
    ...rest,
  } as unknown as SourceConfig
  const host = lab.host(name, { sources: [source] })
  await mkdir(host.deployment, { recursive: true })
  return host
}

const databases = async (): Promise<string[]> =>
  (
    await mariadb.sql(
      "select schema_name from information_schema.schemata where schema_name not in ('mysql', 'information_schema', 'performance_schema', 'sys') order by 1",
    )
  ).split('\n')

test('a database comes back as its own mariadb-dump tells it, and goes back by a rollback', async () => {
  const host = await server('round')
  const before = await mariadb.dumped(NAME)
  const snapshot = await databaseLab.pulled(host)
  await mariadb.sql('delete from letters; drop view grown_names; drop trigger touched', NAME)
  const damaged = await mariadb.dumped(NAME)

  await databaseLab.restore(snapshot, host)
  expect(await mariadb.dumped(NAME)).toBe(before)
  const there = await databases()
  expect(there).toEqual([NAME, expect.stringContaining('_old_')])
  // The old one's events would run against it.
  expect(
    await mariadb.sql(
      'select event_schema, group_concat(distinct status order by 1) from information_schema.events group by 1 order by 1',
    ),
  ).toBe(`${NAME}\tDISABLED,ENABLED,SLAVESIDE_DISABLED\n${there[1]}\tDISABLED,SLAVESIDE_DISABLED`)

  await databaseLab.rollBack(host)
  expect(await mariadb.dumped(NAME)).toBe(damaged)

  await databaseLab.restore(snapshot, host)
  await databaseLab.rollBack(host, { discard: true })
  expect(await mariadb.dumped(NAME)).toBe(before)
  expect((await databases()).filter((name) => name.includes('_old_'))).toEqual([])
})

test('what the server lacks is named before anything is loaded', async () => {
  const host = await server('lacks')
  await mariadb.sql('create user gone@localhost; grant all on *.* to gone@localhost')
  await mariadb.sql('create definer = gone@localhost view theirs as select 1 as n', NAME)
  const snapshot = await databaseLab.pulled(host)
  await mariadb.sql('drop user gone@localhost')
  const there = await databases()
  await expect(databaseLab.restore(snapshot, host)).rejects.toThrow('gone@localhost')
  expect(await databases()).toEqual(there)
  await mariadb.sql('drop view theirs', NAME)
})

test('what has passed since, what is missing, and what can not be set aside', async () => {
  await mariadb.sql("create database corners; create user left_out@localhost identified by 'x'")
  const end = await mariadb.sql('select now() + interval 2 second')
  await mariadb.sql(
    `create table t (n int); create event once on schedule at '${end}' do select 1`,
    'corners',
  )
  const host = await server('corners', { databases: ['corners'], users: true })
  const snapshot = await databaseLab.pulled(host)
  expect(JSON.stringify(snapshot.manifest)).toContain('left_out@localhost')
  await mariadb.sql('drop user left_out@localhost')
  while ((await mariadb.sql(`select now() > '${end}'`)) !== '1');
  const report = await databaseLab.restore(snapshot, host)
  expect(report, JSON.stringify(report)).toMatchObject({
    outcome: 'done',
    plan: {
      findings: [
        {
          check: 'mysql-account-missing',
          message: expect.stringContaining('left_out@localhost') as string,
          next: expect.stringContaining('relay-backup cat SNAPSHOT shop:shop.users.sql') as string,
        },
      ],
    },
  })
  await databaseLab.rollBack(host, { discard: true })

  for (const [kind, name] of [
    ['view', 'a\nb'],
    ['event', 'c\td'],
  ]) {
    await mariadb.sql(
      `create ${kind} \`${name}\` ${kind === 'view' ? 'as' : 'on schedule every 1 day do'} select 1 as n`,
      'corners',
    )
    expect((await databaseLab.pull(host)).sources).toMatchObject([{ error: { code: 'mysql-name' } }])
    await expect(databaseLab.restore(snapshot, host)).rejects.toMatchObject({ code: 'preflight-mysql-name' })
    await mariadb.sql(`drop ${kind} \`${name}\``, 'corners')
  }
  await mariadb.sql('drop database corners')
})

test('one goes beside the live one, is asked what it was asked before, and its events do not run', async () => {
  await mariadb.sql('create database `live one`')
  await mariadb.load(SMALL, 'live one')
  const checks = ['select count(*) as n, sum(id) from a;']
  const host = await server('beside', { databases: ['live one'], checks })
  const snapshot = await databaseLab.pulled(host)
  const before = await mariadb.dumped('live one')
  const report = await databaseLab.restore(snapshot, host, { target: 'copy' })
  expect(report, JSON.stringify(report)).toMatchObject({ outcome: 'done', plan: { beside: 'copy' } })
  expect(JSON.stringify(report)).toContain('2|8, as when it was captured')
  const status = 'select group_concat(status) from information_schema.events where event_schema = '
  expect(await mariadb.sql(`${status}'copy'`)).toBe('SLAVESIDE_DISABLED')
  expect(await mariadb.dumped('live one')).toBe(before)
  await expect(databaseLab.restore(snapshot, host, { target: 'copy' })).rejects.toMatchObject({
    code: 'preflight-target-taken',
  })
  await databaseLab.rollBack(host, { restore: report.plan.id })
  expect(await databases()).not.toContain('copy')

  const source = snapshot.manifest.sources[0]!
  const facts = source.facts as unknown as MysqlFacts
  const told = { ...facts.databases['live one']!, checks: [{ query: checks[0]!, says: '1|3' }] }
  const lying = { ...source, facts: { ...facts, databases: { 'live one': told } } }
  const other = { ...snapshot, manifest: { ...snapshot.manifest, sources: [lying] } }
  await expect(databaseLab.restore(other, host, { target: 'copy' })).rejects.toThrow(
    /says 2\|8, and said 1\|3/,
  )
  expect(await databases()).not.toContain('copy')
})

test('a schema or data alone is captured without the other, and a schema can be put beside', async () => {
  await mariadb.sql('create database shaped')
  await mariadb.load(SMALL, 'shaped')
  const host = await server('shaped', { databases: ['shaped'], checks: ['select count(*) from a'] })
  const plain = (snapshot: Snapshot): string => {
    const { file } = snapshot.manifest.sources[0]!.archives[0]!
    return execFileSync('zstd', ['-dcq', lab.lab.vault.filePath(snapshot, file)], { encoding: 'utf8' })
  }
  const pulled = (capture: string): Promise<Snapshot> =>
    databaseLab.pulled({ ...host, sources: [{ ...host.sources[0]!, capture } as SourceConfig] })
  const [schema, data] = [await pulled('schema'), await pulled('data')]
  expect(schema.manifest.sources[0]!.archives).toMatchObject([{ content: 'schema' }])
  expect(plain(schema)).not.toContain('INSERT INTO')
  expect(schema.manifest.sources[0]!.facts).toMatchObject({ databases: { shaped: { rows: 0, tables: 2 } } })
  expect(plain(data)).not.toContain('CREATE')
  expect(data.manifest.sources[0]!.facts).toMatchObject({ databases: { shaped: { rows: 3, tables: 2 } } })
  await mariadb.sql(
    'set foreign_key_checks = 0; drop trigger touched; delete from b; delete from a',
    'shaped',
  )
  await mariadb.load(plain(data), 'shaped')
  expect(await mariadb.sql('select * from both_of', 'shaped')).toBe('2\t2')
  const report = await databaseLab.restore(schema, host, { target: 'shape' })
  expect(report, JSON.stringify(report)).toMatchObject({ outcome: 'done' })
  expect(await mariadb.sql('select count(*) from a', 'shape')).toBe('0')
  await mariadb.sql('drop database shape; drop database shaped; drop database `live one`')
})

/** The loader as the script on the server calls it; `first` is shell that runs before each of its calls to the server. */
async function loader(first = '', dumper = 'mariadb-dump') {
  const plain = await loadScript('sources/mysql/loader')
  const script = plain.replace(/^loader_sql\(\) \{$/m, (line) => `${line}\n${first}`)
  const options = ['--default-character-set=utf8mb4']
  const places = ['-', mariadb.socket, '-', 'root', '-', '-', 'mariadb', dumper, ...options]
  return (...args: readonly string[]) =>
    spawnSync('sh', ['-c', script, 'loader', ...args, ...places], {
      input: `${PASSWORD}\n`,
      encoding: 'utf8',
      env: { ...process.env, LAB_PASSWORD: PASSWORD },
    })
}

async function exists(name: string): Promise<boolean> {
  const { status, stdout } = (await loader())('exists', name, '-')
  expect(status, stdout).toBeOneOf([0, 1])
  return status === 0
}

/** Renames it there and back, and says how many calls to the server one way takes. */
async function callsOf(from: string, to: string, counted: string): Promise<number> {
  await writeFile(counted, '')
  const counting = await loader(`printf x >>'${counted}'`)
  expect(counting('rename', from, to).status).toBe(0)
  const calls = (await readFile(counted)).length
  expect(counting('rename', to, from).status).toBe(0)
  return calls
}

test('a rename that died before any of its statements is ended or taken back by whoever looks next', async () => {
  const [from, to] = ['here', 'here_old_20260101T000000Z']
  await mariadb.sql(`create database ${from}`)
  await mariadb.load(SMALL, from)
  const before = await mariadb.dumped(from)
  const counted = join(dirname(mariadb.socket), 'statements')
  const all = await callsOf(from, to, counted)
  const outcomes = new Set<string>()
  // The mark is made, nothing else; all tables are moved; all is made anew, and the old one is to be dropped.
  for (const limit of soaking ? Array.from({ length: all - 1 }, (_, at) => at + 1) : [5, 6, all - 3]) {
    await writeFile(counted, '')
    const dying = await loader(
      `printf x >>'${counted}'; [ "$(wc -c <'${counted}')" -le ${limit} ] || { kill -9 $$; exit; }`,
    )
    expect(dying('rename', from, to).signal).toBe('SIGKILL')
    const is = [await exists(from), await exists(to)]
    outcomes.add(is.join())
    expect(is).toContain(true)
    expect(is).toContain(false)
    if (is[1] === true) expect((await loader())('rename', to, from).status).toBe(0)
    expect(await mariadb.dumped(from), `killed before statement ${limit + 1}`).toBe(before)
  }
  expect([...outcomes]).toEqual(['true,false', 'false,true'])
  expect((await loader())('drop', from, '-').status).toBe(0)
  expect(await exists(from)).toBe(false)
})

test('a table that somebody makes while its database is renamed moves along', async () => {
  const [from, to] = ['busy', 'busy_old_20260101T000000Z']
  await mariadb.sql(`create database ${from}`)
  await mariadb.load('create table a (id int)', from)
  const counted = join(dirname(mariadb.socket), 'calls')
  const all = await callsOf(from, to, counted)
  // From the call after the move of the tables to the drop of what is left.
  for (const at of soaking ? Array.from({ length: all - 7 }, (_, late) => late + 7) : [8, all - 2]) {
    await writeFile(counted, '')
    const busy = await loader(
      `printf x >>'${counted}'; [ "$(wc -c <'${counted}')" -ne ${at} ] || MYSQL_PWD="$LAB_PASSWORD" mariadb --no-defaults --socket='${mariadb.socket}' --user=root --execute='create table ${from}.late as select 7 as n' || touch '${counted}.failed'`,
    )
    const { status, stdout } = busy('rename', from, to)
    expect(status, stdout).toBe(0)
    await expect(readFile(`${counted}.failed`)).rejects.toThrow('ENOENT')
    expect(await mariadb.sql('select n from late', to), `made before call ${at}`).toBe('7')
    expect(await exists(from)).toBe(false)
    await mariadb.sql(`drop table ${to}.late`)
    expect((await loader())('rename', to, from).status).toBe(0)
  }
  expect((await loader())('drop', from, '-').status).toBe(0)
})

test('a dump program that warns, or breaks off, leaves nothing half renamed', async () => {
  const [from, to] = ['warned', 'warned_old_20260101T000000Z']
  await mariadb.sql(`create database ${from}`)
  await mariadb.load(SMALL, from)
  const before = await mariadb.dumped(from)
  const dumps = join(dirname(mariadb.socket), 'dumps')
  const rename = async (program: string, ...args: readonly string[]) => {
    await writeFile(dumps, `#!/bin/sh\n${program}\n`, { mode: 0o755 })
    return (await loader('', dumps))('rename', ...args)
  }
  for (const [one, other] of [
    [from, to],
    [to, from],
  ] as const) {
    const { status, stdout } = await rename(
      'echo deprecated >&2; mariadb-dump "$@"; echo late >&2',
      one,
      other,
    )
    expect(status, stdout).toBe(0)
  }
  expect(await mariadb.dumped(from)).toBe(before)
  for (const program of [
    'mariadb-dump "$@"; exit 3',
    'mariadb-dump "$@" | head -n 20',
    'echo no >&2; exit 1',
  ]) {
    expect((await rename(program, from, to)).status, program).toBe(2)
    expect([await exists(from), await exists(to)]).toEqual([true, false])
    expect(await mariadb.dumped(from), program).toBe(before)
  }
  expect((await loader())('drop', from, '-').status).toBe(0)
})
