import { hash } from 'node:crypto'
import fs, { rm } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { HostLock, Snapshot, Vault } from '../../../src/vault/contract.ts'
import { openExistingVault, openVault } from '../../../src/vault/open-vault.ts'
import { DEATHS, DyingDisk, restoreImage } from './dying-disk.ts'
import type { Death, Image } from './dying-disk.ts'
import { makeSnapshot, never, temporaryDirectory } from './fixtures.ts'

// In Node's own module, which every module has, also one that another test file of this process has loaded.
const real = { ...fs }
const disk = new DyingDisk()
const put = (functions: typeof real): void => {
  Object.assign(fs, functions)
  syncBuiltinESMExports()
}
beforeAll(() => put(disk.watch(real)))
afterAll(() => put(real))

const monday = new Date('2025-11-17T02:00:00Z')
const later = (days: number) => new Date(monday.getTime() + days * 86_400_000)

interface Grave {
  readonly step: string
  readonly death: Death
  readonly image: Image | undefined
}

/** Does something to a vault, dies in every way after each step of it, and looks at what each death left. */
async function dying(
  prepare: (vault: Vault, lock: HostLock) => Promise<Snapshot[]>,
  act: (vault: Vault, lock: HostLock, made: Snapshot[]) => Promise<unknown>,
  look: (vault: Vault, where: string, over: boolean) => Promise<void>,
): Promise<string[]> {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'vault')
  const vault = await openVault(path)
  const graves: Grave[] = []
  {
    await using lock = await vault.lock('prod')
    const made = await prepare(vault, lock)
    const bury = (step: string) => {
      for (const death of DEATHS) graves.push({ step, death, image: disk.image(path, death) })
    }
    await disk.during(bury, () => act(vault, lock, made))
  }
  const looked = new Set<string>()
  for (const [at, { step, death, image }] of graves.entries()) {
    const over = at >= graves.length - DEATHS.length
    // Most steps change nothing of what most deaths leave.
    const same = `${over} ${fingerprint(image)}`
    if (looked.has(same)) continue
    looked.add(same)
    const where = `${death} after ${step} (step ${Math.floor(at / DEATHS.length)})`
    if (image === undefined) throw new Error(`${where}: the vault is gone`)
    const found = join(directory.path, `found-${at}`)
    restoreImage(image, found)
    const left = await openExistingVault(found)
    if (left === undefined) throw new Error(`${where}: it is no vault`)
    await look(left, where, over)
    await rm(found, { recursive: true })
  }
  return graves.map(({ step }) => step)
}

function fingerprint(image: Image | undefined): string {
  if (image === undefined) return ''
  if (Buffer.isBuffer(image)) return hash('sha256', image)
  const entries = [...(image as ReadonlyMap<string, Image>)].map(
    ([name, each]) => `${name} ${fingerprint(each)}`,
  )
  return hash('sha256', entries.sort().join('\n'))
}

const codes = async (vault: Vault) =>
  (await vault.check('prod', { hashes: true, signal: never })).map(({ code }) => code)

const ids = async (vault: Vault) => (await vault.snapshots('prod')).map(({ id }) => id)

/** The next run succeeds, and leaves a vault without a fault. */
async function nextRun(vault: Vault, where: string): Promise<void> {
  await using lock = await vault.lock('prod')
  const next = await makeSnapshot(vault, lock, later(30), { sources: ['data', 'logs'] })
  expect(await codes(vault), where).toEqual([])
  expect(await ids(vault), where).toContain(next.id)
}

test('whenever a commit dies, what was there is whole, and what was reported as made stays', async () => {
  const before: string[] = []
  const steps = await dying(
    async (vault, lock) => {
      const made = await makeSnapshot(vault, lock, monday, { sources: ['data', 'logs'] })
      before.push(made.id)
      return [made]
    },
    (vault, lock) => makeSnapshot(vault, lock, later(1), { sources: ['data', 'logs'] }),
    async (vault, where, over) => {
      expect(await ids(vault), where).toEqual(expect.arrayContaining(before))
      if (over) expect(await ids(vault), where).toHaveLength(2)
      // At most the snapshot whose ledger line did not come any more.
      expect(['', 'unknown-snapshot'], where).toContain((await codes(vault)).join())
      await nextRun(vault, where)
    },
  )
  expect(steps.length).toBeGreaterThan(30)
})

test('whenever the first commit of a host dies, the next one succeeds', async () => {
  await dying(
    () => Promise.resolve([]),
    (vault, lock) => makeSnapshot(vault, lock, monday),
    async (vault, where, over) => {
      if (over) expect(await ids(vault), where).toHaveLength(1)
      await nextRun(vault, where)
    },
  )
})

test('whenever a removal dies, no file is gone that the ledger does not know to be removed', async () => {
  await dying(
    async (vault, lock) => [
      await makeSnapshot(vault, lock, monday, { sources: ['data', 'logs'] }),
      await makeSnapshot(vault, lock, later(1), { sources: ['data', 'logs'] }),
    ],
    async (vault, lock, [first]) => {
      if (first === undefined) throw new Error('no snapshot')
      await vault.remove(lock, first, 'test', later(2))
    },
    async (vault, where, over) => {
      expect(await codes(vault), where).toEqual([])
      if (over) expect(await ids(vault), where).toHaveLength(1)
      await nextRun(vault, where)
    },
  )
})

test('whenever a removal of single archives dies, no archive is gone that the ledger does not know', async () => {
  await dying(
    async (vault, lock) => [await makeSnapshot(vault, lock, monday, { sources: ['data', 'logs'] })],
    async (vault, lock, [first]) => {
      if (first === undefined) throw new Error('no snapshot')
      await vault.removeArchives(lock, first, ['logs.tar.zst.gpg'], 'test', later(1))
    },
    async (vault, where) => {
      expect(await codes(vault), where).toEqual([])
      await nextRun(vault, where)
    },
  )
})
