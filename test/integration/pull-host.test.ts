import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ConnectionError, InterruptedError, LockedError, RelayError } from '../../src/errors.ts'
import { pullExitCode } from '../../src/commands/pull.ts'
import type { PullDependencies, PullOptions } from '../../src/pull/dependencies.ts'
import { pullHost } from '../../src/pull/pull-host.ts'
import { localProbe } from '../lab/local-host.ts'
import { IncrementalLab, signal } from './incremental-lab.ts'

const sourcesNamed = (...names: string[]) =>
  names.map((name) => ({ kind: 'files' as const, name, paths: [name], exclude: [] }))

/** A deployment with two sources of two files each. */
async function start(): Promise<IncrementalLab> {
  const lab = await IncrementalLab.start()
  lab.sources = sourcesNamed('data', 'logs')
  for (const name of ['data', 'logs']) {
    await mkdir(join(lab.app, name), { recursive: true })
    for (const file of ['a', 'b']) await writeFile(join(lab.app, name, file), `${name} ${file}`)
  }
  return lab
}

/** A pull with some of the parts changed. */
function pullWith(
  lab: IncrementalLab,
  changes: Partial<PullDependencies>,
  options: Partial<PullOptions> = {},
  stop: AbortSignal = signal,
) {
  lab.passDays(1)
  return pullHost(lab.host, { rotate: true, ...options }, { ...lab.dependencies(), ...changes }, stop)
}

const ids = async (lab: IncrementalLab) => (await lab.all()).map(({ id }) => id)
const events = async (lab: IncrementalLab) => (await lab.vault.ledger('prod')).map(({ event }) => event)
const history = async (lab: IncrementalLab) =>
  (await lab.vault.runs('prod')).map(({ outcome, error, sources = [] }) => {
    const failedSources = sources.filter((source) => source.outcome === 'failed').map(({ name }) => name)
    return {
      outcome,
      ...(error === undefined ? {} : { code: error.code }),
      ...(failedSources.length === 0 ? {} : { failedSources }),
    }
  })

