import { chmod, lstat, mkdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { placeNative } from '../../../src/single-file/native.ts'
import { type TempDir, tempDir } from '../../lab/temp.ts'

const BYTES = Buffer.from('a library')

async function cache(): Promise<TempDir> {
  const temp = await tempDir()
  vi.stubEnv('XDG_CACHE_HOME', temp.path)
  return temp
}

afterEach(() => vi.unstubAllEnvs())

test('a native part lies where only we write, under a name of its content', async () => {
  await using temp = await cache()
  const file = placeNative('part.node', BYTES)
  expect(file).toMatch(new RegExp(`^${temp.path}/relay-backup/native-[0-9a-f]{16}/part\\.node$`))
  expect((await stat(dirname(file))).mode & 0o777).toBe(0o700)
  expect((await stat(file)).mode & 0o777).toBe(0o500)
  const { ino } = await stat(file)
  expect(placeNative('part.node', BYTES)).toBe(file)
  expect((await stat(file)).ino).toBe(ino)
  expect(placeNative('part.node', Buffer.from('another'))).not.toBe(file)
})

test.each([
  ['holds something else', async (file: string) => await writeFile(file, 'a librarY')],
  ['is cut off', async (file: string) => await writeFile(file, 'a lib')],
  ['can be written by others', async (file: string) => await chmod(file, 0o777)],
  [
    'is a link',
    async (file: string) => {
      await rename(file, `${file}.else`)
      await symlink(`${file}.else`, file)
    },
  ],
])('a file there that %s is replaced', async (_what, make) => {
  await using _ = await cache()
  const file = placeNative('part.node', BYTES)
  await chmod(file, 0o700)
  await make(file)
  expect(placeNative('part.node', BYTES)).toBe(file)
  const placed = await lstat(file)
  expect([placed.isFile(), placed.mode & 0o777]).toEqual([true, 0o500])
  expect(await readFile(file)).toEqual(BYTES)
})

test.each(['', 'relay-backup'])(
  'nothing is loaded from a cache to which others may write (%s)',
  async (folder) => {
    await using temp = await cache()
    await mkdir(join(temp.path, 'relay-backup'))
    await chmod(join(temp.path, folder), 0o777)
    expect(() => placeNative('part.node', BYTES)).toThrow('others than you')
  },
)
