import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DamageError, UsageError, VaultError } from '../../../src/errors.ts'
import { parseAddress } from '../../../src/look/address.ts'
import { extractSnapshot } from '../../../src/look/extract.ts'
import { checkFiles } from '../../../src/restore/archives.ts'
import type { RestoreDependencies } from '../../../src/restore/dependencies.ts'
import { rememberDamage } from '../../../src/restore/remember-damage.ts'
import type { Vault } from '../../../src/vault/contract.ts'
import { fakeSnapshot, made as member } from '../look/fake-source.ts'
import { makeDays, never, temporaryDirectory, temporaryVault } from '../vault/fixtures.ts'

const monday = new Date('2025-11-17T02:00:00Z')
const FILE = 'logs.tar.zst.gpg'
const met = new DamageError('archive-damaged', 'it is damaged', { next: 'Choose another.' })

/** A vault whose one snapshot lacks its archive. Nothing can be written down where a directory lies in the way. */
async function damagedVault({ writable }: { readonly writable: boolean }) {
  const made = await temporaryVault()
  const [snapshot] = await makeDays(made.vault, 'prod', monday, 1)
  await rm(made.vault.filePath(snapshot!, FILE))
  if (!writable) await mkdir(join(made.path, 'prod', 'damage.jsonl'))
  return { made, vault: made.vault, files: [{ snapshot: snapshot!, file: FILE }] }
}

test('damage that was met is written down', async () => {
  const { made, vault, files } = await damagedVault({ writable: true })
  await using _ = made
  expect(await rememberDamage(files, met, { vault }, never)).toBe(met)
  expect((await vault.snapshots('prod'))[0]?.damage).toMatchObject([{ file: FILE, code: 'missing-file' }])
})

test('damage that can not be written down says so', async () => {
  const { made, vault, files } = await damagedVault({ writable: false })
  await using _ = made
  const told = await rememberDamage(files, met, { vault }, never)
  expect(told).toMatchObject({
    code: 'archive-damaged',
    message: 'it is damaged',
    details: {
      next: expect.stringMatching(
        /^Choose another\. The vault will forget this damage \(.+\): .+ run: relay-backup verify prod$/,
      ) as string,
    },
  })
  const pull = { vault } as RestoreDependencies['pull']
  await expect(checkFiles(files, { pull, hashes: false, signal: never })).rejects.toMatchObject({
    details: { next: expect.stringContaining('The vault will forget this damage') as string },
  })
})

test('a vault that can not be looked at says so; what is no damage is not looked for', async () => {
  const { made, files } = await damagedVault({ writable: true })
  await using _ = made
  const vault: Pick<Vault, 'check'> = {
    check: () => Promise.reject(new VaultError('unreadable', 'no permission')),
  }
  const told = await rememberDamage(files, met, { vault }, never)
  expect(told).toMatchObject({ details: { next: expect.stringContaining('(no permission)') as string } })
  const other = new UsageError('nothing is damaged')
  expect(await rememberDamage(files, other, { vault }, never)).toBe(other)
})

test('an extraction that meets damage says that it could not be written down', async () => {
  await using root = await temporaryDirectory()
  const { snapshot, dependencies } = fakeSnapshot({
    data: [member('data/a', { content: 'a' }), member('data/b', { content: 'b' })],
  })
  const problem = { host: 'prod', code: 'not-remembered', message: 'no permission' }
  const vault = {
    ...dependencies.vault,
    look: (_snapshot: unknown, file: string) =>
      Promise.resolve(file.includes('.index.') ? 'there' : undefined),
    check: () => Promise.resolve([problem]),
  } as unknown as Vault
  const request = {
    snapshot,
    to: join(root.path, 'to'),
    overwrite: false,
    addresses: [parseAddress('data:')],
  }
  const { failed } = await extractSnapshot(request, { ...dependencies, vault }, never)
  expect(failed.map(({ error }) => error.code)).toEqual(['missing-file', 'missing-file'])
  for (const { error } of failed)
    expect(error.details.next).toContain('will forget this damage (no permission)')
})
