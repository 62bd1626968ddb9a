import { randomBytes } from 'node:crypto'
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { ScratchBytes } from '../../src/archive/scratch-bytes.ts'
import { Destination } from '../../src/look/destination.ts'
import { pullHost } from '../../src/pull/pull-host.ts'
import { openListingStore } from '../../src/state/listing-store.ts'
import type { Snapshot } from '../../src/vault/contract.ts'
import { openVault } from '../../src/vault/open-vault.ts'
import { mountTmpfs } from '../lab/tmpfs.ts'
import { signal } from './incremental-lab.ts'
import { makeFiles, RestoreHostsLab } from './restore-hosts-lab.ts'

const BYTES = 3_000_000

let lab: RestoreHostsLab
let snapshot: Snapshot
let disk: Awaited<ReturnType<typeof mountTmpfs>>
beforeAll(async () => {
  lab = await RestoreHostsLab.start()
  await writeFile(join(lab.lab.app, 'data', 'noise'), randomBytes(BYTES))
  snapshot = await lab.lab.pulled({ full: true })
})
afterAll(() => lab[Symbol.asyncDispose]())
beforeEach(async () => {
  disk = await mountTmpfs(join(lab.lab.path, 'disk'), '12m')
})
afterEach(() => disk[Symbol.asyncDispose]())

/** Leaves so many bytes. */
async function fill(left: number): Promise<void> {
  const { bavail, bsize } = await statfs(disk.path)
  await writeFile(join(disk.path, 'ballast'), Buffer.alloc(Math.max(0, bavail * bsize - left)))
}

const onDisk = () => lab.host('target', { deployment: join(disk.path, 'app') })

/** The disk fills up between the plan and the deed. */
const restoreWith = (left: number) =>
  lab.restore(snapshot, onDisk(), {}, { confirm: () => fill(left).then(() => true) })

const words = (text: RegExp) => expect.stringMatching(text) as string

test('a server whose disk fills up while it unpacks says so, where, and how much is missing', async () => {
  await expect(restoreWith(1_000_000)).rejects.toMatchObject({
    code: 'disk-full',
    message: words(
      /^disk full on local: \S+\/restore-\S+ has \S+ \S+ free, and needs about [12]\.\d MiB more$/,
    ),
    details: {
      stderr: words(/tar: .*(?:No space left|Wrote only)/),
      next: words(/rollback --host local --discard/),
    },
  })
})

test('a server whose disk is full before anything is made says so', async () => {
  await mkdir(onDisk().deployment)
  await expect(restoreWith(0)).rejects.toMatchObject({
    message: words(/^disk full on local: .*, and needs/),
  })
})

test('a full vault says so at a safety snapshot, with the way without one', async () => {
  const vault = await openVault(join(disk.path, 'vault'))
  const host = lab.host('crowded')
  await makeFiles(host.deployment, { 'data/own': 'own' })
  await writeFile(join(host.deployment, 'data', 'noise'), randomBytes(BYTES))
  const restoring = lab.dependencies()
  await fill(500_000)
  const pull = { ...restoring.pull, vault }
  const found = await lab.lab.vault.snapshots('prod')
  vault.snapshots = (name) => (name === 'prod' ? Promise.resolve(found) : Promise.resolve([]))
  vault.filePath = lab.lab.vault.filePath.bind(lab.lab.vault)
  await expect(lab.restore(snapshot, host, {}, { pull })).rejects.toMatchObject({
    code: 'safety-failed',
    message: words(/^the safety snapshot failed: disk full: \S+ \(the vault\) has .* free, and needs more/),
    details: { next: words(/Free some space .*--no-safety/) },
  })
})

test('a full vault says at a pull how much is still to come', async () => {
  const vault = await openVault(join(disk.path, 'vault'))
  const pull = { ...lab.dependencies().pull, vault }
  const options = { rotate: false, full: true }
  expect((await pullHost(lab.lab.host, options, pull, signal)).outcome).toBe('done')
  await fill(1_000_000)
  lab.lab.passDays(1)
  const report = await pullHost(lab.lab.host, options, pull, signal)
  expect(report.error).toMatchObject({
    code: 'disk-full',
    message: words(/^disk full: \S+ \(the vault\) has .* free, and needs more: about [12]\.\d MiB of data/),
    details: { stderr: words(/ENOSPC/) },
  })
  await rm(join(disk.path, 'ballast'))
})

test('a full vault says at the first pull what the source holds, and how much of it is still to come', async () => {
  const vault = await openVault(join(disk.path, 'first'))
  const pull = { ...lab.dependencies().pull, vault }
  await fill(1_000_000)
  lab.lab.passDays(1)
  const report = await pullHost(lab.lab.host, { rotate: false, full: true }, pull, signal)
  expect(report.error).toMatchObject({
    code: 'disk-full',
    message: words(
      /has .* free, and needs more: data holds 2\.9 MiB, of which [12]\.\d MiB are still to come, before compression$/,
    ),
  })
})

test('an extraction whose disk fills up says where, and what did not fit', async () => {
  const destination = await Destination.open(join(disk.path, 'out'), { overwrite: false })
  await using _out = destination
  await using file = await destination.file()
  await fill(0)
  await expect(file.write(randomBytes(300_000))).rejects.toMatchObject({
    code: 'disk-full',
    message: words(
      /^disk full: \S+\/out \(the destination\) has 0 B free, and needs \S+ KiB at once, and perhaps more$/,
    ),
    details: { next: words(/--to/), stderr: words(/ENOSPC/) },
  })
})

test('a full state directory costs no pull, and says so', async () => {
  const listings = openListingStore(join(disk.path, 'state'))
  await fill(0)
  lab.lab.events.length = 0
  const pull = { ...lab.dependencies().pull, listings }
  lab.lab.passDays(1)
  expect((await pullHost(lab.lab.host, { rotate: false }, pull, signal)).outcome).toBe('done')
  expect(lab.lab.events).toContainEqual(
    expect.objectContaining({
      type: 'warning',
      message: words(/disk full: \S+state\S* \(the state directory\) has 0 B free/),
    }),
  )
})

test('scratch data that finds no room says where', async () => {
  await fill(0)
  await using scratch = new ScratchBytes(join(disk.path, 'scratch'))
  expect(() => scratch.append(randomBytes(100_000))).toThrow(
    /^disk full: \S+\/scratch \(scratch data in the vault\) has 0 B free, and needs 97\.7 KiB at once, and perhaps more$/,
  )
})
