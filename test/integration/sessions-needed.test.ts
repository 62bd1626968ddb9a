import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrateHosts } from '../../src/migrate/migrate-hosts.ts'
import type { HostConfig } from '../../src/model/config.ts'
import { pullHost } from '../../src/pull/pull-host.ts'
import { connectSsh } from '../../src/remote/ssh.ts'
import type { RestoreDependencies } from '../../src/restore/dependencies.ts'
import type { Snapshot } from '../../src/vault/contract.ts'
import { startSshd } from '../lab/sshd.ts'
import { signal } from './incremental-lab.ts'
import { makeFiles, RestoreHostsLab } from './restore-hosts-lab.ts'

let lab: RestoreHostsLab
let snapshot: Snapshot
let number = 0
beforeAll(async () => {
  lab = await RestoreHostsLab.start()
  await makeFiles(lab.lab.app, { 'data/d': 'd' })
  snapshot = await lab.lab.pulled()
})
afterAll(() => lab[Symbol.asyncDispose]())

/** What is done with a server, and gives its error or outcome. */
const OPERATIONS: Readonly<
  Record<string, (host: HostConfig, parts: RestoreDependencies) => Promise<unknown>>
> = {
  pull: async (host, { pull }) => {
    const { outcome, error } = await pullHost(host, { rotate: false, full: true }, pull, signal)
    if (error !== undefined) throw error
    return outcome
  },
  restore: async (host, parts) => (await lab.restore(snapshot, host, {}, parts)).outcome,
  migrate: async (to, restore) => {
    lab.lab.passDays(1)
    const request = { cutover: false, start: false, replace: true, dryRun: false, acceptMissing: false }
    const dependencies = { restore, confirm: () => Promise.resolve(true) }
    return (await migrateHosts({ from: lab.lab.host, to, ...request }, dependencies, signal)).outcome
  },
}

/** A host behind an SSH server that opens few sessions on a connection. */
async function behind(maxSessions: number, { further }: { readonly further: boolean }) {
  const sshd = await startSshd({ maxSessions })
  number += 1
  const host = lab.host(`few${number}`)
  await makeFiles(host.deployment, { 'data/own': 'own' })
  const parts = lab.dependencies()
  const { connect } = parts.pull
  const pull = {
    ...parts.pull,
    connect: async (to: HostConfig, until: AbortSignal) => {
      if (to.name !== host.name) return await connect(to, until)
      const resolveSecret = () => Promise.reject(new Error('no secrets here'))
      const remote = await connectSsh(
        { name: to.name, ssh: sshd.sshConfig() },
        { resolveSecret, signal: until },
      )
      if (!further) await sshd.stopListening()
      return remote
    },
  }
  return {
    host,
    parts: { ...parts, pull },
    files: async () => (await readdir(host.deployment, { recursive: true })).toSorted(),
    [Symbol.asyncDispose]: () => sshd[Symbol.asyncDispose](),
  }
}

describe.each([1, 2])('a server that opens %i sessions on a connection', (maxSessions) => {
  test.each(Object.entries(OPERATIONS))(
    'and lets in no further one: a %s is refused before anything is touched',
    async (_name, operate) => {
      await using there = await behind(maxSessions, { further: false })
      const before = await there.files()
      await expect(operate(there.host, there.parts)).rejects.toMatchObject({
        code: 'too-few-sessions',
        message: expect.stringContaining(`only ${maxSessions} session`) as string,
        details: { next: expect.stringContaining('MaxSessions') as string },
      })
      expect(await there.files()).toEqual(before)
    },
  )
})

test('a server that opens 1 session on a connection gets further ones for a migration', async () => {
  await using there = await behind(1, { further: true })
  expect(await OPERATIONS['migrate']?.(there.host, there.parts)).toBe('done')
})
