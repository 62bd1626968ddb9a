import { rm, truncate, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { acceptDamage } from '../../../src/prune/accept-damage.ts'
import { rotateHost } from '../../../src/prune/rotate.ts'
import { completePulls, type Snapshot, type Vault } from '../../../src/vault/contract.ts'
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
    expect(outcome.next).toContain(`relay-backup prune prod --accept-loss ${stays.id}`)
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

test('a kept snapshot that lacked a file kept rotation waiting for good', async () => {
  await using made = await temporaryVault()
  const days = await makeDays(made.vault, 'prod', monday, 4)
  const lost = days[2]!
  await rm(archive(made.vault, lost))
  expect((await rotate(made.vault)).removed).toEqual([])
  {
    await using lock = await made.vault.lock('prod')
    await acceptDamage(made.vault, lock, [lost.id], now)
  }
  // It takes no place of a good one: two good ones stay beside it.
  const outcome = await rotate(made.vault)
  expect(outcome.paused).toBeUndefined()
  expect(outcome.decisions.map(({ id, action }) => [id, action])).toEqual([
    [days[0]!.id, 'remove'],
    [days[1]!.id, 'keep'],
    [lost.id, 'keep'],
    [days[3]!.id, 'keep'],
  ])
  // It goes when it would have gone.
  await using lock = await made.vault.lock('prod')
  await makeSnapshot(made.vault, lock, new Date('2025-11-21T02:00:00Z'))
  const later = await rotateHost(made.vault, lock, host, now, { dryRun: false })
  expect(later.removed).toEqual([
    { snapshot: days[1]!.id, why: 'outside of last 2' },
    { snapshot: lost.id, why: 'damaged, and its time is over' },
  ])
})

test('nothing that is whole is given up', async () => {
  await using made = await temporaryVault()
  const days = await makeDays(made.vault, 'prod', monday, 2)
  await rm(archive(made.vault, days[0]!))
  await using lock = await made.vault.lock('prod')
  for (const id of [days[1]!.id, '20240101T000000Z']) {
    await expect(acceptDamage(made.vault, lock, [days[0]!.id, id], now)).rejects.toMatchObject({
      code: 'not-damaged',
    })
  }
  expect((await made.vault.ledger('prod')).every(({ event }) => event === 'made')).toBe(true)
})

test('damage that was found by its hash pauses rotation as a file that is gone does', async () => {
  await using made = await temporaryVault()
  const days = await makeDays(made.vault, 'prod', monday, 4)
  const file = archive(made.vault, days[2]!)
  await writeFile(file, Buffer.alloc(1000))
  await made.vault.check('prod', { hashes: true, signal: never })
  expect((await rotate(made.vault)).paused).toContain('The content is not what was written')
})

/** A snapshot whose one source builds on these. */
async function makeChild(vault: Vault, at: Date, parents: readonly string[]): Promise<Snapshot> {
  await using lock = await vault.lock('prod')
  await using pending = await vault.begin(lock, () => at, never)
  const source = fakeSource('logs', [await writeArchive(pending, 'logs.tar.zst.gpg')])
  return await pending.commit(fakeManifest(pending, [{ ...source, mode: 'incremental', parents }]))
}

test.each(['snapshot', 'archive'])(
  'an incremental is no good one while the %s that it builds on is gone, and is given up with it',
  async (gone) => {
    await using made = await temporaryVault()
    const { vault } = made
    const days = await makeDays(vault, 'prod', monday, 2)
    const parent = days[1]!
    const children = [
      await makeChild(vault, new Date('2025-11-19T02:00:00Z'), [parent.id]),
      await makeChild(vault, new Date('2025-11-20T02:00:00Z'), [parent.id]),
    ]
    const path = archive(vault, parent)
    await rm(gone === 'archive' ? path : dirname(path), { recursive: true })
    const paused = await rotate(vault)
    expect(paused.paused).toContain(parent.id)
    expect(paused.next).toMatch(new RegExp(`--accept-loss ${parent.id}$`))
    {
      await using lock = await vault.lock('prod')
      await acceptDamage(vault, lock, [parent.id], now)
    }
    // The only good one stays, although two newer ones are there.
    const { decisions, paused: still } = await rotate(vault)
    expect(still).toBeUndefined()
    expect(decisions.find(({ id }) => id === days[0]!.id)?.action).toBe('keep')
    expect(decisions.find(({ id }) => id === children[1]!.id)?.reasons).toEqual([
      'damaged, and there is no newer good one',
    ])
    expect(completePulls(await vault.snapshots('prod')).map(({ id }) => id)).toEqual([days[0]!.id])
  },
)
