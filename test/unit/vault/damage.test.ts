import { createHash } from 'node:crypto'
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Manifest } from '../../../src/model/snapshot.ts'
import type { Snapshot, Vault } from '../../../src/vault/contract.ts'
import { serializeManifest } from '../../../src/vault/manifest.ts'
import { makeDays, makeSnapshot, never, temporaryVault } from './fixtures.ts'

const monday = new Date('2025-11-17T02:00:00Z')
const hashOf = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')

async function found(vault: Vault): Promise<string[]> {
  const problems = await vault.check('prod', { hashes: true, signal: never })
  return problems.map(({ snapshot, code, file }) => `${snapshot ?? ''} ${code} ${file ?? ''}`.trim())
}

/** Three days, the first of them removed. */
async function threeDays(vault: Vault): Promise<readonly [Snapshot, Snapshot, Snapshot]> {
  const [first, second, third] = await makeDays(vault, 'prod', monday, 3)
  if (!first || !second || !third) throw new Error('no snapshot')
  await using lock = await vault.lock('prod')
  await vault.remove(lock, first, 'test', monday)
  return [first, second, third]
}

/** Writes another manifest into a snapshot, with the checksum of it, and has the ledger know it. */
async function forge(made: { readonly path: string }, snapshot: Snapshot, manifest: Manifest): Promise<void> {
  const host = join(made.path, 'prod')
  const bytes = serializeManifest(manifest)
  await writeFile(join(host, snapshot.id, 'manifest.json'), bytes)
  const sums = join(host, snapshot.id, 'SHA256SUMS')
  const text = await readFile(sums, 'utf8')
  await writeFile(sums, text.replace(snapshot.manifestHash, hashOf(bytes)))
  const ledger = join(host, 'ledger.jsonl')
  let previous: string | null = null
  const lines = (await readFile(ledger, 'utf8')).trimEnd().split('\n')
  const chained = lines.map((line) => {
    const record = JSON.parse(line.replaceAll(snapshot.manifestHash, hashOf(bytes))) as object
    const next = JSON.stringify({ ...record, previous })
    previous = hashOf(next)
    return `${next}\n`
  })
  await writeFile(ledger, chained.join(''))
}

describe('check', () => {
  test('a removed snapshot whose manifest is gone is damage: the record of it is lost', async () => {
    await using made = await temporaryVault()
    const [first] = await threeDays(made.vault)
    await rm(join(made.path, 'prod', 'removed', `${first.id}.json`))
    expect(await found(made.vault)).toEqual([`${first.id} missing-record removed/${first.id}.json`])
  })

  test('a removed snapshot whose manifest was edited is damage', async () => {
    await using made = await temporaryVault()
    const [first] = await threeDays(made.vault)
    const file = join(made.path, 'prod', 'removed', `${first.id}.json`)
    await writeFile(file, (await readFile(file, 'utf8')).replace('x86_64', 'sparc64'))
    expect(await found(made.vault)).toEqual([`${first.id} manifest-differs removed/${first.id}.json`])
  })

  test('a manifest that follows another snapshot than the ledger says is damage', async () => {
    await using made = await temporaryVault()
    const [, , third] = await threeDays(made.vault)
    await forge(made, third, { ...third.manifest, previous: 'a'.repeat(64) })
    expect(await found(made.vault)).toEqual([`${third.id} chain-broken manifest.json`])
    await forge(
      made,
      { ...third, manifestHash: (await made.vault.snapshots('prod')).at(-1)!.manifestHash },
      {
        ...third.manifest,
        previous: null,
      },
    )
    expect(await found(made.vault)).toEqual([`${third.id} chain-broken manifest.json`])
  })

  test('a manifest that is none, recorded as such, is damage of its own kind', async () => {
    await using made = await temporaryVault()
    const [, , third] = await threeDays(made.vault)
    await forge(made, third, { ...third.manifest, complete: 'yes' } as unknown as Manifest)
    expect(await found(made.vault)).toEqual([`${third.id} manifest-damaged manifest.json`])
  })

  test('a manifest that is cut is damage, and the files of its snapshot are not guessed at', async () => {
    await using made = await temporaryVault()
    const [, , third] = await threeDays(made.vault)
    await writeFile(made.vault.filePath(third, 'manifest.json'), '{"format":2,')
    expect(await found(made.vault)).toEqual([
      `${third.id} manifest-differs manifest.json`,
      `${third.id} manifest-damaged manifest.json`,
    ])
  })

  test.each([
    ['of an archive', 'logs.tar.zst.gpg'],
    ['of the manifest', 'manifest.json'],
  ])('a checksum file that is wrong about the hash %s is damage', async (_what, name) => {
    await using made = await temporaryVault()
    const [, , third] = await threeDays(made.vault)
    const sums = made.vault.filePath(third, 'SHA256SUMS')
    const good = await readFile(sums, 'utf8')
    const lines = good.split('\n')
    const others = lines.filter((line) => !line.endsWith(name))
    for (const bad of [`${'0'.repeat(64)}  ${name}\n${others.join('\n')}`, others.join('\n')]) {
      await writeFile(sums, bad)
      expect(await found(made.vault)).toEqual([`${third.id} sums-differ SHA256SUMS`])
    }
    await rm(sums)
    expect(await found(made.vault)).toEqual([`${third.id} missing-file SHA256SUMS`])
  })
})

describe('what a crash left unrecorded', () => {
  test('a whole directory whose manifest follows another snapshot is never adopted', async () => {
    await using made = await temporaryVault()
    const [first, second] = await makeDays(made.vault, 'prod', monday, 2)
    if (!first || !second) throw new Error('no snapshot')
    const ledger = join(made.path, 'prod', 'ledger.jsonl')
    // As if it were copied here from a vault that had another snapshot before it.
    const host = join(made.path, 'prod')
    await writeFile(ledger, `${(await readFile(ledger, 'utf8')).split('\n')[0]}\n`)
    const file = join(host, second.id, 'manifest.json')
    const bytes = (await readFile(file, 'utf8')).replace(first.manifestHash, 'b'.repeat(64))
    await writeFile(file, bytes)
    await using lock = await made.vault.lock('prod')
    const third = await makeSnapshot(made.vault, lock, new Date('2025-11-20T02:00:00Z'))
    expect(third.manifest.previous).toBe(first.manifestHash)
    expect(
      (await made.vault.ledger('prod')).map((record) => 'snapshot' in record && record.snapshot),
    ).toEqual([first.id, third.id])
    expect(await found(made.vault)).toEqual([`${second.id} unknown-snapshot`])
  })

  test("a whole directory of another host's, or under another id, is never adopted", async () => {
    await using made = await temporaryVault()
    const [other] = await makeDays(made.vault, 'other', monday, 1)
    const [id, another] = [other?.id ?? '', '20251118T020000Z']
    const from = join(made.path, 'other', id)
    for (const [host, to] of [
      ['new', id],
      ['other', another],
    ] as const) {
      await cp(from, join(made.path, host, to), { recursive: true })
      // No other snapshot: what is here follows nothing, and so it seems to be the next one.
      if (host === 'other') await rm(join(made.path, host, 'ledger.jsonl'))
      if (host === 'other') await rm(from, { recursive: true })
      await using lock = await made.vault.lock(host)
      const next = await makeSnapshot(made.vault, lock, new Date('2025-11-20T02:00:00Z'))
      const known = (await made.vault.ledger(host)).map((record) => 'snapshot' in record && record.snapshot)
      expect(known).toEqual([next.id])
    }
  })
})
