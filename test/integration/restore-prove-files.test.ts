import { createHash } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { proveFiles, type ExpectedFile } from '../../src/restore/proof.ts'
import { LocalHost } from '../lab/local-host.ts'
import { tempDir } from '../lab/temp.ts'

const NAMES = ['first', 'a name\nof two lines', 'last']

/** Three files as they were captured, one of them spoilt behind their unpacking. */
async function proven(spoil: (directory: string) => Promise<void>): Promise<void> {
  await using temp = await tempDir()
  await using host = new LocalHost()
  const expected = NAMES.map((name): ExpectedFile => ({
    path: Buffer.from(`data/${name}`),
    staged: Buffer.from(name),
    sha256: createHash('sha256').update(name).digest('hex'),
  }))
  for (const name of NAMES) await writeFile(join(temp.path, name), name)
  await spoil(temp.path)
  const files = async function* () {
    yield* expected
  }
  const place = { directory: temp.path, privilege: undefined, signal: new AbortController().signal }
  await proveFiles(host, files(), { ...place, source: 'data' })
}

test('files that are what was captured are proven', async () => {
  await proven(() => Promise.resolve())
})

test.each([
  ['has another byte', 'first', (path: string) => writeFile(path, 'fIrst')],
  ['is cut', 'last', (path: string) => writeFile(path, 'las')],
  ['is empty', 'last', (path: string) => writeFile(path, '')],
  ['is gone', 'first', (path: string) => rm(path)],
  ['with an odd name is another', 'a name\nof two lines', (path: string) => writeFile(path, 'last')],
])('a file that %s is named, and the restore stops', async (_how, name, spoil) => {
  await expect(proven((directory) => spoil(join(directory, name)))).rejects.toMatchObject({
    code: 'restored-differs',
    message: expect.stringContaining(`data/${name.replace('\n', '\\n')} is `) as string,
    details: { source: 'data' },
  })
})
