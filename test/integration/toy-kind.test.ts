import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { renderSnapshot } from '../../src/commands/show.ts'
import { parseConfig } from '../../src/config/load.ts'
import type { ConfigError } from '../../src/errors.ts'
import type { HostConfig, SourceConfig } from '../../src/model/config.ts'
import { Secret } from '../../src/model/secret.ts'
import { pullHost } from '../../src/pull/pull-host.ts'
import { renderRestorePlan } from '../../src/report/restore-summary.ts'
import { RestoreDriver, type LoaderSecret } from '../../src/restore/server/driver.ts'
import { discardRestores, listJournals } from '../../src/restore/server/journals.ts'
import { rollbackRestore } from '../../src/restore/server/settle.ts'
import { showSnapshot } from '../../src/show/show-snapshot.ts'
import { registerKind } from '../../src/sources/registry.ts'
import type { Snapshot } from '../../src/vault/contract.ts'
import { LocalHost } from '../lab/local-host.ts'
import { toyKind } from '../lab/toy/kind.ts'
import { loadableToy } from '../lab/toy/restore.ts'
import { DatabaseLab } from './database-lab.ts'
import { signal } from './incremental-lab.ts'
import { RestoreHostsLab } from './restore-hosts-lab.ts'

registerKind(toyKind)

const source: SourceConfig = { kind: 'toy', name: 'app_db', home: 'toy', table: 'app' }
let lab: RestoreHostsLab
let databases: DatabaseLab
let snapshot: Snapshot
beforeAll(async () => {
  lab = await RestoreHostsLab.start()
  databases = new DatabaseLab(lab, '')
  const host = await server('prod', { app: '1\n2\n3\n' })
  snapshot = await pulled(host)
})
afterAll(() => lab[Symbol.asyncDispose]())

/** A host with a toy that runs and has these tables. */
async function server(name: string, tables: Readonly<Record<string, string>>): Promise<HostConfig> {
  const host = lab.host(name, { sources: [source] })
  const home = join(host.deployment, 'toy')
  await mkdir(home, { recursive: true })
  for (const [table, text] of Object.entries({ ...tables, '.up': '' }))
    await writeFile(join(home, table), text)
  return host
}

async function pulled(host: HostConfig): Promise<Snapshot> {
  lab.lab.passDays(1)
  const report = await pullHost(host, { rotate: true }, lab.dependencies().pull, signal)
  expect(report.sources).toMatchObject([{ outcome: 'done' }])
  const all = await lab.lab.vault.snapshots(host.name)
  return all.find(({ id }) => id === report.snapshot)!
}

/** The toy's tables and what is in them; restores' ids are left out of the names. */
async function tables({ deployment }: HostConfig): Promise<Record<string, string>> {
  const home = join(deployment, 'toy')
  const names = (await readdir(home)).filter((name) => !name.startsWith('.')).sort()
  const read = await Promise.all(names.map((name) => readFile(join(home, name), 'utf8')))
  return Object.fromEntries(names.map((name, at) => [name.replace(/_\d{8}T\d{6}Z$/, ''), read[at] ?? '']))
}

function place({ deployment }: HostConfig) {
  return { deployment, privilege: undefined, signal }
}

test('a kind is one folder and a line: its config is read, and what is pulled of it listed, shown and verified', async () => {
  const config = (toy: string) =>
    parseConfig(
      `version: 1\nvault: v\nencryption: { recipients: [k] }\nhosts: { prod: { ssh: a@b, sources: { app_db: ${toy} } } }`,
      '/x/hosts.yaml',
      {},
    ).hosts[0]?.sources
  expect(config('{ kind: toy, home: ./toy/, table: app }')).toMatchObject([source])
  const problemsOf = (toy: string) => {
    try {
      return config(toy)
    } catch (error) {
      return (error as ConfigError).problems
    }
  }
  expect(problemsOf('{ kind: toy, home: toy }')).toMatchObject([
    { path: 'hosts.prod.sources.app_db.table', message: 'is required' },
  ])
  expect(problemsOf('{ kind: toi, home: toy, table: a }')).toMatchObject([
    { suggestion: expect.stringMatching(/^Did you mean "toy"/) as string },
  ])

  expect(snapshot.manifest.sources).toMatchObject([
    {
      name: 'app_db',
      kind: 'toy',
      mode: 'full',
      facts: { kind: 'toy', lines: 3 },
      archives: [{ file: 'app_db.app.toy.zst.gpg', plainBytes: 6 }],
    },
  ])
  const shown = await showSnapshot(lab.lab.vault, `prod/${snapshot.id}`)
  expect(renderSnapshot(shown, { now: lab.lab.now, color: false })).toContain('app_db: toy, full, 3 lines')
  expect(await lab.lab.vault.check('prod', { snapshots: [snapshot.id], hashes: true, signal })).toEqual([])
})

