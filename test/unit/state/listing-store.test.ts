import { readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ListingDraft, ListingRecord, StoredListing } from '../../../src/state/contract.ts'
import { openListingStore } from '../../../src/state/listing-store.ts'
import { tempDir } from '../../lab/temp.ts'

const draft: ListingDraft = {
  vault: 'v1',
  host: 'ubuntu@[::1]:22',
  source: 'logs',
  snapshot: '20251120T020000Z',
  definition: 'd',
  passphrase: null,
  checkedAt: '2025-11-20T02:00:00Z',
  incrementals: 0,
}
const records: ListingRecord[] = Array.from({ length: 5000 }, (_, n) => ({
  gone: `file-${n}`,
  directory: false,
}))

async function write(directory: string, manifestHash: string): Promise<void> {
  await using pending = await openListingStore(directory).begin(draft)
  for (const record of records) await pending.add(record)
  await pending.commit(manifestHash, ['20251120T020000Z'])
}

async function all(listing: StoredListing | undefined): Promise<ListingRecord[]> {
  const list: ListingRecord[] = []
  for await (const record of listing?.records() ?? []) list.push(record)
  return list
}

test('a listing comes back as written, for its vault, host and source alone, and nobody else may read it', async () => {
  await using temp = await tempDir()
  const store = openListingStore(temp.path)
  await write(temp.path, 'first')
  await write(temp.path, 'second')
  const found = await store.open('v1', draft.host, 'logs')
  expect(found?.header).toMatchObject({ ...draft, format: 1, manifestHash: 'second' })
  expect(await all(found)).toEqual(records)
  const folder = join(temp.path, 'v1', encodeURIComponent(draft.host))
  const files = await readdir(folder)
  // The records of the first are gone.
  expect(files).toHaveLength(2)
  for (const file of files) expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600)
  expect(await store.open('v2', draft.host, 'logs')).toBeUndefined()
  expect(await store.open('v1', draft.host, 'data')).toBeUndefined()
})

test('one that was not committed leaves the old in place, and nothing of itself', async () => {
  await using temp = await tempDir()
  const store = openListingStore(temp.path)
  await write(temp.path, 'first')
  {
    await using pending = await store.begin(draft)
    for (const record of records) await pending.add(record)
  }
  expect((await store.open('v1', draft.host, 'logs'))?.header.manifestHash).toBe('first')
  expect(await readdir(join(temp.path, 'v1', encodeURIComponent(draft.host)))).toHaveLength(2)
})

test('what is lost, cut, changed or copied from another place is no listing', async () => {
  await using temp = await tempDir()
  const store = openListingStore(temp.path)
  await write(temp.path, 'first')
  const folder = join(temp.path, 'v1', encodeURIComponent(draft.host))
  const head = await readFile(join(folder, 'logs.json'), 'utf8')
  await writeFile(join(folder, 'data.json'), head)
  expect(await store.open('v1', draft.host, 'data')).toBeUndefined()
  for (const broken of ['', '{}', 'null', head.slice(0, -9), head.replace('"file":"', '"file":"../')]) {
    await writeFile(join(folder, 'logs.json'), broken)
    expect(await store.open('v1', draft.host, 'logs')).toBeUndefined()
  }
  await writeFile(join(folder, 'logs.json'), head)
  const [file = ''] = (await readdir(folder)).filter((name) => name.endsWith('.records.zst'))
  const whole = await readFile(join(folder, file))
  const changed = Buffer.from(whole)
  changed[whole.length >> 1] = (changed[whole.length >> 1] ?? 0) ^ 1
  for (const damage of [changed, whole.subarray(0, whole.length - 5), Buffer.alloc(0)]) {
    await writeFile(join(folder, file), damage)
    await expect(all(await store.open('v1', draft.host, 'logs'))).rejects.toMatchObject({
      code: 'listing-damaged',
    })
  }
  await store.remove('v1', draft.host, 'logs')
  expect(await store.open('v1', draft.host, 'logs')).toBeUndefined()
})
