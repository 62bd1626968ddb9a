import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { HostConfig, SourceConfig } from '../../src/model/config.ts'
import { pullHost } from '../../src/pull/pull-host.ts'
import { renderRestoreReport } from '../../src/report/restore-summary.ts'
import { restoresThatStand } from '../../src/runs/restores-that-stand.ts'
import { completePulls, type Snapshot } from '../../src/vault/contract.ts'
import { LAB_IMAGE, startDocker } from '../lab/docker.ts'
import { makePostgresData, PASSWORD, programs, startPostgres, type LabPostgres } from '../lab/postgres.ts'
import { seenSecret } from '../lab/seen-secret.ts'
import { signal } from './incremental-lab.ts'
import { DatabaseLab } from './database-lab.ts'
import { RestoreHostsLab } from './restore-hosts-lab.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

const NAME = `the "app's" data`

const SCHEMA = `
create extension hstore;
create extension pgcrypto schema public;
create schema "a schema";
create type mood as enum ('fine', 'so so', 'it''s bad');
create domain positive as int check (value > 0);
create role app_owner;
create table people (
  id bigint generated always as identity primary key, name varchar(80) not null unique, mood mood default 'fine',
  age positive, tags hstore, payload bytea, doubled int generated always as (length(name) * 2) stored,
  kind text check (kind in ('a', 'b')), friend bigint references people deferrable initially deferred);
create table "a schema"."odd ""table" ("a column" text collate "C", at timestamptz default now());
create table parted (day date not null, n numeric(12, 3)) partition by range (day);
create table parted_2025 partition of parted for values from ('2025-01-01') to ('2026-01-01');
create table parted_rest partition of parted default;
create view grown as select id, name from people where age > 18;
create view grown_names as select upper(name) as name from grown;
create materialized view moods as select mood, count(*) from people group by mood;
create function twice(n int) returns int language sql immutable as 'select n * 2';
create function touched() returns trigger language plpgsql as 'begin new.name := new.name || ''''; return new; end';
create trigger touch before update on people for each row execute function touched();
create index on people using gin (tags);
alter table people enable row level security;
create policy own on people for select to app_owner using (name <> 'x');
grant select on people to app_owner;
alter table parted owner to app_owner;
insert into people (name, age, tags, payload, kind)
  select 'name ' || n, n, hstore('k', n::text), decode(md5(n::text), 'hex'), 'a' from generate_series(1, 500) n;
update people set friend = id;
insert into "a schema"."odd ""table" values (E'tab\\t, new\\nline, \\\\ and ü');
insert into parted select '2025-06-01'::date + n * 10, n from generate_series(1, 60) n;
refresh materialized view moods;
select lo_from_bytea(0, 'a large object');
create publication changes for table people;
create materialized view empty_view as select 1 as n with no data;
create function odd() returns text language sql as 'select ''a b''';
select setval('people_id_seq', 4711);
`

let lab: RestoreHostsLab
let databaseLab: DatabaseLab
let postgres: LabPostgres
beforeAll(async () => {
  lab = await RestoreHostsLab.start()
  databaseLab = new DatabaseLab(lab, PASSWORD)
  postgres = await startPostgres()
  await postgres.sql('postgres', `create database ${identifier(NAME)}`)
  await postgres.sql('postgres', `alter database ${identifier(NAME)} set work_mem = '7MB'`)
  await postgres.sql(
    'postgres',
    `alter database ${identifier(NAME)} set temp_tablespaces = pg_default, "pg_default"`,
  )
  await postgres.sql('postgres', `revoke connect on database ${identifier(NAME)} from public`)
  await postgres.sql(NAME, SCHEMA)
  await postgres.sql(NAME, `alter role app_owner in database ${identifier(NAME)} set search_path = ''`)
})
afterAll(async () => {
  await postgres[Symbol.asyncDispose]()
  await lab[Symbol.asyncDispose]()
})

const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

