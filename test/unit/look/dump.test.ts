import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { encodeIndex } from '../../../src/archive/index-file.ts'
import { parseAddress } from '../../../src/look/address.ts'
import { catFile } from '../../../src/look/cat-file.ts'
import { dumpName, type LookDependencies } from '../../../src/look/dependencies.ts'
import { extractSnapshot } from '../../../src/look/extract.ts'
import { findNames } from '../../../src/look/find-names.ts'
import { listEntries } from '../../../src/look/list-entries.ts'
import { resolvePath } from '../../../src/look/resolve-path.ts'
import type { Snapshot } from '../../../src/vault/contract.ts'
import { fakeSource, temporaryDirectory } from '../vault/fixtures.ts'
import { fakeSnapshot, ID } from './fake-source.ts'

const signal = new AbortController().signal
const FILE = 'redis_data.rdb.zst.gpg'

/** A snapshot of a Redis that gave a dump of this content. */
function dumped(content: string): { snapshot: Snapshot; dependencies: LookDependencies } {
  const { snapshot, dependencies } = fakeSnapshot({ data: [] })
  const [like] = snapshot.manifest.sources
  const archive = {
    ...like!.archives[0]!,
    file: FILE,
    format: 'stream',
    compression: 'zstd',
    plainBytes: 10,
  } as const
  const index = { ...like!.index!, file: 'redis_data.index.jsonl.zst.gpg' }
  const source = { ...fakeSource('redis_data', [archive]), index }
  const manifest = { ...snapshot.manifest, sources: [source] }
  const objects = async function* () {
    yield [{ archive: FILE, name: '0', type: 'database', rows: 3 }]
  }
  const header = { format: 1, of: 'stream', source: 'redis_data', snapshot: ID } as const
  const whole = { ...snapshot, manifest } as Snapshot
  return {
    snapshot: whole,
    dependencies: {
      ...dependencies,
      vault: {
        ...dependencies.vault,
        look: () => Promise.resolve('there'),
        snapshots: () => Promise.resolve([whole]),
      },
      openArchive: ({ path }) =>
        Promise.resolve(
          path === FILE
            ? Readable.from([Buffer.from(content)], { objectMode: false })
            : Readable.from(encodeIndex(header, objects()), { objectMode: false }),
        ),
    },
  }
}

test.each([
  ['redis_data.rdb.zst.gpg', 'zstd', 'redis_data.rdb'],
  ['app_db.app.dump.gz.gpg', 'gzip', 'app_db.app.dump'],
  ['app.zst.gpg', 'none', 'app.zst'],
] as const)('%s is the file %3$s', (file, compression, name) => {
  expect(dumpName({ file, compression })).toBe(name)
})

test('a dump is one file with what it holds, found, printed and extracted', async () => {
  await using root = await temporaryDirectory()
  const { snapshot, dependencies } = dumped('REDIS0011!')
  const at = { snapshot, source: snapshot.manifest.sources[0]! }
  const found = await resolvePath(at, parseAddress('redis_data:redis_data.rdb'), dependencies)
  const [entry] = await listEntries(at, found, { recursive: false }, dependencies)
  expect(entry).toMatchObject({
    path: 'redis_data.rdb',
    type: 'dump',
    size: 10,
    objects: [{ name: '0', type: 'database', rows: 3 }],
  })
  const { versions } = await findNames('*.rdb', { hosts: ['prod'], since: undefined }, dependencies, signal)
  expect(versions).toMatchObject([{ entry: { path: 'redis_data.rdb' }, snapshots: [ID] }])
  const output = new PassThrough()
  await catFile(at, { member: '', roots: [] }, output, dependencies, signal)
  output.end()
  expect(await text(output)).toBe('REDIS0011!')
  const to = join(root.path, 'to')
  expect(
    await extractSnapshot({ snapshot, to, addresses: [], overwrite: false }, dependencies, signal),
  ).toMatchObject({ files: 1, bytes: 10, failed: [] })
  expect(await readFile(join(to, 'redis_data.rdb'), 'utf8')).toBe('REDIS0011!')
  expect((await stat(join(to, 'redis_data.rdb'))).mode & 0o777).toBe(0o600)
})

test('a dump of another length than it had is not there', async () => {
  await using root = await temporaryDirectory()
  const { snapshot, dependencies } = dumped('REDIS')
  const to = join(root.path, 'to')
  const report = await extractSnapshot(
    { snapshot, to, addresses: [], overwrite: false },
    dependencies,
    signal,
  )
  expect(report).toMatchObject({
    files: 0,
    failed: [{ member: 'redis_data.rdb', error: { code: 'file-differs' } }],
  })
  await expect(stat(join(to, 'redis_data.rdb'))).rejects.toMatchObject({ code: 'ENOENT' })
})

test('a path that a dump does not have is told with the one that it has', async () => {
  const { snapshot, dependencies } = dumped('REDIS0011!')
  const at = { snapshot, source: snapshot.manifest.sources[0]! }
  await expect(resolvePath(at, parseAddress('redis_data:dump.rdb'), dependencies)).rejects.toMatchObject({
    details: { next: expect.stringContaining('redis_data:redis_data.rdb') as string },
  })
})