test('it is loaded beside what is there and switched; a rollback takes it back, and a discard removes what was kept', async () => {
  const host = await server('loaded', { app: 'old\n' })
  const report = await lab.restore(snapshot, host)
  expect(report).toMatchObject({ outcome: 'done', restored: [{ source: 'app_db', entries: 1, bytes: 6 }] })
  expect(report.steps.map(({ text }) => text)).toContain('switched: app')
  expect(renderRestorePlan(report.plan, { color: false })).toContain(
    `    app: loaded beside it, then replaces it, kept as app_old_${report.plan.id}`,
  )
  expect(await tables(host)).toEqual({ app: '1\n2\n3\n', app_old: 'old\n' })
  const saved = (await lab.lab.vault.snapshots(host.name)).find(({ id }) => id === report.safetySnapshot)
  expect(saved?.manifest).toMatchObject({ purpose: 'safety', sources: [{ facts: { lines: 1 } }] })

  await using remote = new LocalHost()
  const undone = await rollbackRestore(remote, { ...place(host), id: report.plan.id })
  expect(undone).toMatchObject({ outcome: 'rolled-back' })
  expect(await tables(host)).toEqual({ app: 'old\n', app_failed: '1\n2\n3\n' })
  const { journals } = await listJournals(remote, place(host))
  expect(journals).toMatchObject([
    { state: 'closed', how: 'rolled-back', targets: ['app'], kept: [{ what: 'failed' }] },
  ])
  expect(await discardRestores(remote, place(host))).toMatchObject({ left: [] })
  expect(await tables(host)).toEqual({ app: 'old\n' })
  expect(await listJournals(remote, place(host))).toMatchObject({ journals: [] })
})

test('where nothing was, a rollback leaves nothing', async () => {
  const host = await server('new', {})
  const report = await lab.restore(snapshot, host)
  expect(report).toMatchObject({ outcome: 'done', safetySnapshot: undefined })
  expect(await tables(host)).toEqual({ app: '1\n2\n3\n' })
  await using remote = new LocalHost()
  await rollbackRestore(remote, { ...place(host), id: report.plan.id })
  expect(await tables(host)).toEqual({ app_failed: '1\n2\n3\n' })
})

test('a comparison of facts that fails undoes the switch', async () => {
  const host = await server('facts', { app: 'old\n' })
  const [one] = snapshot.manifest.sources
  const sources = [{ ...one!, facts: { ...one!.facts, lines: 99 } }]
  const wrong = { ...snapshot, manifest: { ...snapshot.manifest, sources } }
  const report = await lab.restore(wrong, host)
  expect(report).toMatchObject({
    outcome: 'rolled-back',
    error: { code: 'facts-differ', message: '3 lines, and not 99' },
  })
  expect(await tables(host)).toEqual({ app: 'old\n', app_failed: '1\n2\n3\n' })
})

test('what can not be loaded whole, or not be switched, leaves all as it was', async () => {
  const host = await server('refused', { app: 'old\n' })
  const { load } = loadableToy
  loadableToy.load = async (context, config, facts, target, dump) => {
    await load(context, config, facts, target, dump)
    throw new Error('the toy is full')
  }
  await expect(lab.restore(snapshot, host)).rejects.toThrow('the toy is full')
  loadableToy.load = load
  expect(await tables(host)).toEqual({ app: 'old\n' })
  await using remote = new LocalHost()
  expect(await listJournals(remote, place(host))).toMatchObject({ journals: [] })

  await writeFile(join(host.deployment, 'toy/.refuses-rename'), '')
  const report = await lab.restore(snapshot, host)
  expect(report).toMatchObject({ outcome: 'rolled-back', error: { code: 'restore-step' } })
  expect(await tables(host)).toEqual({ app: 'old\n' })
})

