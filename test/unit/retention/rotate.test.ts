import { cp, readFile, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { rotateHost, type RotatedHost } from '../../../src/prune/rotate.ts'
import type { HostLock, Snapshot, Vault } from '../../../src/vault/contract.ts'
import {
  fakeManifest,
  fakeSource,
  makeDays,
  makeSnapshot,
  never,
  temporaryVault,
  writeArchive,
} from '../vault/fixtures.ts'

const DAY = 86_400_000
const monday = new Date('2025-11-17T02:00:00Z')
const now = new Date('2025-11-22T02:00:00Z')
const host = (last: number, sources: RotatedHost['sources'] = []): RotatedHost => ({
  name: 'prod',
  retention: { last, safety: 14 * DAY },
  sources,
})

/** The day after, one that builds on a full one. */
async function makeIncremental(vault: Vault, lock: HostLock, full: Snapshot | undefined): Promise<void> {
  await using pending = await vault.begin(lock, () => new Date(monday.getTime() + DAY), never)
  const source = fakeSource('logs', [await writeArchive(pending, 'logs.tar.zst.gpg')])
  await pending.commit(fakeManifest(pending, [{ ...source, mode: 'incremental', parents: [full?.id ?? ''] }]))
}

test('what an incremental needs is retired, stays whole, and goes together with it', async () => {
  await using made = await temporaryVault()
  const { vault } = made
  const [full] = await makeDays(vault, 'prod', monday, 1)
  await using lock = await vault.lock('prod')
  await makeIncremental(vault, lock, full)
  const first = await rotateHost(vault, lock, host(1), now, { dryRun: false })
  expect(first).toMatchObject({ kept: 1, removed: [], retired: [{ snapshot: full?.id }] })
  expect(await vault.snapshots('prod')).toHaveLength(1)
  expect(await vault.snapshots('prod', { retired: true })).toHaveLength(2)
  const lines = (await vault.ledger('prod')).length
  await rotateHost(vault, lock, host(1), now, { dryRun: false })
  expect(await vault.ledger('prod')).toHaveLength(lines)

  await makeSnapshot(vault, lock, new Date(monday.getTime() + 2 * DAY))
  const second = await rotateHost(vault, lock, host(1), now, { dryRun: false })
  expect(second.removed.map(({ snapshot }) => snapshot)).toContain(full?.id)
  expect(await vault.snapshots('prod', { retired: true })).toHaveLength(1)
  expect(await vault.check('prod', { hashes: true, signal: never })).toEqual([])
})

test('a retired snapshot comes back when the policy keeps it again, unless a part of it is gone', async () => {
  await using made = await temporaryVault()
  const { vault } = made
  const [full] = await makeDays(vault, 'prod', monday, 1)
  await using lock = await vault.lock('prod')
  await makeIncremental(vault, lock, full)
  const rotated = (last: number) => rotateHost(vault, lock, host(last), now, { dryRun: false })
  expect(await rotated(1)).toMatchObject({ kept: 1, retired: [{ snapshot: full?.id }], needed: 1 })
  expect(await rotated(1)).toMatchObject({ keptBy: [{ why: 'by last 1', count: 1 }], retired: [], needed: 1 })
  const back = await rotated(2)
  expect(back).toMatchObject({ kept: 2, needed: 0, reinstated: [{ snapshot: full?.id, why: 'last 2 of 2' }] })
  expect((await vault.snapshots('prod')).map(({ id }) => id)).toContain(full?.id)
  expect((await rotated(2)).reinstated).toEqual([])
  expect(await vault.check('prod', { hashes: true, signal: never })).toEqual([])

  await rotated(1)
  const [retired] = await vault.snapshots('prod', { retired: true })
  await vault.removeArchives(lock, retired!, [retired!.manifest.sources[0]!.archives[0]!.file], 'a test', now)
  expect(await rotated(2)).toMatchObject({ kept: 1, reinstated: [], needed: 1 })
})

test('a policy of a source removes its archives only, once, and the vault still checks', async () => {
  await using made = await temporaryVault()
  const { vault } = made
  await using lock = await vault.lock('prod')
  for (let day = 0; day < 3; day += 1) {
    await makeSnapshot(vault, lock, new Date(monday.getTime() + day * DAY), { sources: ['data', 'logs'] })
  }
  const policies = host(3, [{ name: 'data' }, { name: 'logs', retention: { last: 1, safety: DAY } }])
  await rotateHost(vault, lock, policies, now, { dryRun: false })
  const lines = (await vault.ledger('prod')).length
  expect((await vault.snapshots('prod')).map(({ removedFiles }) => [...removedFiles])).toEqual([
    ['logs.tar.zst.gpg'],
    ['logs.tar.zst.gpg'],
    [],
  ])
  expect(await vault.check('prod', { hashes: true, signal: never })).toEqual([])
  await rotateHost(vault, lock, policies, now, { dryRun: false })
  expect(await vault.ledger('prod')).toHaveLength(lines)
})

test('a snapshot that the ledger does not know is neither counted nor removed', async () => {
  await using made = await temporaryVault()
  const { vault } = made
  const [first, second] = await makeDays(vault, 'prod', monday, 2)
  await using lock = await vault.lock('prod')
  const directory = `${made.path}/prod`
  await cp(`${directory}/${second?.id}`, `${directory}/20251121T000000Z`, { recursive: true })
  const manifest = `${directory}/20251121T000000Z/manifest.json`
  await writeFile(manifest, (await readFile(manifest, 'utf8')).replace(second?.id ?? '', '20251121T000000Z'))
  const outcome = await rotateHost(vault, lock, host(1), now, { dryRun: false })
  expect(outcome.decisions.map(({ id, action }) => [id, action])).toEqual([
    ['20251121T000000Z', 'keep'],
    [first?.id, 'remove'],
    [second?.id, 'keep'],
  ])
})