describe('what a pull comes to', () => {
  test('everything: the snapshot is complete, checks, and is in the history', async () => {
    await using lab = await start()
    const report = await lab.pull()
    expect(report).toMatchObject({ host: 'prod', outcome: 'done', complete: true, findings: [] })
    expect(report.sources.map(({ source, outcome }) => [source, outcome])).toEqual([
      ['data', 'done'],
      ['logs', 'done'],
    ])
    expect(await ids(lab)).toEqual([report.snapshot])
    expect(await lab.vault.check('prod', { hashes: true, signal })).toEqual([])
    expect(await history(lab)).toEqual([{ outcome: 'done' }])
    expect(lab.events.at(-1)).toEqual({ type: 'host-finished', host: 'prod', message: report.snapshot })
  })

  test('a source that fails: the others are committed, in part, and nothing is rotated away for it', async () => {
    await using lab = await start()
    lab.retention = { last: 1, safety: 1 }
    const good = await lab.pulled()
    await rm(join(lab.app, 'logs'), { recursive: true })
    for (let day = 0; day < 2; day += 1) {
      const report = await lab.pull()
      expect(report).toMatchObject({ outcome: 'partial', complete: false, rotation: undefined })
      expect(report.sources.map(({ source, outcome }) => [source, outcome])).toEqual([
        ['data', 'done'],
        ['logs', 'failed'],
      ])
    }
    const all = await lab.all()
    expect(all.map(({ manifest }) => manifest.complete)).toEqual([true, false, false])
    expect(all[0]!.id).toBe(good.id)
    expect(await events(lab)).toEqual(['made', 'made', 'made'])
    expect((await history(lab)).at(-1)).toEqual({ outcome: 'partial', failedSources: ['logs'] })
    // Whole again: now what is too many goes.
    await mkdir(join(lab.app, 'logs'))
    for (const file of ['a', 'b']) await writeFile(join(lab.app, 'logs', file), `logs ${file}`)
    const again = await lab.pull({ full: true })
    expect(again).toMatchObject({ outcome: 'done', complete: true })
    expect(await ids(lab)).toEqual([again.snapshot])
  })

  test('some sources only: it is not complete, and nothing is rotated away for it', async () => {
    await using lab = await start()
    lab.retention = { last: 1, safety: 1 }
    const good = await lab.pulled()
    const report = await lab.pull({ sources: ['data'] })
    expect(report).toMatchObject({ outcome: 'done', complete: false, rotation: undefined })
    expect(await ids(lab)).toEqual([good.id, report.snapshot])
    const [whole, part] = await lab.vault.runs('prod')
    expect([whole?.only, whole?.complete]).toEqual([undefined, true])
    expect([part?.only, part?.complete]).toEqual([{ sources: ['data'] }, false])
  })

  test('without rotation, or while it is paused, nothing goes', async () => {
    await using lab = await start()
    lab.retention = { last: 1, safety: 1 }
    await lab.pulled({ full: true })
    await lab.pulled({ full: true, rotate: false })
    expect(await ids(lab)).toHaveLength(2)
    {
      await using lock = await lab.vault.lock('prod')
      await lab.vault.pauseRotation(lock, '20251120T020000Z', 'someone must look', lab.now())
    }
    expect((await lab.pull({ full: true })).rotation).toMatchObject({ paused: 'someone must look' })
    expect(await ids(lab)).toHaveLength(3)
  })

  test('a source that shrank pauses rotation before the snapshot counts', async () => {
    await using lab = await start()
    lab.retention = { last: 1, safety: 1 }
    await writeFile(join(lab.app, 'logs/large'), Buffer.alloc(1_000_000, 'x'))
    await lab.pulled()
    for (const file of ['large', 'a', 'b']) await rm(join(lab.app, 'logs', file))
    const report = await lab.pull({ full: true })
    expect(report.rotation?.paused).toContain('logs')
    expect(await ids(lab)).toHaveLength(2)
    // In this order: a crash in between must not leave a shrunk snapshot that rotation trusts.
    expect(await events(lab)).toEqual(['made', 'rotation-paused', 'made'])
    expect(lab.events).toContainEqual(
      expect.objectContaining({ type: 'warning', source: 'logs', next: expect.stringContaining('--accept') }),
    )
  })

  test('no source at all: no snapshot, and the one reason is the error', async () => {
    await using lab = await start()
    lab.sources = sourcesNamed('logs')
    await rm(join(lab.app, 'logs'), { recursive: true })
    const report = await lab.pull()
    expect(report).toMatchObject({ outcome: 'failed', error: { details: { host: 'prod', source: 'logs' } } })
    expect(report.snapshot).toBeUndefined()
    expect(await ids(lab)).toEqual([])
    expect(await history(lab)).toEqual([
      { outcome: 'failed', code: report.error!.code, failedSources: ['logs'] },
    ])
  })

  test('no source, each for a reason of its own: the error says so', async () => {
    await using lab = await start()
    for (const name of ['logs', 'data']) await rm(join(lab.app, name), { recursive: true })
    const report = await lab.pull()
    expect(report).toMatchObject({ outcome: 'failed', error: { code: 'nothing-captured' } })
    expect(report.error!.message).toContain('2 sources')
  })
})

test('what the server runs could not be asked: the snapshot is good, and the report says what it lacks', async () => {
  await using lab = await start()
  const lost = new ConnectionError('lost', 'the server opens no more sessions')
  const report = await pullWith(lab, { lookAtVersions: () => Promise.reject(lost) })
  expect(report).toMatchObject({
    outcome: 'done',
    complete: true,
    findings: [{ check: 'versions-unknown', message: expect.stringContaining('no more sessions') as string }],
  })
  expect(lab.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'versions-unknown' }))
})