/** A restore of the table that was switched and not committed. */
async function switched(
  host: HostConfig,
  remote: LocalHost,
  id: string,
  secret?: LoaderSecret,
): Promise<RestoreDriver> {
  const home = join(host.deployment, 'toy')
  const names = { target: 'app', staged: 'app_new', aside: 'app_old', failed: 'app_failed' }
  const loader = await loadableToy.loader(
    { probe: { deployment: host.deployment } } as never,
    source as never,
    names as never,
  )
  const load = { ...names, loader, secret }
  const driver = await RestoreDriver.start(
    remote,
    {
      deployment: host.deployment,
      id,
      units: [],
      loads: [load],
      services: { manager: 'none' },
      privilege: undefined,
    },
    signal,
  )
  expect(await driver.begin(signal)).toMatchObject({ ok: true })
  await writeFile(join(home, 'app_new'), 'new\n')
  expect(await driver.stopWriters(signal)).toMatchObject({ ok: true })
  expect(await driver.switchLoads(signal)).toMatchObject({ ok: true })
  expect(await tables(host)).toEqual({ app: 'new\n', app_old: 'old\n' })
  return driver
}

test('a connection that is lost undoes the switch', async () => {
  const host = await server('lost', { app: 'old\n' })
  await using remote = new LocalHost()
  const driver = await switched(host, remote, 'lost1')
  await driver[Symbol.asyncDispose]()
  expect(await tables(host)).toEqual({ app: 'old\n', app_failed: 'new\n' })
})

test('a server of data that is down keeps the undoing open, and it goes on when that runs', async () => {
  const host = await server('down', { app: 'old\n' })
  await using remote = new LocalHost()
  const driver = await switched(host, remote, 'down1')
  await rm(join(host.deployment, 'toy/.up'))
  expect(await driver.rollback()).toMatchObject({
    outcome: 'stuck',
    reason: expect.stringContaining('the toy does not run') as string,
  })
  expect((await listJournals(remote, place(host))).journals).toMatchObject([{ state: 'undoing' }])
  await writeFile(join(host.deployment, 'toy/.up'), '')
  expect(await rollbackRestore(remote, { ...place(host), id: 'down1' })).toMatchObject({
    outcome: 'rolled-back',
  })
  expect(await tables(host)).toEqual({ app: 'old\n', app_failed: 'new\n' })
})

/** A toy that asks for a password, and the dependencies of somebody who says this one. */
async function locked(name: string): Promise<{ host: HostConfig; home: string }> {
  const { deployment } = await server(name, { app: 'old\n' })
  const home = join(deployment, 'toy')
  await writeFile(join(home, '.password'), 's3cret \\ word')
  const sources: SourceConfig[] = [{ ...source, password: { env: 'TOY' } } as SourceConfig]
  return { host: lab.host(name, { sources }), home }
}

test('a loader gets the secret of its source when it is switched, undone and discarded; a wrong one changes nothing', async () => {
  const { host, home } = await locked('locked')
  const right = 's3cret \\ word'
  const report = await lab.restore(snapshot, host, {}, databases.saying(right))
  expect(report).toMatchObject({ outcome: 'done' })
  const { id } = report.plan
  const restored = { app: '1\n2\n3\n', app_old: 'old\n' }
  expect(await tables(host)).toEqual(restored)
  const journal = await readFile(join(host.deployment, `.relay-backup/restore-${id}/journal`), 'utf8')
  expect(journal).toContain('\tapp_db\t')
  expect(journal).not.toContain('s3cret')

  await expect(databases.rollBack(host, { password: 'wrong' })).rejects.toMatchObject({
    code: 'restore-settle',
    message: expect.stringContaining('the toy does not know this password') as string,
  })
  await expect(databases.rollBack({ ...host, sources: [] }, { password: right })).rejects.toMatchObject({
    code: 'secret-unknown',
    message: expect.stringContaining('app_db') as string,
  })
  expect(await tables(host)).toEqual(restored)
  await using remote = new LocalHost()
  expect((await listJournals(remote, place(host))).journals).toMatchObject([
    { how: 'done', secretsOf: ['app_db'] },
  ])

  // It may be another one by then.
  await writeFile(join(home, '.password'), 'changed')
  expect(await databases.rollBack(host, { password: 'changed' })).toMatchObject({
    did: 'undo',
    outcome: 'rolled-back',
  })
  const undone = { app: 'old\n', app_failed: '1\n2\n3\n' }
  expect(await tables(host)).toEqual(undone)
  expect(await databases.rollBack(host, { password: right, discard: true, restore: id })).toMatchObject({
    did: 'discard',
    removed: [],
    left: [expect.stringContaining('the toy does not know this password') as string],
  })
  expect(await tables(host)).toEqual(undone)
  expect(await databases.rollBack(host, { password: 'changed', discard: true, restore: id })).toMatchObject({
    left: [],
  })
  expect(await tables(host)).toEqual({ app: 'old\n' })
})