async function server(name: string, rest: object = {}): Promise<HostConfig> {
  const source = {
    kind: 'postgres',
    name: 'app_db',
    at: { address: '127.0.0.1', port: postgres.port },
    databases: [NAME],
    byContainer: false,
    user: 'postgres',
    password: { env: 'POSTGRES' },
    checks: [],
    capture: 'full',
    ...rest,
  } as SourceConfig
  const host = lab.host(name, { sources: [source] })
  await mkdir(host.deployment, { recursive: true })
  return host
}

const databases = async (): Promise<string[]> =>
  (
    await postgres.sql('postgres', 'select datname from pg_database where not datistemplate order by 1')
  ).split('\n')

test('the server says how it does: connections, the slowest query', async () => {
  const host = await server('health')
  expect(await databaseLab.health(host)).toEqual([
    { outcome: 'ok', message: expect.stringMatching(/^\d+ connections? of \d+, no slow query$/) as string },
  ])
  expect(await databaseLab.health(host, { connections: 0, query: 0 })).toMatchObject([
    { outcome: 'warning', message: expect.stringMatching(/of \d+$/) as string },
    { outcome: 'warning', message: expect.stringContaining('a query of PostgreSQL') as string },
  ])
})

test('a database comes back as its own pg_dump tells it, and goes back by a rollback', async () => {
  const host = await server('round')
  const before = await postgres.dumped(NAME, '--create')
  const snapshot = await databaseLab.pulled(host)
  const [source] = snapshot.manifest.sources
  expect(source!.archives.map(({ part, format }) => [part, format])).toEqual([
    [NAME, 'stream'],
    ['globals', 'stream'],
  ])
  expect(source!.facts).toMatchObject({
    databases: { [NAME]: { owner: 'postgres', locale: { encoding: 'UTF8' } } },
  })

  await postgres.sql(NAME, 'delete from people; drop table parted; create table since (n int)')
  const changed = await postgres.dumped(NAME, '--create')
  const report = await databaseLab.restore(snapshot, host)
  expect(report, JSON.stringify(report)).toMatchObject({ outcome: 'done' })
  expect(await postgres.dumped(NAME, '--create')).toBe(before)

  const { id } = report.plan
  expect(await databaseLab.rollBack(host, { restore: id })).toMatchObject({ did: 'undo' })
  expect(await postgres.dumped(NAME, '--create')).toBe(changed)
  await databaseLab.rollBack(host, { discard: true, restore: id })
  expect(await databases()).toEqual([NAME, 'postgres'].sort())

  const again = await databaseLab.restore(snapshot, host)
  expect(again).toMatchObject({ outcome: 'done' })
  expect(await postgres.dumped(NAME, '--create')).toBe(before)
  await databaseLab.rollBack(host, { discard: true, restore: again.plan.id })
  expect(await databases()).toEqual([NAME, 'postgres'].sort())
})

test('its password is in no argument, no environment and no file while it is dumped and loaded', async () => {
  const host = await server('quiet')
  const seen = await seenSecret(PASSWORD, async () => {
    const snapshot = await databaseLab.pulled(host)
    const report = await databaseLab.restore(snapshot, host)
    expect(report).toMatchObject({ outcome: 'done' })
    await databaseLab.rollBack(host, { discard: true, restore: report.plan.id })
  })
  expect(seen).toEqual([])
})

test('what is captured while others write is one moment: nothing that moves between accounts is lost or doubled', async () => {
  await postgres.sql('postgres', 'create database bank')
  await postgres.sql(
    'bank',
    'create table a (id int primary key, n int); create table b (id int primary key, n int); create table moves (n int);' +
      'insert into a select g, 100 from generate_series(1, 50) g; insert into b select g, 100 from generate_series(1, 50) g',
  )
  const stop = new AbortController()
  const writing = (async () => {
    const move = `do $$ begin for i in 1..40 loop
      update a set n = n - 1 where id = 1 + i; update b set n = n + 1 where id = 51 - i; insert into moves values (i); commit; end loop; end $$`
    while (!stop.signal.aborted) await postgres.sql('bank', move)
  })()
  try {
    const host = await server('busy', { databases: ['bank'] })
    const snapshot = await databaseLab.pulled(host)
    stop.abort()
    await writing
    const report = await databaseLab.restore(snapshot, host)
    expect(report, JSON.stringify(report)).toMatchObject({ outcome: 'done' })
    const sum = 'select (select sum(n) from a) + (select sum(n) from b)'
    expect(await postgres.sql('bank', sum)).toBe('10000')
  } finally {
    stop.abort()
    await writing.catch(() => {})
  }
})

