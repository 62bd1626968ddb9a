import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openVault } from '../../../src/vault/open-vault.ts'
import { placeFindings, syncedBy } from '../../../src/vault/suitable.ts'
import { tempDir } from '../../lab/temp.ts'

test.each([
  ['/home/me/Dropbox/vault', {}, 'Dropbox'],
  ['/home/me/OneDrive - ACME/vault', {}, 'OneDrive'],
  ['/Users/me/Library/Mobile Documents/com~apple~CloudDocs/vault', {}, 'iCloud'],
  ['/Users/me/Library/CloudStorage/GoogleDrive-me@example.com/vault', {}, 'Google Drive'],
  ['/home/me/Sync/vault', { '/home/me/Sync': ['.stfolder'] }, 'Syncthing'],
  ['/home/me/stuff/vault', { '/home/me/stuff': ['.dropbox'] }, 'Dropbox'],
  ['/home/me/vault', { '/home/me': ['.stfolder-not', 'toString'] }, undefined],
  ['/home/me/dropbox-copies/vault', {}, undefined],
] as const)(
  '%s is synced by %s',
  async (path, files: Readonly<Record<string, readonly string[]>>, service) => {
    expect(await syncedBy(path, (directory) => Promise.resolve(files[directory] ?? []))).toBe(service)
  },
)

test('a vault on a good file system: nothing is found, nothing stays, and no vault is made', async () => {
  await using temp = await tempDir('suitable-')
  const vault = join(temp.path, 'deep', 'vault')
  expect(await placeFindings(vault)).toEqual([])
  expect(await readdir(temp.path)).toEqual([])
  await mkdir(join(temp.path, 'deep'))
  await openVault(vault)
  const before = await readdir(temp.path, { recursive: true })
  expect(await placeFindings(vault)).toEqual([])
  expect(await readdir(temp.path, { recursive: true })).toEqual(before)
})
