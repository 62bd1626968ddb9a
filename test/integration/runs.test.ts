import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cleanHost } from '../../src/clean/clean-host.ts'
import { ConnectionError, InterruptedError } from '../../src/errors.ts'
import { migrateHosts } from '../../src/migrate/migrate-hosts.ts'
import type { HostConfig } from '../../src/model/config.ts'
import { OPERATIONS, type Operation } from '../../src/model/run-record.ts'
import { pruneHosts } from '../../src/prune/prune-hosts.ts'
import { pullHost } from '../../src/pull/pull-host.ts'
import type { RestoreDependencies } from '../../src/restore/dependencies.ts'
import { restoreHost } from '../../src/restore/restore-host.ts'
import { rollbackHost } from '../../src/rollback/rollback-host.ts'
import { restoresThatStand } from '../../src/runs/restores-that-stand.ts'
import type { Snapshot } from '../../src/vault/contract.ts'
import { verifyVault } from '../../src/verify/verify-vault.ts'
import { rekeyHost } from '../../src/rekey/rekey-host.ts'
import type { Rewrapper } from '../../src/crypto/contract.ts'
import { makeFiles, RestoreHostsLab } from './restore-hosts-lab.ts'

let lab: RestoreHostsLab
let target: HostConfig
let snapshot: Snapshot
beforeAll(async () => {
  lab = await RestoreHostsLab.start()
  lab.lab.sources = [{ kind: 'files', name: 'data', paths: ['data'], exclude: [] }]
  await makeFiles(lab.lab.app, { 'data/d': 'd' })
  snapshot = await lab.lab.pulled()
  target = lab.host('target')
  await makeFiles(target.deployment, { 'data/own': 'own' })
})
afterAll(() => lab[Symbol.asyncDispose]())

/** Everything has the right recipients. */
const doneAlready: Rewrapper = {
  recipients: [],
  bodyStart: 64,
  isDone: () => Promise.resolve(true),
  rewrap: () => Promise.reject(new Error('there is nothing to do')),
}

/** `notify` only tells of the others. */
type Begun = Exclude<Operation, 'notify'>

/** Each operation, begun on `target` with these parts; `migrate` is of `prod`, too. */
const begin: Record<Begun, (parts: RestoreDependencies, stop: AbortSignal) => Promise<unknown>> = {
  pull: (parts, stop) => pullHost(target, { rotate: true }, parts.pull, stop),
  restore: (parts, stop) =>
    restoreHost(
      {
        host: target,
        snapshot,
        paths: [],
        strategy: 'replace',
        dryRun: false,
        start: true,
        safety: true,
        acceptChanges: false,
      },
      parts,
      stop,
    ),
  rollback: (parts, stop) =>
    rollbackHost(
      {
        host: target,
        findHost: () => Promise.resolve(undefined),
        discard: false,
        acceptChanges: false,
        unseen: false,
      },
      {
        ...parts.pull,
        ...parts,
        confirm: () => Promise.resolve(true),
      },
      stop,
    ),
  migrate: (parts, stop) =>
    migrateHosts(
      {
        from: lab.lab.host,
        to: target,
        cutover: false,
        start: false,
        replace: true,
        dryRun: false,
        acceptMissing: false,
      },
      {
        restore: parts,
        confirm: () => Promise.resolve(true),
      },
      stop,
    ),
  prune: ({ pull }, stop) => pruneHosts([target], { dryRun: false, accept: false, lost: [] }, pull, stop),
  verify: ({ pull }, signal) => verifyVault(pull.vault, [{ host: 'target' }], { ...pull, signal }),
  clean: (parts, stop) =>
    cleanHost(
      {
        host: { ...target, clean: [{ source: 'data', match: ['*.log'], olderThan: 1 }] },
        dryRun: false,
      },
      { ...parts.pull, ...parts, confirm: undefined },
      stop,
    ),
  rekey: ({ pull }, signal) => rekeyHost('target', { ...pull, rewrapper: doneAlready, signal }),
}

/** What needs no server. */
const isLocal = (operation: Begun) => ['prune', 'verify', 'rekey'].includes(operation)

/** What was told of runs, and what the histories got for it. */
async function told(
  operation: Begun,
  parts: RestoreDependencies = lab.dependencies(),
  stop: AbortSignal = new AbortController().signal,
) {
  lab.lab.passDays(1)
  const { vault, events } = lab.lab
  const runs = async () => [...(await vault.runs('prod')), ...(await vault.runs('target'))]
  const before = new Set((await runs()).map(({ run }) => run))
  events.length = 0
  await begin[operation](parts, stop).catch(() => undefined)
  const started = events.flatMap((event) => (event.type === 'run-started' ? [event] : []))
  const ended = events.flatMap((event) => (event.type === 'run-ended' ? [event] : []))
  return { started, ended, recorded: (await runs()).filter(({ run }) => !before.has(run)) }
}

/** `migrate` is a run of both of its hosts. */
const hostsOf = (operation: Begun) => (operation === 'migrate' ? ['prod', 'target'] : ['target'])

const begun = OPERATIONS.filter((operation) => operation !== 'notify')

describe.each(begun)('%s begins and ends once, and is in the history once', (operation) => {
  const outcomes = async (...parts: Parameters<typeof told>) => {
    const { started, ended, recorded } = await told(...parts)
    const hosts = started.map(({ host }) => host).sort()
    expect(hosts).toEqual(hostsOf(operation))
    const runs = started.map(({ run }) => run).sort()
    expect(ended.map(({ run }) => run).sort()).toEqual(runs)
    expect(recorded.map(({ run }) => run).sort()).toEqual(runs)
    expect([...started, ...ended, ...recorded].every((one) => one.operation === operation)).toBe(true)
    expect(recorded.map(({ outcome }) => outcome).sort()).toEqual(ended.map(({ outcome }) => outcome).sort())
    return [...new Set(recorded.map(({ outcome }) => outcome))]
  }

  test('when it is done', async () => {
    expect(await outcomes(operation)).toEqual(['done'])
  })

  test.skipIf(isLocal(operation))('when its server is gone', async () => {
    const parts = lab.dependencies()
    const gone = new ConnectionError('refused', 'nobody is there')
    const pull = { ...parts.pull, connect: () => Promise.reject(gone) }
    expect(await outcomes(operation, { ...parts, pull })).toEqual(['failed'])
  })

  test.skipIf(isLocal(operation))('when it is interrupted', async () => {
    const stop = new AbortController()
    const parts = lab.dependencies()
    const connect: RestoreDependencies['pull']['connect'] = (...given) => {
      stop.abort(new InterruptedError())
      return parts.pull.connect(...given)
    }
    const pull = { ...parts.pull, connect }
    expect(await outcomes(operation, { ...parts, pull }, stop.signal)).toEqual(['interrupted'])
  })
})

test('a restore that was rolled back is in the history as such, and counts no more for what may go', async () => {
  const stand = async () => restoresThatStand(await lab.lab.vault.runs('target')).length
  await told('restore')
  const before = await stand()
  const { recorded } = await told('rollback')
  expect(recorded).toMatchObject([{ operation: 'rollback', outcome: 'done', undoes: expect.any(String) }])
  expect(await stand()).toBe(before - 1)
})
