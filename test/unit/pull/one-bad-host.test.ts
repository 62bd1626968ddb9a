import { expect, it } from 'vitest'
import { InternalError, RemoteError } from '../../../src/errors.ts'
import type { HostConfig } from '../../../src/model/config.ts'
import type { PullDependencies } from '../../../src/pull/dependencies.ts'
import { planPulls } from '../../../src/pull/plan.ts'
import { pullHosts } from '../../../src/pull/pull-hosts.ts'
import type { EndedRun } from '../../../src/model/run-record.ts'

const signal = new AbortController().signal
const host = (name: string) =>
  ({ name, ssh: { host: name, port: 22 }, runTimeout: 60_000, sources: [] }) as never as HostConfig
const bug = new TypeError('a reply of an unknown kind')

/** Hosts whose connecting fails as told; the vault only remembers the runs. */
function dependencies(fails: Record<string, Error>, records: [string, EndedRun][], broken = '') {
  return {
    vault: {
      lock: () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() }),
      beginRun: () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() }),
      recordRun: (record: EndedRun) => {
        records.push([record.host, record])
        return Promise.resolve()
      },
    },
    reporter: {
      event: ({ type, host: name }: { type: string; host: string }) => {
        if (type === 'host-started' && name === broken) throw bug
      },
    },
    now: () => new Date(0),
    serverOf: ({ host: at }: { host: string }) => Promise.resolve(at.replace(/-.*/, '')),
    connect: ({ name }: HostConfig) => Promise.reject(fails[name] ?? new RemoteError('x', 'refused')),
  } as never as PullDependencies
}

it('a reply of an unknown kind of one server ended the pulls of all', async () => {
  const records: [string, EndedRun][] = []
  const report = await pullHosts(
    [host('bad'), host('good')],
    { rotate: true, jobs: 1 },
    dependencies({ bad: bug }, records),
    signal,
  )
  expect(report.hosts.map(({ outcome, error }) => [outcome, error?.code, error?.details.host])).toEqual([
    ['failed', 'internal', 'bad'],
    ['failed', 'x', 'good'],
  ])
  expect(report.hosts[0]?.error).toBeInstanceOf(InternalError)
  expect(report.hosts[0]?.error?.cause).toBe(bug)
  expect(records[0]).toMatchObject([
    'bad',
    { outcome: 'failed', error: { code: 'internal', message: 'TypeError: a reply of an unknown kind' } },
  ])
})

it('nor does a defect in the report of one', async () => {
  const report = await pullHosts(
    [host('bad'), host('good')],
    { rotate: true, jobs: 2 },
    dependencies({}, [], 'bad'),
    signal,
  )
  expect(report.hosts.map(({ error }) => error?.code)).toEqual(['internal', 'x'])
})

it('a plan that can not be made keeps no other host from its plan', async () => {
  const plans = await planPulls(
    [host('bad'), host('good')],
    {},
    { ...dependencies({ bad: bug }, []), vault: undefined } as never,
    signal,
  )
  expect(plans.map(({ host: name, error }) => [name, error?.code])).toEqual([
    ['bad', 'internal'],
    ['good', 'x'],
  ])
})

it('a pull of a server that never ends held its lock for ever', async () => {
  const records: [string, EndedRun][] = []
  const waits = {
    ...dependencies({}, records),
    connect: (_host: HostConfig, stop: AbortSignal) =>
      new Promise<never>((_resolve, reject) => {
        stop.addEventListener('abort', () => reject(stop.reason as Error))
      }),
  } as PullDependencies
  const slow = { ...host('slow'), runTimeout: 20 }
  const report = await pullHosts([slow], { rotate: true, jobs: 1 }, waits, signal)
  expect(report.hosts[0]).toMatchObject({ outcome: 'failed', error: { code: 'run-timeout' } })
  expect(records[0]?.[1].error?.code).toBe('run-timeout')
})

it('one server behind several names was logged into by all jobs at once', async () => {
  const open = new Map<string, number>()
  let most = 0
  const counting = {
    ...dependencies({}, []),
    connect: async ({ ssh }: HostConfig) => {
      const server = ssh.host.replace(/-.*/, '')
      open.set(server, (open.get(server) ?? 0) + 1)
      most = Math.max(most, open.get(server) ?? 0)
      await new Promise((resolve) => setImmediate(resolve))
      open.set(server, (open.get(server) ?? 0) - 1)
      throw new RemoteError('x', 'refused')
    },
  } as PullDependencies
  const names = ['one-a', 'one-b', 'two-a', 'one-c', 'two-b']
  const report = await pullHosts(names.map(host), { rotate: true, jobs: 4 }, counting, signal)
  expect(report.hosts.map((each) => each.host)).toEqual(names)
  expect(most).toBe(1)
})
