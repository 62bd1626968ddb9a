import { chmod, chown, mkdir, open, readdir, stat, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FilesSourceConfig } from '../../src/sources/files/config.ts'
import type { Snapshot } from '../../src/vault/contract.ts'
import { DatabaseLab } from './database-lab.ts'
import { left, makeDatabase, opened, sql, SqliteLab, state, WHOLE, writer } from './sqlite-lab.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

let lab: SqliteLab
beforeAll(async () => {
  lab = await SqliteLab.start()
})
afterAll(() => lab[Symbol.asyncDispose]())

test.each([
  ['sqlite3', 'wal', 5],
  ['sqlite3', 'delete', 1],
  ['python3', 'wal', 1],
  ['python3', 'delete', 1],
  ['busybox', 'wal', 1],
] as const)(
  'a database that is written to all the time comes whole, as of one moment (regression: 4 of 5 were malformed) (%s, %s)',
  async (server, journal, pulls) => {
    await lab.use(server)
    const host = await lab.host(`busy-${server}-${journal}`)
    const database = join(host.deployment, 'prisma/dev.db')
    await makeDatabase(database, journal)
    await using _busy = await writer(database)
    for (let count = 1; count <= pulls; count += 1) {
      const { snapshot, facts } = await lab.pulled(host)
      expect(lab.told()).toEqual([])
      expect(facts).toMatchObject({
        form: 'copy',
        databases: [{ path: 'prisma/dev.db', integrity: 'ok', foreignKeys: 0 }],
      })
      expect(facts.databases[0]?.tables).toMatchObject({ account: 100, 'odd \' " name': 2 })
      expect(facts.databases[0]?.settings).toMatchObject({ journal_mode: journal, user_version: '9' })
      expect(await left(host)).toEqual([])
      const other = await lab.host(`${host.name}-${count}`)
      const report = await lab.hosts.restore(snapshot, other, { safety: false })
      expect(report.error).toBeUndefined()
      expect(report.findings).toContainEqual(
        expect.objectContaining({ check: 'database-facts', outcome: 'ok' }),
      )
      expect(await readdir(join(other.deployment, 'prisma'))).toEqual(['dev.db'])
      expect(state(join(other.deployment, 'prisma/dev.db'))).toBe(WHOLE)
      expect(sql(join(other.deployment, 'prisma/dev.db'), 'PRAGMA journal_mode;')).toBe(journal)
    }
  },
)

test('a database and what lies beside it come as files where nothing can open them, and are torn when they move', async () => {
  await lab.use('nothing')
  const host = await lab.host('nothing')
  const database = join(host.deployment, 'prisma/dev.db')
  await makeDatabase(database)
  // One connection stays open, so that the log stays.
  await using held = await opened(database)
  await held.write('INSERT INTO account VALUES (100, 0), (101, 5), (102, -5);')
  lab.told()
  const still = await lab.pulled(host)
  expect(lab.told()).toEqual([expect.stringContaining('has neither sqlite3 nor a python3')])
  expect(still.facts).toEqual({
    kind: 'sqlite',
    form: 'files',
    databases: [{ path: 'prisma/dev.db', bytes: (await stat(database)).size }],
  })
  const other = await lab.host('nothing-back')
  const report = await lab.hosts.restore(still.snapshot, other, { safety: false })
  expect(report.error).toBeUndefined()
  expect((await readdir(join(other.deployment, 'prisma'))).sort()).toEqual(['dev.db', 'dev.db-wal'])
  expect(sql(join(other.deployment, 'prisma/dev.db'), 'SELECT count(*), sum(n) FROM account;')).toBe(
    '103|100000',
  )

  await using _busy = await writer(database)
  expect(await lab.pull(host)).toMatchObject({ sources: [{ outcome: 'torn' }] })
})

