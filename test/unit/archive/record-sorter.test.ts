import { readdir, stat } from 'node:fs/promises'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createRecordSorter } from '../../../src/archive/record-sorter.ts'
import { tempDir } from '../../lab/temp.ts'

test('more records than fit into memory come sorted by bytes, equal keys in the order of adding', async () => {
  await using temp = await tempDir()
  const path = join(temp.path, 'scratch')
  const count = 120_000
  {
    await using sorter = createRecordSorter<{ n: number; text: string }>(path)
    for (let n = 0; n < count; n += 1) {
      // A walk over all residues; \xff must sort last, as a byte.
      const key = Buffer.from(`${(n * 7919) % 60_000}\xff`, 'latin1')
      sorter.add(key, { n, text: `secret-name-${n}` })
    }
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await readFile(path)).includes('secret-name-')).toBe(false)
    for (const _reading of [1, 2]) {
      let last: { key: Buffer; n: number } | undefined
      let seen = 0
      for await (const { key, value } of sorter.sorted()) {
        const order = last === undefined ? -1 : Buffer.compare(last.key, key)
        if (order > 0 || (order === 0 && (last?.n ?? 0) > value.n)) throw new Error(`${seen} is out of order`)
        last = { key, n: value.n }
        seen += 1
      }
      expect(seen).toBe(count)
    }
  }
  expect(await readdir(temp.path)).toEqual([])
})
