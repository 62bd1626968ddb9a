import { rm, truncate } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { rotateHost } from '../../../src/prune/rotate.ts'
import type { Snapshot, Vault } from '../../../src/vault/contract.ts'
import { makeDays, temporaryVault } from '../vault/fixtures.ts'

const DAY = 86_400_000
const monday = new Date('2025-11-17T02:00:00Z')
const now = new Date('2025-11-22T02:00:00Z')
const host = { name: 'prod', retention: { last: 2, safety: DAY }, sources: [] }

async function rotate(vault: Vault, dryRun = false) {
  await using lock = await vault.lock('prod')
  return await rotateHost(vault, lock, host, now, { dryRun })
}

const archive = (vault: Vault, snapshot: Snapshot) => vault.filePath(snapshot, 'logs.tar.zst.gpg')

test.each([
  ['is gone', (path: string) => rm(path), 'The file is gone'],
  ['is cut', (path: string) => truncate(path, 10), 'The file has 10 bytes'],
])('nothing is removed while an archive of a snapshot that stays %s', async (_how, damage, told) => {
  await using made = await temporaryVault()
  const days = await makeDays(made.vault, 'prod', monday, 4)
  const stays = days.at(-2)!
  await damage(archive(made.vault, stays))
  for (const dryRun of [true, false]) {
    const outcome = await rotate(made.vault, dryRun)
    expect(outcome.damaged).toBe(true)
    expect(outcome.paused).toContain(`${stays.id}/logs.tar.zst.gpg: ${told}`)
  }
  expect(await made.vault.snapshots('prod')).toHaveLength(4)
  expect((await made.vault.ledger('prod')).every(({ event }) => event === 'made')).toBe(true)
})

test('damage of a snapshot that goes does not hold rotation up', async () => {
  await using made = await temporaryVault()
  const days = await makeDays(made.vault, 'prod', monday, 4)
  await rm(archive(made.vault, days[0]!))
  const outcome = await rotate(made.vault)
  expect(outcome.paused).toBeUndefined()
  expect(outcome.removed.map(({ snapshot }) => snapshot)).toEqual([days[0]!.id, days[1]!.id])
  expect(await made.vault.snapshots('prod')).toHaveLength(2)
})

test('a rotation that is paused removes nothing, and one without the lock is refused', async () => {
  await using made = await temporaryVault()
  await makeDays(made.vault, 'prod', monday, 4)
  {
    await using lock = await made.vault.lock('prod')
    await made.vault.pauseRotation(lock, '20251120T020000Z', 'logs is gone', now)
  }
  expect(await rotate(made.vault)).toMatchObject({ paused: 'logs is gone' })
  expect(await made.vault.snapshots('prod')).toHaveLength(4)
  {
    await using lock = await made.vault.lock('prod')
    await made.vault.acceptRotation(lock, 'looked', now)
  }
  await expect(rotateHost(made.vault, undefined, host, now, { dryRun: false })).rejects.toThrow('the lock')
  expect(await rotateHost(made.vault, undefined, host, now, { dryRun: true })).toMatchObject({ kept: 2 })
  expect(await made.vault.snapshots('prod')).toHaveLength(4)
})