test('what is no sound database is never called one', async () => {
  await lab.use('sqlite3')
  const host = await lab.host('bad')
  const database = join(host.deployment, 'prisma/dev.db')
  await makeDatabase(database)
  await truncate(database, 0)
  expect(await lab.pull(host)).toMatchObject({
    sources: [{ outcome: 'failed', error: { code: 'database-empty' } }],
  })
  await writeFile(database, 'plain text')
  expect(await lab.pull(host)).toMatchObject({
    sources: [{ outcome: 'failed', error: { code: 'no-database' } }],
  })
  const absent = await lab.host('bad', { paths: ['prisma/other.db'] })
  expect(await lab.pull(absent)).toMatchObject({
    sources: [{ outcome: 'failed', error: { code: 'no-such-path' } }],
  })

  await makeDatabase(`${database}2`, 'delete')
  const file = await open(`${database}2`, 'r+')
  await file.write(Buffer.alloc(8192, 1), 0, 8192, 8192 * 2)
  await file.close()
  const damaged = await lab.host('bad', { paths: ['prisma/dev.db2'] })
  lab.told()
  expect(await lab.pull(damaged)).toMatchObject({ sources: [{ outcome: 'torn' }] })
  expect(lab.told()).toEqual([expect.stringMatching(/^prisma\/dev\.db2 is damaged on the server: /)])
  expect(await left(host)).toEqual([])
})

test('what the user asks of a database is recorded from its copy, and undoes a restore that says otherwise', async () => {
  await lab.use('python3')
  const checks = [
    'SELECT sum(n), count(*) FROM account;',
    'SELECT x FROM "odd \' "" name" -- all',
    'nonsense',
  ]
  const host = await lab.host('asked', { checks })
  const database = join(host.deployment, 'prisma/dev.db')
  await makeDatabase(database)
  const { snapshot, facts } = await lab.pulled(host)
  expect(facts.databases[0]?.checks).toMatchObject([
    { query: checks[0], says: '100000|100' },
    { query: checks[1], says: '1, 2' },
    { query: 'nonsense', failed: true },
  ])
  const [only] = snapshot.manifest.sources
  const [told] = facts.databases
  const lying = { ...facts, databases: [{ ...told!, checks: [{ query: checks[0]!, says: '7' }] }] }
  const sources = [{ ...only!, facts: lying }]
  sql(database, 'DELETE FROM account')
  const undone = await lab.hosts.restore({ ...snapshot, manifest: { ...snapshot.manifest, sources } }, host)
  expect(undone).toMatchObject({ outcome: 'rolled-back', error: { code: 'facts-differ' } })
  expect(undone.error?.message).toContain('says 100000|100, and said 7')
  expect(sql(database, 'SELECT count(*) FROM account')).toBe('0')
  const report = await lab.hosts.restore(snapshot, host)
  expect(report.error).toBeUndefined()
  expect(report.findings).toContainEqual(expect.objectContaining({ check: 'check', outcome: 'ok' }))
  expect(state(database)).toBe(WHOLE)
})

