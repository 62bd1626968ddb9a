import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { IndexHeader } from '../../../src/archive/contract.ts'
import { encodeIndex } from '../../../src/archive/index-file.ts'
import type { ManifestSource } from '../../../src/model/snapshot.ts'
import { readContents } from '../../../src/restore/contents.ts'
import type { Snapshot } from '../../../src/vault/contract.ts'
import { fakeSource } from '../vault/fixtures.ts'

const snapshot = { host: 'prod', id: '20251120T020000Z' } as Snapshot
const sha256 = 'a'.repeat(64)
const body = { offset: 0, bytes: 1, sha256 }
const file = { file: 'data.index.jsonl.zst.gpg', bytes: 1, sha256, body, recipients: [] }
const source: ManifestSource = { ...fakeSource('data', []), index: file }

/** What a restore reads of an index with this header and no entries. */
function read(header: Partial<IndexHeader>, paths?: readonly string[]) {
  const whole = { format: 1, source: 'data', snapshot: snapshot.id, paths: ['data'], ...header } as const
  return readContents(snapshot, source, paths, {
    decryptor: { decrypt: (message) => Promise.resolve(message) },
    openArchive: () =>
      Promise.resolve(Readable.from(encodeIndex(whole, (async function* () {})()), { objectMode: false })),
    filePath: (_snapshot, name) => name,
  })
}

test("a snapshot's own index is read", async () => {
  expect(await read({})).toMatchObject({ header: { snapshot: snapshot.id }, entries: 0 })
})

test("another snapshot's index in its place is damage", async () => {
  await expect(read({ snapshot: '20251119T020000Z' })).rejects.toMatchObject({
    code: 'index-of-another',
    details: { source: 'data' },
  })
})

test('a path that the index does not have is told with how it is named', async () => {
  await expect(read({}, ['data/none'])).rejects.toMatchObject({
    message: 'data of prod/20251120T020000Z has no data/none',
  })
})

test('a source without an index is as large as all its archives together', async () => {
  const archives = ['app.one.dump', 'app.two.dump'].map((name, at) => ({
    part: name,
    format: 'stream' as const,
    content: 'all' as const,
    file: name,
    bytes: 1,
    plainBytes: 1000 * (at + 1),
    compression: 'none' as const,
    recipients: [],
    sha256,
    body,
  }))
  const contents = await readContents(snapshot, { ...source, index: undefined, archives }, undefined, {
    decryptor: { decrypt: (message) => Promise.resolve(message) },
    openArchive: () => Promise.reject(new Error('nothing is to be opened')),
    filePath: (_snapshot, name) => name,
  })
  expect(contents).toMatchObject({
    bytes: 3000,
    archives: [{ archive: 'app.one.dump' }, { archive: 'app.two.dump' }],
  })
})