test('what the user asks of a database is recorded in the moment of its dump, and refuses one that says otherwise', async () => {
  await postgres.sql('postgres', 'create database asked')
  await postgres.sql('asked', "create table users (name text); insert into users values ('ann'), ('bob')")
  const checks = [
    'select count(*), max(length(name)) from users;',
    "select name from users where name ~ '\\w' -- all",
    'x',
  ]
  const host = await server('asked', { databases: ['asked'], checks })
  const snapshot = await databaseLab.pulled(host)
  const [only] = snapshot.manifest.sources
  expect(only!.warnings).toEqual([{ code: 'check-failed', count: 1 }])
  expect(only!.facts).toMatchObject({
    databases: {
      asked: {
        checks: [
          { query: checks[0], says: '2|3' },
          { query: checks[1], rows: 2, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
          { query: 'x', failed: true },
        ],
      },
    },
  })
  expect(JSON.stringify(snapshot.manifest)).not.toContain('ann')

  // What it says by now is not what it said: the data is not what was captured, or the check is at fault.
  await postgres.sql('asked', 'create table kept (n int)')
  const facts = only!.facts as unknown as { databases: Record<string, object> }
  const lying = { asked: { ...facts.databases['asked'], checks: [{ query: checks[0], says: '3|3' }] } }
  const wrong = { ...only!, facts: { ...only!.facts, databases: lying } }
  await expect(
    databaseLab.restore({ ...snapshot, manifest: { ...snapshot.manifest, sources: [wrong] } }, host),
  ).rejects.toMatchObject({ code: 'check-differs', message: expect.stringContaining('says 2|3') as string })
  expect(await postgres.sql('asked', '\\dt')).toContain('kept')
  expect((await databases()).filter((name) => name.startsWith('asked'))).toEqual(['asked'])

  const report = await databaseLab.restore(snapshot, host)
  expect(report).toMatchObject({ outcome: 'done' })
  expect(renderRestoreReport(report, { color: false })).toContain(
    `${checks[0]}: 2|3, as when it was captured`,
  )
  await databaseLab.rollBack(host, { discard: true, restore: report.plan.id })
})

test('a database goes beside the live one under a name of its own, and touches nothing else', async () => {
  await postgres.sql('postgres', 'create database live')
  await postgres.sql('postgres', 'revoke connect on database live from public')
  await postgres.sql('live', 'create table t (n int); insert into t values (1), (2)')
  const stopped = join(lab.lab.path, 'stopped')
  const services = { manager: 'command', stop: `touch ${stopped}`, start: 'true' } as const
  const host = {
    ...(await server('beside', { databases: ['live'], checks: ['select sum(n) from t'] })),
    services,
  }
  const snapshot = await databaseLab.pulled(host)
  await postgres.sql('live', 'insert into t values (3)')
  const target = 'a "copy" of it'
  const report = await databaseLab.restore(snapshot, host, { target })
  expect(report, JSON.stringify(report)).toMatchObject({
    outcome: 'done',
    plan: { beside: target, safety: false },
  })
  expect(report.safetySnapshot).toBeUndefined()
  expect(existsSync(stopped)).toBe(false)
  expect(await postgres.sql(target, 'select sum(n) from t')).toBe('3')
  expect(await postgres.sql('live', 'select sum(n) from t')).toBe('6')
  const grants = (name: string) =>
    postgres.sql(
      'postgres',
      `select array(select unnest(datacl)::text order by 1) from pg_database where datname = '${name}'`,
    )
  expect(await grants(target)).toBe(await grants('live'))
  expect(restoresThatStand(await lab.lab.vault.runs('beside'))).toEqual([])

  await expect(databaseLab.restore(snapshot, host, { target })).rejects.toMatchObject({
    code: 'preflight-target-taken',
  })
  await databaseLab.rollBack(host, { restore: report.plan.id })
  await databaseLab.rollBack(host, { discard: true, restore: report.plan.id })
  expect((await databases()).filter((name) => name.startsWith('a '))).toEqual([])
  for (const bad of ['x'.repeat(64), 'a\nb'])
    await expect(databaseLab.restore(snapshot, host, { target: bad })).rejects.toThrow(/must be on one line/)
})

test('a schema alone is no backup: it is not the latest, takes no database’s place, and can be made new', async () => {
  await postgres.sql('postgres', 'create database shaped')
  await postgres.sql('shaped', 'create table t (n int primary key, kind text); insert into t values (1), (2)')
  for (const said of [
    "alter database shaped set work_mem = '9MB'",
    "alter role app_owner in database shaped set search_path = 'a b', public",
    'revoke connect on database shaped from public',
    'grant temporary on database shaped to app_owner with grant option',
    "comment on database shaped is 'it''s mine'",
  ])
    await postgres.sql('postgres', said)
  const before = await postgres.dumped('shaped', '--create')
  const host = await server('shaped', { databases: ['shaped'], checks: ['select count(*) from t'] })
  const full = await databaseLab.pulled(host)
  const parts: Snapshot[] = []
  for (const type of ['schema', 'data'] as const) {
    lab.lab.passDays(1)
    const report = await pullHost(host, { rotate: true, type }, databaseLab.saying(PASSWORD).pull, signal)
    expect(report).toMatchObject({ outcome: 'done', complete: false, sources: [{ only: type }] })
    const all = await lab.lab.vault.snapshots(host.name)
    expect(completePulls(all)).toMatchObject([{ id: full.id }])
    expect(await lab.lab.vault.rotationPaused(host.name)).toBeUndefined()
    parts.push(all.at(-1)!)
  }
  const [schema, data] = parts
  expect(schema!.manifest.sources[0]!.archives.map(({ content }) => content)).toEqual(['schema', 'all'])
  await expect(databaseLab.restore(schema!, host)).rejects.toMatchObject({ code: 'preflight-content' })
  await expect(databaseLab.restore(data!, host)).rejects.toMatchObject({ code: 'preflight-content' })
  await expect(databaseLab.restore(data!, host, { target: 'data_only' })).rejects.toMatchObject({
    code: 'preflight-content',
  })
  const report = await databaseLab.restore(schema!, host, { target: 'shape' })
  expect(report).toMatchObject({ outcome: 'done' })
  expect(await postgres.sql('shape', 'select count(*) from t')).toBe('0')
  expect(await postgres.sql('shaped', 'select count(*) from t')).toBe('2')

  // What is replaced is saved in full, whatever is captured of it otherwise.
  const sparing = await server('shaped', { databases: ['shaped'], capture: 'schema' })
  const replaced = await databaseLab.restore(full, sparing)
  const saved = (await lab.lab.vault.snapshots('shaped')).find(({ id }) => id === replaced.safetySnapshot)
  expect(saved!.manifest.sources[0]!.facts).toMatchObject({ databases: { shaped: { rows: 2 } } })

  // One that is made new is as it was, too, with what is said of it as a whole.
  await postgres.sql('postgres', 'drop database shaped')
  expect(await databaseLab.restore(full, host)).toMatchObject({
    outcome: 'done',
    plan: { loads: [{ exists: false }] },
  })
  expect(await postgres.dumped('shaped', '--create')).toBe(before)
})

test('a table comes back by itself, with all that leads to it, and the old one by a rollback', async () => {
  await postgres.sql('postgres', 'create database shop')
  await postgres.sql(
    'shop',
    `create schema "odd ""one"; create type size as enum ('s', 'l'); create role clerk;
     create table orgs (id int primary key, name text);
     create table "odd ""one"."the 'users'" (id serial primary key, org int references public.orgs, size public.size, boss int references "odd ""one"."the 'users'");
     create index by_org on "odd ""one"."the 'users'" (org);
     create statistics "odd ""one".some on id, org from "odd ""one"."the 'users'";
     grant select on "odd ""one"."the 'users'" to clerk;
     create function nothing() returns trigger language plpgsql as 'begin return new; end';
     create trigger touch before update on "odd ""one"."the 'users'" for each row execute function public.nothing();
     create table orders (id int primary key, who int constraint who_is references "odd ""one"."the 'users'" on delete cascade deferrable);
     comment on constraint who_is on orders is 'it''s who';
     create table "odd ""one".lines (who int references "odd ""one"."the 'users'"); create view per_org as select name, count(*) from orgs group by name;
     insert into orgs values (1, 'one'); insert into "odd ""one"."the 'users'" (org, size, boss) values (1, 's', 1), (1, 'l', 1);
     insert into orders values (10, 1), (11, 2), (12, null)`,
  )
  const users = `"odd ""one"."the 'users'"`
  const host = await server('tables', { databases: ['shop'] })
  const snapshot = await databaseLab.pulled(host)
  const whole = await postgres.dumped('shop')
  await postgres.sql(
    'shop',
    `update ${users} set size = 'l'; insert into ${users} (org) values (1); insert into orgs values (2, 'two')`,
  )
  // One that is gone comes back, too, and a pattern names several.
  await postgres.sql('shop', 'drop table "odd ""one".lines')
  const before = await postgres.dumped('shop')
  const paths = [
    { source: 'app_db', path: `shop.odd "one.the 'users'` },
    { source: 'app_db', path: 'shop.odd*.l*s' },
  ]

  // Who would refer to what is not there any more keeps the old one.
  await postgres.sql('shop', 'insert into orders values (13, 3)')
  await expect(databaseLab.restore(snapshot, host, { paths })).rejects.toMatchObject({
    code: 'postgres-foreign-key',
    message: expect.stringContaining('1 row of public.orders in shop') as string,
  })
  await postgres.sql('shop', 'delete from orders where id = 13')
  expect(await postgres.dumped('shop')).toBe(before)
  expect((await databases()).filter((name) => name.startsWith('shop'))).toEqual(['shop'])

  const report = await databaseLab.restore(snapshot, host, { paths })
  expect(report, JSON.stringify(report)).toMatchObject({ outcome: 'done', plan: { safety: true } })
  const withoutOrgs = (text: string) => text.replace('2\ttwo\n', '')
  const { id } = report.plan
  const aside = `_old_${id}`
  expect(await postgres.sql('shop', `select count(*) from "odd ""one${aside}"."the 'users'"`)).toBe('3')
  // What is set aside is in no capture.
  const again = await databaseLab.pulled(host)
  expect(JSON.stringify(again.manifest.sources[0]!.facts)).toContain('"tables":4')
  const live = await postgres.dumped('shop', '-N', `"odd ""one${aside}"`)
  expect(withoutOrgs(live)).toBe(whole)

  expect(await databaseLab.rollBack(host, { restore: id })).toMatchObject({ did: 'undo' })
  expect(await postgres.dumped('shop', '-N', `"odd ""one_failed_${id}"`)).toBe(before)
  await databaseLab.rollBack(host, { discard: true, restore: id })
  expect(await postgres.dumped('shop')).toBe(before)

  await postgres.sql(
    'shop',
    `create view seen as select * from ${users}; create publication part for table orgs`,
  )
  const refused = async (path: string) =>
    await databaseLab.restore(snapshot, host, { paths: [{ source: 'app_db', path }] })
  await expect(refused(paths[0]!.path)).rejects.toMatchObject({
    code: 'preflight-postgres-table-used',
    message: expect.stringContaining('view public.seen') as string,
  })
  await expect(refused('shop.public.orgs')).rejects.toMatchObject({
    code: 'preflight-postgres-table-published',
  })
  await expect(refused('shop.public.org')).rejects.toThrow(/has no table shop.public.org/)
  await expect(refused('shop.public.per_org')).rejects.toThrow(/is a view/)
})

test('rows whose keys are free are added, with what became of each, and a rollback takes back exactly these', async () => {
  await postgres.sql('postgres', 'create database joined')
  await postgres.sql(
    'joined',
    `create table "the orgs" (id int primary key, name text);
     create table users (id serial primary key, email text unique, org int references "the orgs", boss int references users, l text,
       twice int generated always as (id * 2) stored);
     create table orders (id bigint generated always as identity primary key, who int references users on delete cascade);
     create table log (line text); create table gone (id int primary key); create table by_name (name text unique, n int);
     insert into "the orgs" values (1, 'one'), (2, 'two'), (3, 'three');
     insert into users (email, org, boss) values ('a', 1, 2), ('b', 2, 1), ('c', 3, 1), ('d', 1, null), ('e', 1, 4);
     insert into orders (who) values (1), (2), (3), (4), (5); insert into log values ('x'); insert into by_name values ('x', 1), ('y', 2)`,
  )
  const host = await server('joined', { databases: ['joined'] })
  const snapshot = await databaseLab.pulled(host)
  await postgres.sql(
    'joined',
    `delete from orders; delete from users where id > 2; delete from "the orgs" where id = 3; drop table gone; delete from by_name where name = 'y';
     update users set l = 'kept'; insert into users (id, email) values (40, 'd'); alter sequence users_id_seq restart with 3`,
  )
  const before = await postgres.dumped('joined')
  const refused = async (table: string, ...columns: readonly string[]) =>
    await databaseLab.restore(snapshot, host, { strategy: 'merge', match: [{ table, columns }] })
  await expect(refused('users', 'org')).rejects.toMatchObject({ code: 'preflight-merge-match' })
  await expect(refused('nobody', 'org')).rejects.toMatchObject({ code: 'preflight-merge-match' })

  const report = await databaseLab.restore(snapshot, host, {
    strategy: 'merge',
    match: [{ table: 'public.by_name', columns: ['name'] }],
  })
  expect(report, JSON.stringify(report)).toMatchObject({ outcome: 'done', plan: { safety: false } })
  const of = (name: string) => report.merged!.find(({ table }) => table === `joined.public.${name}`)
  expect(of('the orgs')).toMatchObject({ inserted: 1, skipped: [{ why: 'there', key: 'id', rows: 2 }] })
  expect(of('users')).toMatchObject({
    inserted: 1,
    skipped: [
      { why: 'there', key: 'id', rows: 2 },
      { why: 'taken', key: 'email', rows: 1 },
      { why: 'lost', key: 'users_boss_fkey', rows: 1 },
    ],
  })
  expect(of('orders')).toMatchObject({
    inserted: 3,
    skipped: [{ why: 'lost', key: 'orders_who_fkey', rows: 2 }],
  })
  expect(of('by_name')).toMatchObject({ inserted: 1, skipped: [{ why: 'there', key: 'name', rows: 1 }] })
  expect(of('log')).toMatchObject({
    inserted: 0,
    leftOut: expect.stringContaining('no primary key') as string,
  })
  expect(of('gone')).toMatchObject({
    inserted: 0,
    leftOut: expect.stringContaining('no such table') as string,
  })
  const text = renderRestoreReport(report, { color: false })
  expect(text).toContain(
    'joined.public.orders: 3 rows added; skipped: 2 that refer to what is not there (orders_who_fkey)',
  )
  expect(await postgres.sql('joined', 'select l from users where id = 1')).toBe('kept')
  // The next row is not in the way of one that came back.
  expect(await postgres.sql('joined', "insert into users (email) values ('f') returning id")).toBe('4')
  expect((await databases()).filter((name) => name.startsWith('joined'))).toEqual(['joined'])

  await postgres.sql(
    'joined',
    "update users set l = 'new' where email = 'c'; delete from users where email = 'f'; delete from orders where who = 2",
  )
  const undone = await databaseLab.rollBack(host, { restore: report.plan.id })
  expect(undone).toMatchObject({ did: 'undo' })
  expect(JSON.stringify(undone)).toContain(
    '3 added rows removed; 1 were gone; 2 were changed since or are referred to, and stay',
  )
  await postgres.sql('joined', `delete from users where email = 'c'; delete from "the orgs" where id = 3`)
  await databaseLab.rollBack(host, { discard: true, restore: report.plan.id })
  const counted = (text: string) => text.replaceAll(/setval\(.*$/gm, 'setval')
  expect(counted(await postgres.dumped('joined'))).toBe(counted(before))
})

test('user and password are what the .env of the deployment says, also for a restore and its rollback', async () => {
  await postgres.sql('postgres', 'create database enved')
  await postgres.sql('enved', 'create table t (n int primary key); insert into t values (1), (2)')
  const rest = { databases: ['enved'], byEnvironment: true, user: undefined, password: undefined }
  const host = await server('enved', rest)
  const secret = 'of: the .env/%'
  await postgres.sql('postgres', `create role "by env" superuser login password '${secret}'`)
  const url = `postgresql://by%20env:${encodeURIComponent(secret)}@db:5432/enved?sslmode=disable`
  const write = (text: string) => writeFile(join(host.deployment, '.env'), text)
  const refused = async () => (await databaseLab.pull(host, '-')).sources[0]?.error
  await write(`A_URL=${url}\nB_URL="postgres://other:x@db/enved"\n`)
  expect(await refused()).toMatchObject({
    code: 'postgres-credentials',
    message: expect.stringContaining('they differ: A_URL, B_URL') as string,
  })
  await write('POSTGRES_USER=${SOMEBODY}\n')
  expect(await refused()).toMatchObject({ code: 'postgres-credentials' })
  await write(`# the app's\nexport DATABASE_URL = '${url}'\nDIRECT_URL=${url}\nREDIS_URL=redis://a:b@c\n`)
  let snapshot: Snapshot | undefined
  const seen = [
    ...(await seenSecret(secret, async () => {
      snapshot = await databaseLab.pulled(host, '-')
    })),
  ]
  await postgres.sql('enved', 'delete from t')
  let id = ''
  seen.push(
    ...(await seenSecret(secret, async () => {
      const report = await databaseLab.restore(snapshot!, host)
      expect(report, JSON.stringify(report)).toMatchObject({ outcome: 'done' })
      id = report.plan.id
    })),
  )
  expect(await postgres.sql('enved', 'select sum(n) from t')).toBe('3')
  await databaseLab.rollBack(host, { restore: id })
  expect(await postgres.sql('enved', 'select count(*) from t')).toBe('0')
  expect(seen).toEqual([])
})

test('what can not be captured is told with what to do, and the dry look says so too', async () => {
  const failing = async (rest: object, password?: string) =>
    (await databaseLab.pull(await server('bad', rest), password)).sources[0]
  expect(await failing({}, 'wrong')).toMatchObject({ outcome: 'failed', error: { code: 'postgres-login' } })
  expect(await failing({ databases: ['nowhere'] })).toMatchObject({
    outcome: 'failed',
    error: { code: 'postgres-database-missing' },
  })
  expect(await failing({ at: { address: '127.0.0.1', port: 9 } })).toMatchObject({
    outcome: 'failed',
    error: { code: 'postgres-down' },
  })
  await postgres.sql(
    'postgres',
    `create role reader login password 'r'; grant connect on database ${identifier(NAME)} to reader`,
  )
  expect(await failing({ user: 'reader' }, 'r')).toMatchObject({
    outcome: 'failed',
    error: { code: 'postgres-privilege' },
  })
})

test('a dump that can not be loaded leaves the old one alone, and nothing of it', async () => {
  await postgres.sql('postgres', 'create database small')
  await postgres.sql('small', 'create role passing; create table t (n int); alter table t owner to passing')
  const host = await server('lost', { databases: ['small'] })
  const snapshot = await databaseLab.pulled(host)
  await postgres.sql('small', 'drop table t; create table kept (n int); drop role passing')
  const failed = await databaseLab.restore(snapshot, host).catch((error: unknown) => error)
  expect(failed).toMatchObject({ code: 'postgres-role-missing' })
  expect((await databases()).filter((name) => name.startsWith('small'))).toEqual(['small'])
  expect(await postgres.sql('small', '\\dt')).toContain('kept')

  // The facts are those of the capture: a dump that has other rows is not switched in.
  const [only] = snapshot.manifest.sources
  const facts = only!.facts as unknown as { databases: Record<string, object> }
  const lying = { small: { ...facts.databases['small'], rows: 9, counts: 'x' } }
  const wrong = { ...only!, facts: { ...only!.facts, databases: lying } }
  await postgres.sql('small', 'create role passing')
  await expect(
    databaseLab.restore({ ...snapshot, manifest: { ...snapshot.manifest, sources: [wrong] } }, host),
  ).rejects.toMatchObject({ code: 'postgres-facts' })
  expect((await databases()).filter((name) => name.startsWith('small'))).toEqual(['small'])
  expect(await postgres.sql('small', '\\dt')).toContain('kept')

  const older = {
    ...snapshot.manifest.sources[0]!,
    facts: { ...snapshot.manifest.sources[0]!.facts, version: '99.1' },
  }
  const newer = { ...snapshot, manifest: { ...snapshot.manifest, sources: [older] } }
  await expect(databaseLab.restore(newer, host)).rejects.toMatchObject({
    message: expect.stringContaining('99.1') as string,
  })
})

test('one in a container is asked there, as its own environment says', async () => {
  await using engine = await startDocker()
  await using made = await makePostgresData('app')
  // The image has none: its programs are this machine's.
  const mounts = ['/usr/lib:/usr/lib', '/usr/share:/usr/share', '/usr/lib:/lib', '/usr/lib64:/lib64']
  await engine.docker(
    ...['run', '--detach', '--name', 'db', '--user', `${made.uid}:${made.gid}`, '--shm-size', '64m'],
    ...mounts.flatMap((mount) => ['--volume', `${mount}:ro`]),
    ...['--volume', `${made.data}:/data`, '--tmpfs', '/var/run/postgresql:mode=1777'],
    ...['--env', 'POSTGRES_USER=app', '--env', `POSTGRES_PASSWORD=${PASSWORD}`],
    ...[LAB_IMAGE, `${programs()}/postgres`, '-D', '/data', '-c', 'fsync=off', '-c', 'shared_buffers=8MB'],
  )
  const sql = (database: string, text: string) =>
    engine.docker(
      ...['exec', '--env', `PGPASSWORD=${PASSWORD}`, 'db', `${programs()}/psql`, '-X', '-q', '-A', '-t'],
      ...['-U', 'app', '-d', database, '-c', text],
    )
  while ((await sql('postgres', 'select 1').catch(() => '')) !== '1') await sleep(50)
  await sql('postgres', 'create database app')
  await sql('app', 'create table t (n int); insert into t values (1), (2)')
  process.env['DOCKER_HOST'] = engine.env.DOCKER_HOST
  try {
    const rest = { at: { container: 'db' }, databases: 'all', byContainer: true }
    const host = await server('boxed', { ...rest, user: undefined, password: undefined })
    const snapshot = await databaseLab.pulled(host)
    expect(snapshot.manifest.sources[0]!.facts).toMatchObject({ databases: { app: { rows: 2, tables: 1 } } })
    await sql('app', 'truncate t')
    const report = await databaseLab.restore(snapshot, host)
    expect(report, JSON.stringify(report)).toMatchObject({ outcome: 'done' })
    expect(await sql('app', 'select sum(n) from t')).toBe('3')
    expect(await databaseLab.rollBack(host, { restore: report.plan.id })).toMatchObject({ did: 'undo' })
    expect(await sql('app', 'select count(*) from t')).toBe('0')
    await engine.docker('stop', '--time', '5', 'db')
    expect((await databaseLab.pull(host)).sources[0]).toMatchObject({ error: { code: 'postgres-down' } })
  } finally {
    delete process.env['DOCKER_HOST']
  }
})