test('a secret that nobody knows any more keeps what needs it, and nothing else', async () => {
  const { host, home } = await locked('locked-one')
  const first = await lab.restore(snapshot, host, {}, databases.saying('s3cret \\ word'))
  await rm(join(home, '.password'))
  const open = { ...host, sources: [source] }
  const second = await lab.restore(snapshot, open)
  expect([first.outcome, second.outcome]).toEqual(['done', 'done'])
  expect(await databases.rollBack({ ...host, sources: [] }, { password: '', discard: true })).toMatchObject({
    restores: [second.plan.id],
    left: [
      expect.stringMatching(
        new RegExp(`^Restore ${first.plan.id} was loaded with the secret .*Next: Put app_db`),
      ) as string,
    ],
  })
  expect(
    await databases
      .rollBack({ ...host, sources: [] }, { password: '', discard: true })
      .catch((error: unknown) => error),
  ).toMatchObject({
    code: 'secret-unknown',
  })
})

test('a restore that dies undoes itself with the secret it was given, and where that is wrong by then another is asked for', async () => {
  const { host, home } = await locked('locked-lost')
  const secret = { source: 'app_db', secret: new Secret('s3cret \\ word') }
  await using remote = new LocalHost()
  const lost = await switched(host, remote, 'lost2', secret)
  await lost[Symbol.asyncDispose]()
  expect(await tables(host)).toEqual({ app: 'old\n', app_failed: 'new\n' })
  expect(
    await databases.rollBack(host, { password: 's3cret \\ word', discard: true, restore: 'lost2' }),
  ).toMatchObject({
    left: [],
  })

  const driver = await switched(host, remote, 'lost3', secret)
  await writeFile(join(home, '.password'), 'changed')
  await driver[Symbol.asyncDispose]()
  expect(await tables(host)).toEqual({ app: 'new\n', app_old: 'old\n' })
  await expect(databases.rollBack(host, { password: 'wrong' })).rejects.toMatchObject({
    code: 'rollback-stuck',
    message: expect.stringContaining('the toy does not know this password') as string,
  })
  expect(await tables(host)).toEqual({ app: 'new\n', app_old: 'old\n' })
  expect(await databases.rollBack(host, { password: 'changed' })).toMatchObject({ outcome: 'rolled-back' })
  expect(await tables(host)).toEqual({ app: 'old\n', app_failed: 'new\n' })
})

test('what it lacks is refused with what to do instead', async () => {
  const host = await server('lacks', { app: 'old\n' })
  await expect(lab.restore(snapshot, host, { strategy: 'merge' })).rejects.toMatchObject({
    code: 'no-merge',
    message: "a toy source can't be merged into what is there",
    details: { next: 'Restore it with --strategy replace.' },
  })
  const paths = [{ source: 'app_db', path: 'app' }]
  await expect(lab.restore(snapshot, host, { paths })).rejects.toMatchObject({
    message: '--path app_db:…: a toy source is restored as a whole',
  })
  const { pull } = lab.dependencies()
  const overSftp = {
    ...pull,
    probe: async (...of: Parameters<typeof pull.probe>) => ({
      ...(await pull.probe(...of)),
      access: 'sftp' as const,
    }),
  }
  const report = await pullHost(host, { rotate: false }, overSftp, signal)
  expect(report.sources).toMatchObject([{ outcome: 'failed', error: { code: 'needs-shell' } }])
  expect(await tables(host)).toEqual({ app: 'old\n' })
})

test('a snapshot of a kind that nobody knows any more is refused in words', async () => {
  const host = await server('unknown', {})
  const sources = snapshot.manifest.sources.map((one) => ({ ...one, kind: 'game' }))
  const other = { ...snapshot, manifest: { ...snapshot.manifest, sources } }
  await expect(lab.restore(other, host)).rejects.toMatchObject({ code: 'unknown-kind' })
})
