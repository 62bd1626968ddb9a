import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { InternalError, InterruptedError, LockedError, RelayError } from '../../../src/errors.ts'
import type { ProgressEvent } from '../../../src/report/contract.ts'
import { withRun, type Run, type RunRequest, type Worked } from '../../../src/runs/run.ts'
import { openVault } from '../../../src/vault/open-vault.ts'
import { tempDir } from '../../lab/temp.ts'

const request: RunRequest = { operation: 'prune', host: { name: 'prod' }, locks: true }
const done: Worked<string> = { result: 'well', end: { outcome: 'done' } }

/** One run in a vault of its own, with what was told and what the history has. */
async function ran(
  work: (run: Run) => Promise<Worked<string>>,
  rest: Partial<RunRequest> = {},
  stop: AbortSignal = new AbortController().signal,
) {
  await using temp = await tempDir('runs')
  const vault = await openVault(temp.path)
  const events: ProgressEvent[] = []
  const reporter = { event: (event: ProgressEvent) => void events.push(event) }
  const result = await withRun(
    { ...request, ...rest },
    { vault, reporter, now: () => new Date() },
    stop,
    work,
  ).catch((error: unknown) => error)
  const names = await readdir(join(temp.path, 'prod')).catch(() => [])
  return {
    result,
    events,
    runs: await vault.runs('prod'),
    left: names.filter((name) => /^\.(run|begin)-/.test(name)),
  }
}

const types = (events: readonly ProgressEvent[]) => events.map(({ type }) => type)

describe('a run is told to begin and to end, once each, and is in the history once', () => {
  test('when it is done', async () => {
    const { result, events, runs, left } = await ran(async ({ reporter, lock }) => {
      expect(lock?.host).toBe('prod')
      for (const host of ['prod', 'prod', 'other'])
        reporter.event({ type: 'warning', host, code: 'odd', message: 'odd' })
      const findings = [{ check: 'left', outcome: 'warning', message: 'see /srv/app/key.pem' } as const]
      return { result: 'well', end: { outcome: 'partial', rotation: { kept: 3, removed: 1 }, findings } }
    })
    expect(result).toBe('well')
    expect(types(events)).toEqual(['run-started', 'warning', 'warning', 'warning', 'run-ended'])
    const [first, last] = [events[0], events.at(-1)]
    expect(last).toEqual({ ...first, type: 'run-ended', outcome: 'partial' })
    expect(runs).toMatchObject([
      {
        run: first?.type === 'run-started' ? first.run : '',
        operation: 'prune',
        host: 'prod',
        by: { machine: hostname(), pid: process.pid },
        trigger: 'manual',
        outcome: 'partial',
        warnings: [{ code: 'odd', count: 2 }],
        rotation: { kept: 3, removed: 1 },
        findings: [{ check: 'left', outcome: 'warning', message: 'see …' }],
      },
    ])
    expect(left).toEqual([])
  })

  test.each([
    ['failed', new RelayError('unreadable', 'data/customers.csv of prod is unreadable'), 'unreadable'],
    ['failed', new TypeError('x is no function'), 'internal'],
    ['interrupted', new InterruptedError('Not confirmed'), 'interrupted'],
  ])('when it ends as %s with %s', async (outcome, thrown, code) => {
    const { result, events, runs } = await ran(() => Promise.reject(thrown))
    expect(result).toMatchObject({ code, details: { host: 'prod' } })
    expect(types(events)).toEqual(['run-started', 'run-ended'])
    expect(events.at(-1)).toMatchObject({ outcome, error: result })
    expect(runs).toMatchObject([{ outcome, error: { code } }])
    expect(JSON.stringify(runs)).not.toContain('customers')
    if (code === 'internal') expect(result).toBeInstanceOf(InternalError)
  })

  test('when it is interrupted, whatever the work throws for it', async () => {
    const stop = new AbortController()
    const { result, events, runs } = await ran(
      async () => {
        stop.abort(new InterruptedError())
        throw new Error('the stream was closed')
      },
      {},
      stop.signal,
    )
    expect(result).toBeInstanceOf(InterruptedError)
    expect(types(events)).toEqual(['run-started', 'run-ended'])
    expect(runs).toMatchObject([{ outcome: 'interrupted' }])
  })

  test('when it takes longer than it may', async () => {
    const { result, events, runs } = await ran(
      async ({ signal }) => {
        // It may have fired before this began.
        if (!signal.aborted) await once(signal, 'abort')
        throw signal.reason
      },
      { host: { name: 'prod', runTimeout: 20 } },
    )
    expect(result).toMatchObject({ code: 'run-timeout' })
    expect(types(events)).toEqual(['run-started', 'run-ended'])
    expect(runs).toMatchObject([{ outcome: 'failed', error: { code: 'run-timeout' } }])
  })

  test('but what another run keeps from beginning, or what was skipped, is not in the history', async () => {
    const locked = await ran(() => Promise.reject(new LockedError('held')))
    expect(locked.events.at(-1)).toMatchObject({ type: 'run-ended', outcome: 'locked' })
    const skipped = await ran(async () => ({ result: 'fresh', end: { outcome: 'skipped' } }))
    expect(skipped.events.at(-1)).toMatchObject({ type: 'run-ended', outcome: 'skipped' })
    expect([...locked.runs, ...skipped.runs]).toEqual([])
  })

  test('and a dry run is none', async () => {
    const { result, events, runs } = await ran(
      async ({ lock }) => {
        expect(lock).toBeUndefined()
        return done
      },
      { dryRun: true },
    )
    expect([result, events, runs]).toEqual(['well', [], []])
  })
})