test.each(['sqlite3', 'python3'] as const)(
  'rows whose keys are free are added by %s while the app has it open, and a rollback takes back exactly these',
  async (tool) => {
    await lab.use(tool)
    const host = await lab.host(`merged-${tool}`)
    const database = join(host.deployment, 'prisma/dev.db')
    await mkdir(dirname(database), { recursive: true })
    sql(
      database,
      `PRAGMA journal_mode=wal; CREATE TABLE "the orgs" (id INTEGER PRIMARY KEY, name);
      CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT COLLATE NOCASE UNIQUE, org REFERENCES "the orgs", boss REFERENCES users(id), l);
      CREATE TABLE orders (a, b, who REFERENCES users, PRIMARY KEY (a, b)) WITHOUT ROWID; CREATE TABLE log (line);
      CREATE TABLE by_name (name UNIQUE, n); CREATE TABLE gone (id INTEGER PRIMARY KEY);
      INSERT INTO "the orgs" VALUES (1, 'one'), (2, 'two'), (3, 'it''s'); INSERT INTO log VALUES (1);
      INSERT INTO users VALUES (1, 'a', 1, 2, NULL), (2, 'b', 2, 1, NULL), (3, 'c', 3, 1, NULL), (4, 'd', 1, NULL, NULL), (5, 'e', 1, 4, NULL), (6, 'f', 1, 3, x'00');
      INSERT INTO orders VALUES (1, 1, 1), (1, 2, 2), (1, 3, 3), (1, 4, 4), (1, 5, NULL); INSERT INTO by_name VALUES ('x', 1), ('y', 2);`,
    )
    const { snapshot } = await lab.pulled(host)
    sql(
      database,
      `DELETE FROM orders; DELETE FROM users WHERE id > 2; DELETE FROM "the orgs" WHERE id = 3; DROP TABLE gone;
      DELETE FROM by_name WHERE name = 'y'; UPDATE users SET l = 'kept'; INSERT INTO users VALUES (40, 'D', NULL, NULL, NULL);`,
    )
    const before = sql(database, '.dump')
    await using app = await opened(database)
    const report = await lab.hosts.restore(snapshot, host, {
      strategy: 'merge',
      match: [{ table: 'by_name', columns: ['name'] }],
    })
    expect(report, JSON.stringify(report)).toMatchObject({ outcome: 'done' })
    const of = (name: string) => report.merged!.find(({ table }) => table === `${database}: ${name}`)
    expect(of('the orgs')).toMatchObject({ inserted: 1, skipped: [{ why: 'there', key: 'id', rows: 2 }] })
    expect(of('users')).toMatchObject({
      inserted: 2,
      skipped: [
        { why: 'there', key: 'id', rows: 2 },
        { why: 'taken', key: 'email', rows: 1 },
        { why: 'lost', key: 'boss', rows: 1 },
      ],
    })
    expect(of('orders')).toMatchObject({ inserted: 4, skipped: [{ why: 'lost', key: 'who', rows: 1 }] })
    expect(of('by_name')).toMatchObject({ inserted: 1, skipped: [{ why: 'there', key: 'name', rows: 1 }] })
    expect(of('log')?.leftOut).toContain('no primary key')
    expect(of('gone')?.leftOut).toContain('no such table')
    expect(
      sql(database, 'PRAGMA integrity_check; PRAGMA foreign_key_check; SELECT l FROM users WHERE id = 1'),
    ).toBe('ok\nkept')

    await app.write("UPDATE users SET email = 'C' WHERE id = 3; DELETE FROM orders WHERE b = 5;")
    const undone = await new DatabaseLab(lab.hosts, '-').rollBack(host, { restore: report.plan.id })
    expect(undone).toMatchObject({ unmerged: [{ removed: 5, changed: 2 }] })
    await app.write('DELETE FROM users WHERE id = 3; DELETE FROM "the orgs" WHERE id = 3;')
    expect(sql(database, '.dump')).toBe(before)
  },
)

test('a database goes beside the live one under a path of its own, and replaces nothing', async () => {
  await lab.use('sqlite3')
  const host = await lab.host('beside')
  const database = join(host.deployment, 'prisma/dev.db')
  await makeDatabase(database)
  const { snapshot } = await lab.pulled(host)
  // It is in use, and stays so.
  await using live = await opened(database)
  await live.write('DELETE FROM account;')
  const report = await lab.hosts.restore(snapshot, host, { target: 'test/copy.db' })
  expect(report).toMatchObject({ outcome: 'done', plan: { beside: 'test/copy.db' } })
  expect(state(join(host.deployment, 'test/copy.db'))).toBe(WHOLE)
  expect(sql(database, 'SELECT count(*) FROM account')).toBe('0')
  for (const target of ['test/copy.db', 'prisma/dev.db'])
    await expect(lab.hosts.restore(snapshot, host, { target })).rejects.toMatchObject({
      code: 'preflight-target-taken',
    })
  await expect(lab.hosts.restore(snapshot, host, { target: '../x.db' })).rejects.toThrow(/must not contain/)
})

test('a log that was left behind is read, and stays where it is', async () => {
  await lab.use('sqlite3')
  const host = await lab.host('crashed')
  const database = join(host.deployment, 'prisma/dev.db')
  await makeDatabase(database)
  const held = await opened(database)
  await held.write('INSERT INTO account VALUES (100, 0);')
  await held.kill()
  const before = await stat(`${database}-wal`)
  const { facts } = await lab.pulled(host)
  expect(facts.databases[0]?.tables).toMatchObject({ account: 101 })
  expect(await stat(`${database}-wal`)).toMatchObject({ size: before.size, mtimeMs: before.mtimeMs })
})

