import { appendFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { SourceError } from '../../src/errors.ts'
import { migrateHosts } from '../../src/migrate/migrate-hosts.ts'
import type { HostConfig, SourceConfig } from '../../src/model/config.ts'
import type { MigrationReport } from '../../src/model/migration-report.ts'
import type { RollbackReport } from '../../src/model/rollback-report.ts'
import { listJournals } from '../../src/restore/server/journals.ts'
import { registerKind } from '../../src/sources/registry.ts'
import { LocalHost } from '../lab/local-host.ts'
import { everySecond, share } from '../lab/soak.ts'
import { toyKind } from '../lab/toy/kind.ts'
import { loadableToy } from '../lab/toy/restore.ts'
import { DatabaseLab } from './database-lab.ts'
import { signal } from './incremental-lab.ts'
import { RestoreHostsLab } from './restore-hosts-lab.ts'

everySecond()

registerKind(toyKind)

/**
 * Stands in for systemd: a toy and the app that writes to it. The app acknowledges a last line when it is stopped, and only
 * starts where its table is.
 */
const SYSTEMCTL = `#!/bin/sh
cd "$(dirname "$0")/../app" || exit 1
verb=$1; shift
while [ "$1" = -p ] || [ "$1" = -- ] || [ "$1" = NRestarts ]; do shift; done
state() {
  case $1 in
    toy) [ -e toy/.up ] ;;
    app) [ -e ../app.runs ] ;;
  esac
}
case $verb in
  is-active) if state "$1"; then echo active; else echo inactive; exit 3; fi ;;
  show) echo NRestarts=0 ;;
  start)
    case $1 in
      toy) mkdir -p toy; : >toy/.up ;;
      app) [ -e toy/.up ] && [ -e toy/app ] && : >../app.runs ;;
    esac ;;
  stop)
    case $1 in
      toy) rm -f toy/.up ;;
      app) if state app; then echo last >>toy/app; fi; rm -f ../app.runs ;;
    esac ;;
esac
`

const source = {
  kind: 'toy',
  name: 'app_db',
  home: 'toy',
  table: 'app',
  password: { env: 'TOY' },
} as SourceConfig
const files: SourceConfig = {
  kind: 'files',
  name: 'config',
  paths: ['compose.yml'],
  exclude: [],
} as SourceConfig
let lab: RestoreHostsLab
let databases: DatabaseLab
/** Those that the client has opened. */
let connections: LocalHost[] = []
let isKilled = false
/** What happens at a step. */
let atStep: (host: string, step: string) => void = () => undefined
beforeAll(async () => {
  lab = await RestoreHostsLab.start()
  databases = new DatabaseLab(lab, 's3cret')
})
afterAll(() => lab[Symbol.asyncDispose]())
beforeEach(() => {
  isKilled = false
  connections = []
  atStep = () => undefined
})

interface Pair {
  readonly old: HostConfig
  readonly new: HostConfig
}

/** Two servers: on `old` the app runs, `new` has nothing. */
async function servers(name: string, rest: Partial<HostConfig> = {}): Promise<Pair> {
  const services = { manager: 'systemd', data: ['toy'], stop: ['toy', 'app'] } as const
  const sources = [files, source]
  const [old, fresh] = ['old', 'new'].map((side) =>
    lab.host(`${name}-${side}`, { services, sources, ...rest }),
  ) as [HostConfig, HostConfig]
  for (const { deployment } of [old, fresh]) {
    await mkdir(join(deployment, '../bin'), { recursive: true })
    await mkdir(deployment)
    await writeFile(join(deployment, '../bin/systemctl'), SYSTEMCTL, { mode: 0o755 })
  }
  await mkdir(join(old.deployment, 'toy'))
  await writeFile(join(old.deployment, 'compose.yml'), 'services: {}\n')
  for (const [file, text] of Object.entries({
    'toy/app': '1\n2\n',
    'toy/.up': '',
    'toy/.password': 's3cret',
  }))
    await writeFile(join(old.deployment, file), text)
  await writeFile(join(old.deployment, '../app.runs'), '')
  return { old, new: fresh }
}

function parts() {
  const all = databases.saying('s3cret')
  const { pull } = all
  return {
    ...all,
    pull: {
      ...pull,
      reporter: {
        event: (event: Parameters<typeof pull.reporter.event>[0]) => {
          pull.reporter.event(event)
          if (event.type === 'host-step') atStep(event.host, event.step)
        },
      },
      connect: ({ deployment }: HostConfig) => {
        if (isKilled) return Promise.reject(new Error('killed'))
        const host = new LocalHost({ path: `${join(deployment, '../bin')}:${process.env['PATH'] ?? ''}` })
        connections.push(host)
        return Promise.resolve(host)
      },
    },
  }
}

async function cutover(
  { old, new: to }: Pair,
  more: { cutover?: boolean; replace?: boolean } = {},
): Promise<MigrationReport> {
  lab.lab.passDays(1)
  const request = {
    cutover: true,
    start: false,
    replace: false,
    dryRun: false,
    acceptMissing: false,
    ...more,
  }
  return await migrateHosts(
    { from: old, to, ...request },
    { restore: parts(), confirm: () => Promise.resolve(true) },
    signal,
  )
}

async function rollBack(
  host: HostConfig,
  { old, new: to }: Pair,
  rest: { readonly discard?: boolean } = {},
): Promise<RollbackReport> {
  return await databases.rollBack(host, { unseen: false, ...rest, others: [old, to], parts: parts() })
}

/** Its tables and what is in them; the ids of restores are left out. Undefined where there is no toy. */
async function tables({ deployment }: HostConfig): Promise<Record<string, string> | undefined> {
  const home = join(deployment, 'toy')
  const names = await readdir(home).catch(() => undefined)
  if (names === undefined) return undefined
  const found: Record<string, string> = {}
  for (const name of names.filter((one) => !one.startsWith('.')))
    found[name.replace(/_\d{8}T\d{6}Z$/, '')] = await readFile(join(home, name), 'utf8')
  return found
}

async function serves({ deployment }: HostConfig): Promise<boolean> {
  const [app, toy] = await Promise.all([
    readFile(join(deployment, '../app.runs')).then(
      () => true,
      () => false,
    ),
    readFile(join(deployment, 'toy/.up')).then(
      () => true,
      () => false,
    ),
  ])
  expect(app ? toy : app).toBe(app)
  return app
}

async function journalsOf({ deployment }: HostConfig) {
  await using remote = new LocalHost()
  return (await listJournals(remote, { deployment, privilege: undefined, signal })).journals
}

test('what is written until the writers have stopped is on a server that had nothing; a rollback takes it back', async () => {
  const pair = await servers('whole')
  const report = await cutover(pair)
  expect(report.error).toBeUndefined()
  expect(report).toMatchObject({ outcome: 'done', serving: 'to' })
  expect([await serves(pair.old), await serves(pair.new)]).toEqual([false, true])
  expect(await tables(pair.new)).toEqual({ app: '1\n2\nlast\n' })
  expect(await readFile(join(pair.new.deployment, 'compose.yml'), 'utf8')).toBe('services: {}\n')
  const steps = report.steps.map(({ text }) => text)
  const order = [
    'stopping the writers',
    'counting app_db once more',
    'stopping all services',
    'starting data services',
    'loading app of app_db beside what is there',
    'switching',
    'starting services',
  ]
  expect(steps.filter((step) => order.includes(step))).toEqual(order)
  expect(report.sources).toMatchObject([{ source: 'config' }, { source: 'app_db', captured: { lines: 3 } }])
  const journal = join(pair.new.deployment, `.relay-backup/restore-${report.plan.id}/journal`)
  expect(await readFile(journal, 'utf8')).toMatch(/^started\tdata\t[\s\S]*^load\t1\tapp\t/m)

  await writeFile(join(pair.new.deployment, 'toy/app'), '1\n2\nlast\naccepted\n')
  const back = await rollBack(pair.old, pair)
  expect(back).toMatchObject({ did: 'settle', outcome: 'undone' })
  expect([await serves(pair.old), await serves(pair.new)]).toEqual([true, false])
  expect(await tables(pair.old)).toEqual({ app: '1\n2\nlast\n' })
  expect(await tables(pair.new)).toEqual({ app_failed: '1\n2\nlast\naccepted\nlast\n' })
})

test('what had the name on the new server is kept there, comes back with a rollback, and goes with a discard', async () => {
  const pair = await servers('kept')
  await mkdir(join(pair.new.deployment, 'toy'))
  await writeFile(join(pair.new.deployment, 'toy/app'), 'own\n')
  await writeFile(join(pair.new.deployment, 'toy/.up'), '')
  await expect(cutover(pair)).rejects.toMatchObject({
    code: 'preflight-not-empty',
    message: expect.stringContaining('app of app_db') as string,
  })
  const report = await cutover(pair, { replace: true })
  expect(report).toMatchObject({ outcome: 'done', snapshots: { safety: expect.any(String) as string } })
  expect(await tables(pair.new)).toEqual({ app: '1\n2\nlast\n', app_old: 'own\n' })
  expect(await rollBack(pair.new, pair)).toMatchObject({ outcome: 'undone' })
  expect([await serves(pair.old), await serves(pair.new)]).toEqual([true, false])
  expect(await tables(pair.new)).toEqual({ app: 'own\n', app_failed: '1\n2\nlast\nlast\n' })
  await writeFile(join(pair.new.deployment, 'toy/.up'), '')

  expect(await cutover(pair, { replace: true })).toMatchObject({ outcome: 'done' })
  expect(await rollBack(pair.new, pair, { discard: true })).toMatchObject({ did: 'discard', left: [] })
  expect(await tables(pair.new)).toEqual({ app: '1\n2\nlast\nlast\n' })
  expect(await journalsOf(pair.new)).toMatchObject([{ how: 'done', discarded: true, kept: [] }])
  await expect(rollBack(pair.new, pair)).rejects.toMatchObject({ code: 'migration-unsettled' })
})

test('somebody else who writes to it, a load that fails and facts that differ let the old server serve again', async () => {
  const pair = await servers('failing')
  const { old, new: to } = pair
  const left = async () => {
    expect([await serves(old), await serves(to)]).toEqual([true, false])
    return await tables(to)
  }
  atStep = (_host, step) => {
    if (step === 'counting app_db once more') appendFileSync(join(old.deployment, 'toy/app'), 'job\n')
  }
  expect(await cutover(pair)).toMatchObject({
    outcome: 'failed',
    serving: 'from',
    error: {
      code: 'late-writes',
      message: expect.stringContaining('4 lines, and not 3') as string,
    },
  })
  expect(await left()).toBeUndefined()

  atStep = () => undefined
  const { load } = loadableToy
  loadableToy.load = async (context, config, facts, target, dump) => {
    await load(context, config, facts, target, dump)
    throw new SourceError('toy-full', 'the toy is full', { next: 'Make room.' })
  }
  const full = await cutover(pair)
  loadableToy.load = load
  expect(full).toMatchObject({ outcome: 'failed', serving: 'from', error: { code: 'toy-full' } })
  expect(await left()).toEqual({})

  atStep = (_host, step) => {
    if (step === 'comparing app_db with its facts') appendFileSync(join(to.deployment, 'toy/app'), 'other\n')
  }
  expect(await cutover(pair, { replace: true })).toMatchObject({
    outcome: 'failed',
    error: { code: 'facts-differ' },
  })
  expect(Object.keys((await left()) ?? {})).toEqual(['app_failed'])
  expect((await journalsOf(to)).map(({ state, how }) => `${state} ${how ?? ''}`)).toEqual([
    'closed rolled-back',
    'closed rolled-back',
  ])
})

test('a rehearsal brings the database to a server that had nothing, and leaves the old one alone', async () => {
  const pair = await servers('rehearsal')
  const report = await cutover(pair, { cutover: false })
  expect(report).toMatchObject({ outcome: 'done', serving: 'from' })
  expect(await serves(pair.old)).toBe(true)
  expect(await tables(pair.old)).toEqual({ app: '1\n2\n' })
  expect(await tables(pair.new)).toEqual({ app: '1\n2\n' })
  expect(await rollBack(pair.new, pair)).toMatchObject({ did: 'undo', outcome: 'rolled-back' })
  expect(await tables(pair.new)).toEqual({ app_failed: '1\n2\n' })
})

test('the client is killed at any step behind the stop: one of the two servers serves and has all that was acknowledged', async () => {
  const pair = await servers('killed')
  const told: string[] = []
  atStep = (host, step) => void told.push(`${host}: ${step}`)
  expect(await cutover(pair)).toMatchObject({ outcome: 'done' })
  await rollBack(pair.old, pair)
  const steps = told.slice(told.findIndex((step) => step.endsWith('counting app_db once more')))
  const seen = new Set<string>()
  for (const [round, at] of share(steps, 3).entries()) {
    let isStopping = false
    atStep = (host, step) => {
      isStopping ||= step === 'counting app_db once more'
      if (isKilled || !isStopping || `${host}: ${step}` !== at) return
      isKilled = true
      for (const connection of connections) connection.cut()
    }
    const before = (await tables(pair.old))?.['app'] ?? ''
    await cutover(pair, { replace: true }).catch(() => undefined)
    expect(isKilled, at).toBe(true)
    await Promise.all(connections.map((connection) => connection[Symbol.asyncDispose]()))
    ;[isKilled, connections] = [false, []]
    const settled = await serves(pair.new)
    expect((await serves(pair.old)) || settled, at).toBe(true)
    await rollBack(round % 2 === 0 ? pair.old : pair.new, pair)
    const serving = (await serves(pair.old)) ? pair.old : pair.new
    expect([await serves(pair.old), await serves(pair.new)].filter(Boolean), at).toHaveLength(1)
    expect((await tables(serving))?.['app'], at).toContain(`${before}last\n`)
    seen.add(serving.name)
    if (serving === pair.new) await rollBack(pair.new, pair)
    expect(await serves(pair.old), at).toBe(true)
    await rm(join(pair.new.deployment, 'toy'), { recursive: true, force: true })
  }
  expect(seen).toContain(pair.old.name)
})
