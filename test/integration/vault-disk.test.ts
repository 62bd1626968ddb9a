import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, expect, test } from 'vitest'
import { errorCode } from '../../src/vault/durable.ts'
import { openVault } from '../../src/vault/open-vault.ts'
import { fakeManifest, fakeSource, makeDays, never, writeArchive } from '../unit/vault/fixtures.ts'

const monday = new Date('2025-11-17T02:00:00Z')

/** A real file system of this size, for disks that are full or read-only. */
async function smallDisk(bytes: number): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'relay-backup-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path])
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      execFileSync('umount', ['-l', path])
      await rmdir(path)
    },
  }
}

/** Writes until nothing fits any more. */
async function fill(path: string): Promise<void> {
  await using file = await open(path, 'w')
  for (const size of [65_536, 4096, 1]) {
    for (;;) {
      try {
        await file.appendFile(Buffer.alloc(size))
      } catch (error) {
        if (errorCode(error) !== 'ENOSPC') throw error
        break
      }
    }
  }
}

// Only root may mount.
describe.skipIf(process.getuid?.() !== 0)('a real file system', () => {
  test('a full disk is a clear error with the space that is free, and costs nothing that was there', async () => {
    await using disk = await smallDisk(1024 * 1024)
    const vault = await openVault(join(disk.path, 'vault'))
    const before = await makeDays(vault, 'prod', monday, 2)
    await using lock = await vault.lock('prod')
    {
      await using pending = await vault.begin(lock, () => new Date('2025-11-20T00:00:00Z'), never)
      const file = await pending.createFile('logs.tar.zst.gpg')
      const chunks = Array.from({ length: 40 }, () => randomBytes(65_536))
      await expect(pipeline(Readable.from(chunks), file.stream)).rejects.toMatchObject({
        name: 'VaultError',
        code: 'disk-full',
        message: expect.stringMatching(
          /^disk full: .*logs\.tar\.zst\.gpg \(the vault\) has .* free, and needs more$/,
        ) as string,
        details: { next: expect.stringContaining('Free some space') as string },
      })
    }
    expect((await vault.snapshots('prod')).map(({ id }) => id)).toEqual(before.map(({ id }) => id))
    expect(await vault.check('prod', { hashes: true, signal: never })).toEqual([])
    await using pending = await vault.begin(lock, () => new Date('2025-11-20T00:00:00Z'), never)
    const archive = await writeArchive(pending, 'logs.tar.zst.gpg')
    await pending.commit(fakeManifest(pending, [fakeSource('logs', [archive])]))
    expect(await vault.check('prod', { hashes: true, signal: never })).toEqual([])
  })

  test('a disk that fills up right before the commit makes no snapshot', async () => {
    await using disk = await smallDisk(1024 * 1024)
    const vault = await openVault(join(disk.path, 'vault'))
    await using lock = await vault.lock('prod')
    {
      await using pending = await vault.begin(lock, () => monday, never)
      const archive = await writeArchive(pending, 'logs.tar.zst.gpg')
      await fill(join(disk.path, 'ballast'))
      await expect(
        pending.commit(fakeManifest(pending, [fakeSource('logs', [archive])])),
      ).rejects.toMatchObject({ code: 'disk-full' })
    }
    expect(await vault.snapshots('prod')).toEqual([])
    expect(await vault.check('prod', { hashes: true, signal: never })).toEqual([])
  })

  test('snapshots can be removed from a full disk', async () => {
    await using disk = await smallDisk(1024 * 1024)
    const vault = await openVault(join(disk.path, 'vault'))
    const [first, second] = await makeDays(vault, 'prod', monday, 3)
    if (first === undefined || second === undefined) throw new Error('no snapshot')
    await using lock = await vault.lock('prod')
    await vault.remove(lock, first, 'test', monday)
    await fill(join(disk.path, 'ballast'))
    await vault.remove(lock, second, 'test', monday)
    expect(await vault.snapshots('prod')).toHaveLength(1)
    expect(await vault.check('prod', { hashes: true, signal: never })).toEqual([])
  })

  test('a read-only vault can be read, and says so when it is to be written', async () => {
    await using disk = await smallDisk(1024 * 1024)
    const path = join(disk.path, 'vault')
    await makeDays(await openVault(path), 'prod', monday, 1)
    execFileSync('mount', ['-o', 'remount,ro', disk.path])
    const vault = await openVault(path)
    expect(await vault.snapshots('prod')).toHaveLength(1)
    expect(await vault.check('prod', { hashes: true, signal: never })).toEqual([])
    await expect(vault.lock('prod')).rejects.toMatchObject({ code: 'vault-read-only' })
  })
})