test('databases are found by their header, whatever they are called, in and outside of the deployment', async () => {
  await lab.use('sqlite3')
  const elsewhere = join(lab.hosts.lab.path, 'elsewhere')
  const host = await lab.host('found', {
    paths: [],
    patterns: ['**/*.db', 'one level/?.sqlite', `${elsewhere}/*.db`],
  })
  for (const name of ['a.db', "b/c/it's.db", 'one level/x.sqlite', 'one level/deep/y.sqlite'])
    await makeDatabase(join(host.deployment, name))
  await makeDatabase(join(elsewhere, 'z.db'))
  await writeFile(join(host.deployment, 'b/thumbs.db'), 'no database')
  const { snapshot, facts } = await lab.pulled(host)
  const paths = facts.databases.map(({ path }) => path)
  expect(paths.sort()).toEqual([`${elsewhere}/z.db`, 'a.db', "b/c/it's.db", 'one level/x.sqlite'])

  sql(join(host.deployment, 'a.db'), 'DELETE FROM account')
  sql(join(elsewhere, 'z.db'), 'DELETE FROM account')
  const report = await lab.hosts.restore(snapshot, host)
  expect(report.error).toBeUndefined()
  for (const path of ['a.db', "b/c/it's.db", 'one level/x.sqlite'])
    expect(state(join(host.deployment, path))).toBe(WHOLE)
  expect(state(join(elsewhere, 'z.db'))).toBe(WHOLE)
  const none = await lab.host('none', { paths: [], patterns: ['**/*.db'] })
  expect(await lab.pull(none)).toMatchObject({ sources: [{ error: { code: 'no-database' } }] })
})

test.each(['sqlite3', 'busybox'] as const)(
  'a restore sets aside what lies beside the old database, and an undo brings it all back (%s)',
  async (server) => {
    await lab.use(server)
    const host = await lab.host(`stale-${server}`)
    const database = join(host.deployment, 'prisma/dev.db')
    await makeDatabase(database)
    await chown(database, 1234, 1235)
    await chmod(database, 0o640)
    const { snapshot } = await lab.pulled(host)
    const held = await opened(database)
    await held.write('DELETE FROM account; INSERT INTO account VALUES (7, 7);')
    await held.kill()
    await writeFile(`${database}-journal`, '')
    const beside = ['dev.db', 'dev.db-journal', 'dev.db-shm', 'dev.db-wal']
    expect(await readdir(join(host.deployment, 'prisma'))).toEqual(beside)

    const report = await lab.hosts.restore(snapshot, host)
    expect(report.error).toBeUndefined()
    expect(await readdir(join(host.deployment, 'prisma'))).toEqual(['dev.db'])
    expect(await stat(database)).toMatchObject({ uid: 1234, gid: 1235, mode: 0o100640 })
    expect(state(database)).toBe(WHOLE)
    const safety = (await lab.hosts.lab.vault.snapshots(host.name)).find(
      ({ id }) => id === report.safetySnapshot,
    )
    expect(safety?.manifest.sources[0]?.facts).toMatchObject({ databases: [{ tables: { account: 1 } }] })

    // The app goes on with the new one, and has a log of its own.
    const app = await opened(database)
    await app.write('INSERT INTO account VALUES (500, 0);')
    await app.kill()
    await lab.rollback(host, report.plan.id)
    expect(await readdir(join(host.deployment, 'prisma'))).toEqual(beside)
    expect(sql(database, 'SELECT * FROM account;')).toBe('7|7')
  },
)

test('a restored database that is not what was captured is undone; one that is in use is not replaced', async () => {
  await lab.use('sqlite3')
  const host = await lab.host('differs')
  const database = join(host.deployment, 'prisma/dev.db')
  await makeDatabase(database)
  const { snapshot } = await lab.pulled(host)
  const [source] = snapshot.manifest.sources
  const databases = (source?.facts['databases'] as object[]).map((one) => ({
    ...one,
    tables: { account: 101, log: 1 },
  }))
  const sources = [{ ...source!, facts: { ...source!.facts, databases } }]
  sql(database, 'DELETE FROM account WHERE id > 0;')
  const wrong = { ...snapshot, manifest: { ...snapshot.manifest, sources } }
  expect(await lab.hosts.restore(wrong, host)).toMatchObject({
    outcome: 'rolled-back',
    error: {
      code: 'facts-differ',
      message: expect.stringContaining('account has 100 rows, and not 101') as string,
    },
  })
  expect(sql(database, 'SELECT count(*) FROM account;')).toBe('1')
  await using _app = await opened(database)
  await expect(lab.hosts.restore(snapshot, host)).rejects.toMatchObject({ code: 'preflight-in-use' })
})

