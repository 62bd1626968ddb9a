import { readdirSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { HostConfig, ServicesConfig } from '../../src/model/config.ts'
import { Secret } from '../../src/model/secret.ts'
import type { RemoteCommand, RemoteProcess } from '../../src/remote/contract.ts'
import { rollbackHost } from '../../src/rollback/rollback-host.ts'
import type { Snapshot } from '../../src/vault/contract.ts'
import { restorableFiles } from '../../src/sources/files/restore.ts'
import { member, tarOf } from '../unit/archive/support.ts'
import { LocalHost } from '../lab/local-host.ts'
import { signal } from './incremental-lab.ts'
import { makeFiles, RestoreHostsLab } from './restore-hosts-lab.ts'

let lab: RestoreHostsLab
let snapshot: Snapshot
beforeAll(async () => {
  lab = await RestoreHostsLab.start()
  await makeFiles(lab.lab.app, { 'data/a': 'content a', 'data/b': 'content b' })
  snapshot = await lab.lab.pulled()
})
afterAll(() => lab[Symbol.asyncDispose]())

/** A server on which a file is altered between the unpacking and the look at its hash. */
class AlteringHost extends LocalHost {
  override spawn(command: RemoteCommand, options: { readonly signal: AbortSignal }): Promise<RemoteProcess> {
    if (command.script === 'restore/hash') {
      const directory = command.args?.[0] ?? ''
      const [unit = ''] = readdirSync(directory)
      writeFileSync(join(directory, unit, 'b'), 'content x')
    }
    return super.spawn(command, options)
  }
}

test('a staged file that was altered stops a restore before anything is stopped or swapped', async () => {
  const host = lab.host('altered')
  await makeFiles(host.deployment, { 'data/a': 'own' })
  const restoring = lab.dependencies()
  const hosts: LocalHost[] = []
  const connect = () => {
    hosts.push(new AlteringHost())
    return Promise.resolve(hosts.at(-1)!)
  }
  const pull = { ...restoring.pull, connect }
  await expect(lab.restore(snapshot, host, {}, { pull })).rejects.toMatchObject({
    code: 'restored-differs',
    message: expect.stringContaining('data/b') as string,
  })
  expect(await readFile(join(host.deployment, 'data', 'a'), 'utf8')).toBe('own')
  expect(readdirSync(join(host.deployment, 'data'))).toEqual(['a'])
})

describe('a comparison of facts', () => {
  const services = (): ServicesConfig => {
    const stopped = join(lab.lab.path, 'stopped')
    return { manager: 'command', stop: `>${stopped}`, start: `rm ${stopped}`, status: `[ ! -e ${stopped} ]` }
  }
  const findings = (outcome: 'failed' | 'warning') => [
    { check: 'facts', outcome, message: 'a key is missing' },
  ]

  test('that fails brings the old data back', async () => {
    const host = lab.host('facts', { services: services() })
    await makeFiles(host.deployment, { 'data/a': 'own' })
    const check = () => Promise.resolve(findings('failed'))
    const restorableOf = () => Promise.resolve({ ...restorableFiles, check } as never)
    const report = await lab.restore(snapshot, host, {}, { restorableOf })
    expect(report).toMatchObject({
      outcome: 'rolled-back',
      error: { code: 'facts-differ', message: 'a key is missing' },
    })
    expect(report.steps.map(({ text }) => text)).toContain('putting everything back')
    expect(await readFile(join(host.deployment, 'data', 'a'), 'utf8')).toBe('own')
    expect(readdirSync(join(host.deployment, 'data'))).toEqual(['a'])
  })

  test('that only warns does not', async () => {
    const host = lab.host('warned', { services: services() })
    const check = () => Promise.resolve(findings('warning'))
    const restorableOf = () => Promise.resolve({ ...restorableFiles, check } as never)
    const report = await lab.restore(snapshot, host, {}, { restorableOf })
    expect(report).toMatchObject({
      outcome: 'done',
      findings: expect.arrayContaining(findings('warning')) as unknown,
    })
  })
})

test('a rollback takes the secrets of lines of sh from the config again, and is refused without them', async () => {
  const said = join(lab.lab.path, 'said')
  const line = (verb: string) => `echo ${verb} "$APP_TOKEN" >>${said}`
  const secrets = { APP_TOKEN: { env: 'APP_TOKEN' } }
  const services = { manager: 'command', stop: line('stop'), start: line('start'), secrets } as const
  const host = lab.host('unlocked', { services })
  await makeFiles(host.deployment, { 'data/a': 'own' })
  const { pull } = lab.dependencies()
  const parts = { ...pull, resolveSecret: () => Promise.resolve(new Secret('planted')) }
  const report = await lab.restore(snapshot, host, {}, { pull: parts })
  expect(report).toMatchObject({ outcome: 'done' })
  expect(JSON.stringify(report)).not.toContain('planted')
  const undo = (own: HostConfig) =>
    rollbackHost(
      {
        host: own,
        findHost: () => Promise.resolve(undefined),
        discard: false,
        acceptChanges: false,
        unseen: true,
      },
      { ...parts, confirm: () => Promise.resolve(true) },
      signal,
    )
  await expect(undo({ ...host, services: { ...services, secrets: {} } })).rejects.toMatchObject({
    code: 'secret-unknown',
    details: { next: expect.stringContaining('hosts.unlocked.services.secrets') as unknown },
  })
  expect(await readFile(join(host.deployment, 'data', 'a'), 'utf8')).toBe('content a')
  expect(await undo(host)).toMatchObject({ did: 'undo', outcome: 'rolled-back' })
  expect(await readFile(join(host.deployment, 'data', 'a'), 'utf8')).toBe('own')
  // Without a status, the undoing stops them twice.
  expect(await readFile(said, 'utf8')).toMatch(/^(?:(?:stop planted\n)+start planted\n){2}$/)
})

test('a restore that finds the vault or the deployment locked ends as locked, which is exit code 5', async () => {
  const host = lab.host('busy')
  {
    await using _vault = await lab.lab.vault.lock('busy')
    await expect(lab.restore(snapshot, host)).rejects.toMatchObject({ name: 'LockedError' })
  }
  await makeFiles(host.deployment, { 'data/a': 'own' })
  await using remote = new LocalHost()
  const { pull } = lab.dependencies()
  await using _server = await pull.lockDeployment(remote, host.deployment, { sudo: false, signal })
  await expect(lab.restore(snapshot, host)).rejects.toMatchObject({ name: 'LockedError' })
})

describe('a snapshot made by hand', () => {
  const device = { mode: 0o666, deviceMajor: 1, deviceMinor: 3 } as const
  const directory = member('data', '', { type: 'directory', mode: 0o755 })

  test('of old, with device nodes, is restored without them, and they are named and counted', async () => {
    const old = await lab.forged(
      tarOf(
        directory,
        member('data/null', '', { type: 'character-device', ...device }),
        member('data/a', 'content a'),
        member('data/disk', '', { type: 'block-device', ...device }),
        member('data/pipe', '', { type: 'fifo' }),
      ),
    )
    const host = lab.host('with-devices')
    const report = await lab.restore(old, host)
    expect(report).toMatchObject({ outcome: 'done', restored: [{ source: 'data', entries: 3 }] })
    expect(report.plan.sources[0]?.notes).toEqual([
      '2 device nodes are left out, because no restore makes them: data/null, data/disk',
    ])
    expect(readdirSync(join(host.deployment, 'data')).sort()).toEqual(['a', 'pipe'])
    const paths = [{ source: 'data', path: 'data/null' }]
    await expect(lab.restore(old, lab.host('one-device'), { paths })).rejects.toMatchObject({
      message: 'data/null of data is a device node, and no restore makes one',
    })
  })
})
