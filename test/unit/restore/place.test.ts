import { expect, test } from 'vitest'
import type { Finding } from '../../../src/model/finding.ts'
import { putInPlace, type PlaceContext } from '../../../src/restore/place.ts'
import type { RestoreDriver, StepResult } from '../../../src/restore/server/driver.ts'

const FACTS = { kind: 'files', files: 1, directories: 0, links: 0, others: 0, bytes: 1 } as const

/** A restore whose driver says yes to every step, and what was asked of it. */
async function placed(
  check: () => Promise<Finding[]>,
  refuses?: string,
  users: readonly { readonly pid: number; readonly name: string }[] = [],
  more: Partial<PlaceContext> & { readonly rest?: readonly string[] } = {},
): Promise<{ readonly asked: string[]; readonly result: PromiseSettledResult<Finding[]> }> {
  const asked: string[] = []
  const steps = [
    'begin',
    'stop',
    'swap',
    'make',
    'startData',
    'startRest',
    'checkRunning',
    'commit',
    'keep',
  ] as const
  const driver = Object.fromEntries(
    steps.map((name) => [
      name,
      (): Promise<StepResult & { readonly users: unknown }> => {
        asked.push(name)
        const notes =
          name === 'startData' ? ['started: redis'] : name === 'startRest' ? (more.rest ?? []) : []
        return Promise.resolve(
          name === refuses ? { ok: false, reason: 'it says no', notes, users } : { ok: true, notes, users },
        )
      },
    ]),
  ) as unknown as RestoreDriver
  const context = {
    driver,
    checks: [{ restorable: { check }, config: { kind: 'redis', name: 'data' }, facts: FACTS }],
    health: undefined,
    start: 'all',
    settles: false,
    step: () => {},
    signal: new AbortController().signal,
    ...more,
  } as unknown as PlaceContext
  const [result] = await Promise.allSettled([putInPlace(context)])
  return { asked, result }
}

const finding = (outcome: Finding['outcome']): Finding => ({
  check: 'redis-keys',
  outcome,
  message: 'Keys differ from the snapshot',
  next: 'Look.',
})

test('facts that differ end it before anything else starts, and nothing is committed', async () => {
  const { asked, result } = await placed(() => Promise.resolve([finding('ok'), finding('failed')]))
  expect(result).toMatchObject({
    status: 'rejected',
    reason: { code: 'facts-differ', message: 'Keys differ from the snapshot', details: { source: 'data' } },
  })
  expect(asked).toEqual(['begin', 'stop', 'swap', 'startData'])
})

test('what no server loads is compared before anything starts, and where nothing is to be started', async () => {
  const check = () => Promise.resolve([finding('failed')])
  const checks = [{ restorable: { check }, config: { kind: 'files', name: 'data' }, facts: FACTS }] as never
  for (const start of ['all', 'none'] as const) {
    const { asked, result } = await placed(check, undefined, [], { checks, start })
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'facts-differ' } })
    expect(asked).toEqual(['begin', 'stop', 'swap'])
  }
})

test('facts that can only be compared approximately are told, and it goes on', async () => {
  const { asked, result } = await placed(() => Promise.resolve([finding('warning')]))
  expect(result).toEqual({ status: 'fulfilled', value: [finding('warning')] })
  expect(asked).toEqual(['begin', 'stop', 'swap', 'startData', 'startRest', 'checkRunning', 'commit'])
})

test.each(['begin', 'stop', 'swap', 'startData', 'startRest', 'checkRunning', 'commit'])(
  'a server that refuses to %s ends it there',
  async (step) => {
    const { asked, result } = await placed(() => Promise.resolve([]), step)
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'restore-step' } })
    expect(asked.at(-1)).toBe(step)
  },
)

test('where another server gives way, containers are made at once, and two questions are asked side by side', async () => {
  const answers: string[] = []
  const handOver = {
    ready: () => Promise.resolve(),
    accept: () => {
      answers.push('accept')
      return Promise.resolve([finding('warning')])
    },
    decide: (keep: () => Promise<void>) => keep(),
  }
  const { asked, result } = await placed(() => Promise.resolve([]), undefined, [], { handOver })
  expect(result).toEqual({ status: 'fulfilled', value: [finding('warning')] })
  const steps = ['begin', 'stop', 'swap', 'make', 'startData', 'startRest', 'checkRunning', 'keep', 'commit']
  expect(asked).toEqual(steps)
  expect(answers).toEqual(['accept'])
})

test('containers that are not what they should be end it, once the check beside it has ended', async () => {
  const handOver = {
    ready: () => Promise.resolve(),
    accept: () => Promise.reject(new Error('other ports')),
    decide: (keep: () => Promise<void>) => keep(),
  }
  const { asked, result } = await placed(() => Promise.resolve([]), undefined, [], { handOver })
  expect(result).toMatchObject({ status: 'rejected', reason: { message: 'other ports' } })
  expect(asked.at(-1)).toBe('checkRunning')
})

test('what still uses the data after the stop is named, and nothing is swapped', async () => {
  const users = [
    { pid: 7, name: 'node' },
    { pid: 7, name: 'node' },
    { pid: 8, name: 'tail' },
  ]
  const { asked, result } = await placed(() => Promise.resolve([]), undefined, users)
  expect(result).toMatchObject({
    status: 'rejected',
    reason: {
      code: 'still-in-use',
      message: expect.stringContaining('node (process 7), tail (process 8)') as string,
    },
  })
  expect(asked).toEqual(['begin', 'stop'])
})

test('services whose own checks pass are not watched for seconds; any other is', async () => {
  // Whoever waits with a signal that has fired fails at once.
  const signal = AbortSignal.abort(new Error('it waits'))
  const ended = async (...rest: readonly string[]) =>
    (await placed(() => Promise.resolve([]), undefined, [], { settles: true, signal, rest })).result.status
  expect(await ended('started: app, and it passes its own check')).toBe('fulfilled')
  expect(await ended('started: app, and it passes its own check', 'started: worker')).toBe('rejected')
  expect(await ended()).toBe('rejected')
})
