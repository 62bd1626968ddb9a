import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { readIndex } from '../../src/archive/index-file.ts'
import { openArchive } from '../../src/archive/open-archive.ts'
import { createDecryptor } from '../../src/crypto/decryptor.ts'
import { pathFromJson } from '../../src/model/path-bytes.ts'
import { resolveSecret } from '../../src/secrets/resolve.ts'
import { openVault } from '../../src/vault/open-vault.ts'
import { never } from '../unit/vault/fixtures.ts'
import { Gpg } from './crypto-gpg.ts'

const run = promisify(execFile)
const FIXTURES = fileURLToPath(new URL('../fixtures', import.meta.url))

/** A copy of a fixture, for a reader that may leave something in it. */
async function fixture(format: number) {
  const directory = await mkdtemp(join(tmpdir(), 'format-'))
  const from = join(FIXTURES, `vault-${format}`)
  await cp(join(from, 'vault'), join(directory, 'vault'), { recursive: true })
  await cp(join(from, 'backup.key.asc'), join(directory, 'backup.key.asc'))
  await run('chmod', ['-R', 'go-rwx', directory])
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) }
}

test.each([1, 2])('a vault of format %i opens with stock gpg, zstd and tar', async (format) => {
  await using copy = await fixture(format)
  await using gpg = await Gpg.create()
  await gpg.run(['--import', join(copy.directory, 'backup.key.asc')])
  const host = join(copy.directory, 'vault', 'sample')
  const id = (await readdir(host)).find((name) => /^\d{8}T\d{6}Z$/.test(name)) ?? ''
  const to = join(copy.directory, 'unpacked')
  await mkdir(to)
  for (const source of ['data', 'logs', 'config', 'redis_data']) {
    const pipe = 'gpg --batch --quiet -d "$1" | zstd -d -q | tar -x -C "$2"'
    const file = join(host, id, `${source}.tar.zst.gpg`)
    await run('bash', ['-o', 'pipefail', '-c', pipe, 'sh', file, to], { env: gpg.env })
  }
  await run('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: join(host, id) })
  expect((await readdir(to)).sort()).toEqual(['.env', 'data', 'docker-compose.yml', 'logs', 'redis_data'])
  expect(JSON.parse(await readFile(join(to, 'data', 'models.json'), 'utf8'))).toBeTypeOf('object')
  expect((await readFile(join(to, 'redis_data', 'dump.rdb'))).subarray(0, 5).toString()).toBe('REDIS')
})

test('a vault of format 2 is read: manifest, ledger, sums and every index', async () => {
  await using copy = await fixture(2)
  const vault = await openVault(join(copy.directory, 'vault'))
  expect(await vault.check('sample', { hashes: true, signal: never })).toEqual([])
  const [snapshot] = await vault.snapshots('sample')
  if (snapshot === undefined) throw new Error('no snapshot')
  const decryptor = await createDecryptor(
    {
      mode: 'recipients',
      recipients: [],
      identity: { file: join(copy.directory, 'backup.key.asc') },
      aead: false,
      allowUnauthenticatedStream: false,
    } as never,
    { resolveSecret, signal: never },
  )
  for (const source of snapshot.manifest.sources) {
    const path = vault.filePath(snapshot, source.index?.file ?? '')
    const entries: string[] = []
    for await (const { path: name } of readIndex(await openArchive({ path, compression: 'zstd', decryptor })))
      entries.push(pathFromJson(name).toString())
    expect(entries, source.name).toHaveLength(source.entries)
    expect(source.archives[0]).toMatchObject({ part: '', format: 'tar', content: 'all' })
  }
})
