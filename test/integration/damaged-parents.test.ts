import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Snapshot } from '../../src/vault/contract.ts'
import { verifyVault } from '../../src/verify/verify-vault.ts'
import { IncrementalLab, signal } from './incremental-lab.ts'

const ARCHIVE = 'data.tar.zst.gpg'

async function labWithChain(): Promise<{ lab: IncrementalLab; snapshots: Snapshot[] }> {
  const lab = await IncrementalLab.start()
  await writeFile(join(lab.app, 'data/big.bin'), Buffer.alloc(100_000, 'x'))
  const snapshots: Snapshot[] = []
  for (const n of [1, 2, 3]) {
    await writeFile(join(lab.app, `data/file-${n}`), String(n))
    snapshots.push(await lab.pulled())
  }
  expect(modes(snapshots)).toEqual(['full', 'incremental', 'incremental'])
  return { lab, snapshots }
}

const modes = (snapshots: readonly Snapshot[]) => snapshots.map(({ manifest }) => manifest.sources[0]?.mode)

/** Flips a byte of an archive and gives the file its times back, as far as anybody can. */
async function flip(lab: IncrementalLab, snapshot: Snapshot, file = ARCHIVE): Promise<Buffer> {
  const path = lab.vault.filePath(snapshot, file)
  const good = await readFile(path)
  const { atime, mtime } = await stat(path)
  const bad = Buffer.from(good)
  bad[20] = (bad[20] ?? 0) ^ 1
  await writeFile(path, bad)
  await utimes(path, atime, mtime)
  return good
}

async function verify(lab: IncrementalLab) {
  const report = await verifyVault(lab.vault, [{ host: 'prod' }], {
    reporter: { event: () => {} },
    now: () => new Date(),
    signal,
  })
  return report.hosts.flatMap(({ problems }) => problems.map(({ code }) => code))
}

/** The next pull is full, says why, and the one behind it builds on it. */
async function insistOnFull(lab: IncrementalLab): Promise<void> {
  const full = await lab.pulled()
  expect(modes([full])).toEqual(['full'])
  expect(lab.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'chain-damaged' }))
  await writeFile(join(lab.app, 'data/another'), 'x')
  const next = await lab.pulled()
  expect(modes([next])).toEqual(['incremental'])
  expect(next.manifest.sources[0]?.parents).toEqual([full.id])
}

describe('a pull stacked on a damaged parent', () => {
  test('a flipped byte in the newest archive is seen by the next pull itself', async () => {
    const { lab, snapshots } = await labWithChain()
    await using _ = lab
    await flip(lab, snapshots[2] as Snapshot)
    await insistOnFull(lab)
    const damaged = (await lab.all()).filter(({ damage }) => damage !== undefined)
    expect(damaged).toMatchObject([
      { id: snapshots[2]?.id, damage: [{ file: ARCHIVE, code: 'hash-differs' }] },
    ])
  })

  test('a parent far back whose directory is gone is seen, too', async () => {
    const { lab, snapshots } = await labWithChain()
    await using _ = lab
    await rm(join(lab.path, 'vault/prod', (snapshots[0] as Snapshot).id), { recursive: true })
    await insistOnFull(lab)
  })

  test('an archive is not read again while it looks as it did', async () => {
    const { lab, snapshots } = await labWithChain()
    await using _ = lab
    let read = 0
    const { vault } = lab
    const check = vault.check.bind(vault)
    vault.check = (host, options) => check(host, { ...options, onBytes: (bytes) => (read += bytes) })
    await lab.pulled()
    expect(read).toBe(0)
    // Its content is as it was, and that has to be read.
    const path = lab.vault.filePath(snapshots[1] as Snapshot, ARCHIVE)
    await writeFile(path, await readFile(path))
    expect(modes([await lab.pulled()])).toEqual(['incremental'])
    expect(read).toBe((await stat(path)).size)
    // And only once.
    await lab.pulled()
    expect(read).toBe((await stat(path)).size)
  })
})

describe('damage is remembered', () => {
  test('what verify found makes the next pull full, and verify of the repaired file forgets it', async () => {
    const { lab, snapshots } = await labWithChain()
    await using _ = lab
    // The index is no archive that an incremental needs; its snapshot is damaged all the same.
    const good = await flip(lab, snapshots[1] as Snapshot, 'data.index.jsonl.zst.gpg')
    expect(await verify(lab)).toEqual(['hash-differs'])
    await writeFile(lab.vault.filePath(snapshots[1] as Snapshot, 'data.index.jsonl.zst.gpg'), good)
    expect(modes([await lab.pulled({ rotate: false })])).toEqual(['full'])
    expect(await verify(lab)).toEqual([])
    expect((await lab.all()).every(({ damage }) => damage === undefined)).toBe(true)
  })

  test('what is repaired before the next pull costs no full', async () => {
    const { lab, snapshots } = await labWithChain()
    await using _ = lab
    const newest = snapshots[2] as Snapshot
    const good = await flip(lab, newest)
    expect(await verify(lab)).toEqual(['hash-differs'])
    await writeFile(lab.vault.filePath(newest, ARCHIVE), good)
    expect(await verify(lab)).toEqual([])
    expect(modes([await lab.pulled()])).toEqual(['incremental'])
  })

  test('the same damage is written down once', async () => {
    const { lab, snapshots } = await labWithChain()
    await using _ = lab
    await flip(lab, snapshots[2] as Snapshot)
    for (let times = 0; times < 3; times += 1) await verify(lab)
    const log = await readFile(join(lab.path, 'vault/prod/damage.jsonl'), 'utf8')
    expect(log.trimEnd().split('\n')).toHaveLength(1)
  })
})