test('the change of a source is since the last complete snapshot, in what it held', async () => {
  await using lab = await start()
  const changes = async (options: Partial<PullOptions> = {}) =>
    (await lab.pull(options)).sources.map(({ source, size, change }) => [source, size, change])
  expect(await changes()).toEqual([
    ['data', 12, undefined],
    ['logs', 12, undefined],
  ])
  await writeFile(join(lab.app, 'data/c'), 'five.')
  // An incremental holds all of the source, and what is pulled in part is nothing to compare with.
  expect(await changes({ sources: ['data'] })).toEqual([['data', 17, 5]])
  await rm(join(lab.app, 'logs/a'))
  expect(await changes()).toEqual([
    ['data', 17, 5],
    ['logs', 6, -6],
  ])
  expect(await changes()).toEqual([
    ['data', 17, 0],
    ['logs', 6, 0],
  ])
  await rm(join(lab.app, 'logs'), { recursive: true })
  expect(await changes()).toEqual([
    ['data', 17, 0],
    ['logs', 0, undefined],
  ])
})

describe('a pull that is not begun', () => {
  test('another run holds the vault: locked, and that is no history of this host', async () => {
    await using lab = await start()
    await using _lock = await lab.vault.lock('prod')
    expect(await lab.pull()).toMatchObject({ outcome: 'locked', error: { code: 'locked' }, sources: [] })
    expect(await lab.vault.runs('prod')).toEqual([])
    expect(lab.events.at(-1)).toMatchObject({ type: 'host-failed', host: 'prod' })
  })

  test('another run holds the server: locked too', async () => {
    await using lab = await start()
    const held = new LockedError('prod is locked on the server', { next: 'Wait.' })
    const report = await pullWith(lab, { lockDeployment: () => Promise.reject(held) })
    expect(report).toMatchObject({ outcome: 'locked' })
    expect(await lab.vault.runs('prod')).toEqual([])
    expect(existsSync(join(lab.path, 'vault/prod/runs.jsonl'))).toBe(false)
    await using _free = await lab.vault.lock('prod')
  })

  test('a complete snapshot is young enough: skipped; a partial one is not', async () => {
    await using lab = await start()
    const day = 86_400_000
    await lab.pulled({ sources: ['data'] })
    expect(await lab.pull({ ifOlderThan: 2 * day })).toMatchObject({ outcome: 'done' })
    expect(await lab.pull({ ifOlderThan: 2 * day })).toMatchObject({ outcome: 'skipped', age: day })
    expect(await lab.pull({ ifOlderThan: 2 * day })).toMatchObject({ outcome: 'done' })
    expect(await history(lab)).toHaveLength(3)
    expect(await ids(lab)).toHaveLength(3)
  })

  test('a restore is not settled on the server: refused, with the command that settles it', async () => {
    await using lab = await start()
    const probe = { ...localProbe({ deployment: lab.app }), openJournals: ['20251120T020000Z'] }
    const report = await pullWith(lab, { probe: () => Promise.resolve(probe) })
    expect(report).toMatchObject({ outcome: 'failed', error: { code: 'open-journal' } })
    expect(report.error!.details.next).toContain('relay-backup rollback --host prod')
    expect(await ids(lab)).toEqual([])
  })

  test('the server is not to be reached: failed, in the history, and the lock is free again', async () => {
    await using lab = await start()
    const refused = new ConnectionError('refused', 'The connection was refused', { next: 'Look.' })
    const report = await pullWith(lab, { connect: () => Promise.reject(refused) })
    expect(report).toMatchObject({
      outcome: 'failed',
      error: { code: 'connection-refused', details: { host: 'prod' } },
    })
    expect(await history(lab)).toEqual([{ outcome: 'failed', code: 'connection-refused' }])
    await using _free = await lab.vault.lock('prod')
  })
})