test('a run that died is ended as lost by the next, once; one that lives is left alone', async () => {
  await using temp = await tempDir('runs')
  const vault = await openVault(temp.path)
  const src = join(import.meta.dirname, '../../../src')
  const code = `
    const { openVault } = await import(${JSON.stringify(join(src, 'vault/open-vault.ts'))})
    const { withRun } = await import(${JSON.stringify(join(src, 'runs/run.ts'))})
    const vault = await openVault(${JSON.stringify(temp.path)})
    const stop = new AbortController().signal
    await withRun(${JSON.stringify(request)}, { vault, reporter: { event() {} }, now: () => new Date() }, stop, () => {
      process.stdout.write('working')
      // What nobody could end would be collected as garbage, and its lock with it.
      return new Promise((end) => setInterval(() => process.exitCode === 99 && end(), 1000))
    })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  const next = () =>
    withRun(
      { ...request, operation: 'verify', locks: false },
      { vault, reporter: { event: () => {} }, now: () => new Date() },
      new AbortController().signal,
      async () => done,
    )
  await next()
  expect((await vault.runs('prod')).map(({ outcome }) => outcome)).toEqual(['done'])
  child.kill('SIGKILL')
  await once(child, 'exit')
  await next()
  await next()
  const runs = await vault.runs('prod')
  expect(runs.map(({ operation, outcome }) => `${operation} ${outcome}`)).toEqual([
    'verify done',
    'prune lost',
    'verify done',
    'verify done',
  ])
  expect(runs[1]).toMatchObject({ by: { pid: child.pid }, error: { code: 'lost' } })
})

test('lines of format 1 are read, and a line of a later version is left out', async () => {
  await using temp = await tempDir('runs')
  const vault = await openVault(temp.path)
  await (await vault.lock('prod'))[Symbol.asyncDispose]()
  const at = '2025-11-17T02:00:00.000Z'
  const old = { at, finishedAt: at, operation: 'pull', outcome: 'partial', bytes: 9, failedSources: ['logs'] }
  const later = { ...old, format: 3 }
  const file = join(temp.path, 'prod/runs.jsonl')
  await writeFile(file, `${JSON.stringify(old)}\n${JSON.stringify(later)}\n`)
  await withRun(
    request,
    { vault, reporter: { event: () => {} }, now: () => new Date() },
    new AbortController().signal,
    async () => done,
  )
  expect(await vault.runs('prod')).toMatchObject([
    { at, operation: 'pull', outcome: 'partial', sources: [{ name: 'logs', outcome: 'failed' }] },
    { operation: 'prune', outcome: 'done' },
  ])
  const [, , line] = (await readFile(file, 'utf8')).split('\n')
  expect(line).toMatch(/^\{"format":2,.*"check":"[0-9a-f]{16}"\}$/)
})
