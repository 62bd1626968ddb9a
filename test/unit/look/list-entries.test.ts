import { expect, test } from 'vitest'
import { parseAddress } from '../../../src/look/address.ts'
import { listEntries, shownEntry } from '../../../src/look/list-entries.ts'
import { resolvePath } from '../../../src/look/resolve-path.ts'
import { fakeSnapshot, made } from './fake-source.ts'

/** What `ls` shows of a source whose directories `app` and `app/db` have no entry. */
async function listed(address: string, recursive = false): Promise<string[]> {
  const { snapshot, dependencies } = fakeSnapshot({
    data: [
      made('app/db/main.db', { content: 'a' }),
      made('app/up', { type: 'directory' }),
      made('app/up/one', { content: 'b' }),
      made('app.log', { content: 'c' }),
    ],
  })
  const at = { snapshot, source: snapshot.manifest.sources[0]! }
  const found = await resolvePath(at, parseAddress(address), dependencies)
  return (await listEntries(at, found, { recursive }, dependencies)).map(shownEntry)
}

test('a directory without an entry of its own is listed', async () => {
  expect(await listed('data:app')).toEqual(['data:app/db/main.db', 'data:app/up/'])
  expect(await listed('data:app/db/')).toEqual(['data:app/db/main.db'])
  expect(await listed('data:app', true)).toEqual(['data:app/db/main.db', 'data:app/up/', 'data:app/up/one'])
  expect(await listed('data:app/up')).toEqual(['data:app/up/one'])
  await expect(listed('data:ap')).rejects.toMatchObject({
    details: { next: expect.stringContaining('ls prod') as string },
  })
})
