import { cp } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { freshEnough } from '../../../src/pull/freshness.ts'
import { rotateHost } from '../../../src/prune/rotate.ts'
import { completePulls } from '../../../src/vault/contract.ts'
import { resolveSnapshot } from '../../../src/vault/resolve-snapshot.ts'
import { makeDays, makeSnapshot, temporaryVault } from './fixtures.ts'

const DAY = 86_400_000
const monday = new Date('2025-11-17T02:00:00Z')
const at = (days: number) => new Date(monday.getTime() + days * DAY)

/** Two days, one pull with a clock a year ahead, and two more days. */
async function vaultWithFuture() {
  const made = await temporaryVault()
  const ids = (await makeDays(made.vault, 'prod', monday, 2)).map(({ id }) => id)
  {
    await using lock = await made.vault.lock('prod')
    ids.push((await makeSnapshot(made.vault, lock, at(367))).id)
  }
  ids.push(...(await makeDays(made.vault, 'prod', at(2), 2)).map(({ id }) => id))
  return { ...made, ids }
}

test('a snapshot from the future is latest until the next one was made, and no longer', async () => {
  await using made = await vaultWithFuture()
  const { vault, ids } = made
  expect((await vault.snapshots('prod')).map(({ id }) => id)).toEqual(ids)
  expect((await resolveSnapshot(vault, 'prod/latest')).id).toBe(ids[4])
  expect((await resolveSnapshot(vault, 'prod/latest~2')).id).toBe(ids[2])
})

test('freshness is that of the last one made, also in the days that a wrong clock had named', async () => {
  await using made = await vaultWithFuture()
  const snapshots = await made.vault.snapshots('prod')
  expect(freshEnough(snapshots, DAY, at(3.5))).toBe(DAY / 2)
  expect(freshEnough(snapshots, DAY, at(367.1))).toBeUndefined()
  expect(freshEnough(snapshots.slice(0, 3), DAY, at(3))).toBeUndefined()
})

test('retention: a date of the future pushes no good one out, neither before nor after it has come', async () => {
  await using made = await vaultWithFuture()
  const { vault, ids } = made
  const keepTwo = { name: 'prod', retention: { last: 2, safety: DAY }, sources: [] }
  const kept = async (now: Date) => {
    const { decisions } = await rotateHost(vault, undefined, keepTwo, now, { dryRun: true })
    return decisions.flatMap(({ id, action }) => (action === 'keep' ? [id] : []))
  }
  expect(await kept(at(4))).toEqual([ids[2], ids[3], ids[4]])
  expect(await kept(at(400))).toEqual([ids[3], ids[4]])
})

test('a directory that was copied in is never the latest', async () => {
  await using made = await temporaryVault()
  await using other = await temporaryVault()
  const [foreign] = await makeDays(other.vault, 'prod', at(1), 1)
  const [own] = await makeDays(made.vault, 'prod', monday, 1)
  await cp(`${other.path}/prod/${foreign?.id}`, `${made.path}/prod/${foreign?.id}`, { recursive: true })
  const snapshots = await made.vault.snapshots('prod')
  expect(snapshots).toHaveLength(2)
  expect(completePulls(snapshots).at(-1)?.id).toBe(own?.id)
})