test('a client that dies leaves no copy behind, whether one is made or read; what a dead server left goes next time', async () => {
  await lab.use('sqlite3')
  const host = await lab.host('cut')
  const database = join(host.deployment, 'prisma/dev.db')
  await makeDatabase(database, 'delete')
  for (const when of ['copying', 'reading'] as const) {
    await using cut = await lab.capturing(host, when)
    expect(await left(host)).toEqual([expect.stringMatching(/^copies-/)])
    await cut.cut()
    expect(await left(host)).toEqual([])
  }
  await makeDatabase(join(host.deployment, '.relay-backup/copies-0a-1.1.x/tree/prisma/dev.db'))
  await lab.pulled(host)
  expect(await left(host)).toEqual([])
})

test.each(['sqlite3', 'python3', 'busybox'] as const)(
  'a database among files that does not hold still is copied, and stays whole in a chain of incrementals (%s)',
  async (server) => {
    await lab.use(server, { ahead: server !== 'busybox' })
    const files = { kind: 'files', name: 'data', paths: ['data'], exclude: [] } as FilesSourceConfig
    const host = lab.hosts.host(`among-${server}`, { sources: [files] })
    const database = join(host.deployment, 'data/app.db')
    await makeDatabase(database)
    await writeFile(join(host.deployment, 'data/large'), Buffer.alloc(10_000_000))
    const snapshots: Snapshot[] = []
    {
      await using _busy = await writer(database)
      for (let count = 1; count <= 2; count += 1) {
        lab.told()
        snapshots.push((await lab.pulled(host)).snapshot)
        expect(lab.told()).toEqual([
          '1 SQLite database copied as of one moment, since it is written to: data/app.db',
        ])
      }
    }
    // It holds still, with a log that nobody has taken in.
    snapshots.push((await lab.pulled(host)).snapshot)
    await using app = await opened(database)
    await app.write('INSERT INTO account VALUES (100, 0);')
    snapshots.push((await lab.pulled(host)).snapshot)
    expect(await left(host)).toEqual([])
    for (const [at, snapshot] of snapshots.entries()) {
      expect(snapshot.manifest.sources[0]?.warnings).toEqual([])
      if (server !== 'sqlite3' && at !== 1) continue
      const other = lab.hosts.host(`among-${server}-${at}`, { sources: [files] })
      await mkdir(other.deployment, { recursive: true })
      const report = await lab.hosts.restore(snapshot, other, { safety: false })
      expect(report.error).toBeUndefined()
      expect(state(join(other.deployment, 'data/app.db'))).toBe(WHOLE)
    }
    expect(snapshots.map(({ manifest }) => manifest.sources[0]?.mode)).toEqual(
      server === 'busybox'
        ? ['full', 'full', 'full', 'full']
        : ['full', 'incremental', 'incremental', 'incremental'],
    )
  },
)

test('a database among files that nothing there can copy is torn, and so is one that is to be read as a file', async () => {
  for (const [server, sqlite] of [
    ['nothing', undefined],
    ['sqlite3', 'asFiles'],
  ] as const) {
    await lab.use(server)
    const files = {
      kind: 'files',
      name: 'data',
      paths: ['data'],
      exclude: [],
      ...(sqlite && { sqlite }),
    } as FilesSourceConfig
    const host = lab.hosts.host(`torn-${server}`, { sources: [files] })
    await makeDatabase(join(host.deployment, 'data/app.db'))
    await using _busy = await writer(join(host.deployment, 'data/app.db'))
    lab.told()
    expect(await lab.pull(host)).toMatchObject({ sources: [{ outcome: 'torn' }] })
    expect(lab.told().some((text) => text.includes('read as any file'))).toBe(sqlite !== undefined)
  }
})