describe('a pull that is interrupted', () => {
  test('while it looks around: interrupted, and what the vault held is there', async () => {
    await using lab = await start()
    const good = await lab.pulled()
    const stop = new AbortController()
    const probe = (): Promise<never> => {
      stop.abort(new InterruptedError())
      return Promise.reject(new RelayError('cut', 'whatever broke because of it'))
    }
    const report = await pullWith(lab, { probe }, {}, stop.signal)
    expect(report).toMatchObject({ outcome: 'interrupted', error: { code: new InterruptedError().code } })
    expect((await history(lab)).at(-1)).toMatchObject({ outcome: 'interrupted' })
    expect(await ids(lab)).toEqual([good.id])
  })

  test('while bytes stream: no snapshot of what came until then', async () => {
    await using lab = await start()
    const stop = new AbortController()
    const { writeArchive } = lab.dependencies()
    let archives = 0
    const report = await pullWith(
      lab,
      {
        writeArchive: async (input, options) => {
          const written = await writeArchive(input, options)
          archives += 1
          if (archives === 3) stop.abort(new InterruptedError())
          return written
        },
      },
      {},
      stop.signal,
    )
    expect(report.outcome).toBe('interrupted')
    expect(await ids(lab)).toEqual([])
    expect(await lab.vault.ledger('prod')).toEqual([])
    expect(await lab.vault.check('prod', { hashes: true, signal })).toEqual([])
  })
})

test('a pull that is interrupted between its last source and the commit makes no snapshot', async () => {
  await using lab = await start()
  const stop = new AbortController()
  let captured = () => {}
  const all = new Promise<void>((resolve) => (captured = resolve))
  let left = lab.sources.length
  const report = await pullWith(
    lab,
    {
      reporter: {
        event: ({ type }) => {
          if (type === 'source-finished' && (left -= 1) === 0) captured()
        },
      },
      lookAtVersions: async () => {
        await all
        // What waits for the sources has gone on by then, and waits for this.
        for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
        stop.abort(new InterruptedError())
        return { versions: {}, project: undefined }
      },
    },
    {},
    stop.signal,
  )
  expect(report.outcome).toBe('interrupted')
  expect(await ids(lab)).toEqual([])
})

test('a defect is the end of its host alone, with the error that caused it', async () => {
  await using lab = await start()
  const defect = new TypeError('x is not a function')
  const report = await pullWith(lab, { probe: () => Promise.reject(defect) })
  expect(report).toMatchObject({ outcome: 'failed', error: { code: 'internal', cause: defect } })
  await using _free = await lab.vault.lock('prod')
})

test('a history that can not be written is a warning, and the snapshot stays', async () => {
  await using lab = await start()
  await mkdir(join(lab.path, 'vault/prod/runs.jsonl'), { recursive: true })
  const report = await lab.pull({ rotate: false })
  expect(report.outcome).toBe('done')
  expect(lab.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'history' }))
  const manifest = await readFile(join(lab.path, 'vault/prod', report.snapshot!, 'manifest.json'), 'utf8')
  expect(JSON.parse(manifest)).toMatchObject({ complete: true, purpose: 'pull', previous: null })
})

test('a rotation that fails does not take the snapshot from the report: done in part, with its id and the reason', async () => {
  await using lab = await start()
  await lab.pulled({ full: true, rotate: false })
  const broken = new RelayError('disk', 'a disk that can not be read', { next: 'Look at it.' })
  const vault = new Proxy(lab.vault, {
    get: (target, name) => {
      if (name === 'rotationPaused') return () => Promise.reject(broken)
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const report = await pullWith(lab, { vault })
  expect(report).toMatchObject({ outcome: 'partial', complete: true, error: { code: 'disk' } })
  expect((await ids(lab)).at(-1)).toBe(report.snapshot)
  expect((await lab.vault.runs('prod')).at(-1)).toMatchObject({
    outcome: 'partial',
    snapshot: report.snapshot,
    error: { code: 'disk' },
  })
  expect(pullExitCode([report])).toBe(3)
})

test('nor does a lock on the server that can not be given back', async () => {
  await using lab = await start()
  const lost = new ConnectionError('lost', 'the connection is lost')
  const lockDeployment = () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.reject(lost) })
  const report = await pullWith(lab, { lockDeployment })
  expect(report).toMatchObject({ outcome: 'partial', error: { code: 'connection-lost' } })
  expect(await ids(lab)).toEqual([report.snapshot])
})
