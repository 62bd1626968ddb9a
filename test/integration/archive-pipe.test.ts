import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { createIndexBuilder } from '../../src/archive/index-builder.ts'
import { writeArchive } from '../../src/archive/write-archive.ts'
import { createEncryptor } from '../../src/crypto/encryptor.ts'
import { Secret } from '../../src/model/secret.ts'
import { tempDir } from '../lab/temp.ts'

const exec = promisify(execFile)
const signal = new AbortController().signal

test('an archive and its index open with gpg, zstd and tar alone', async () => {
  await using dir = await tempDir()
  await mkdir(join(dir.path, 'home'), { mode: 0o700 })
  await mkdir(join(dir.path, 'tree'))
  for (let count = 0; count < 300; count += 1) {
    await writeFile(join(dir.path, 'tree', `file ${count}`), Buffer.alloc(count * 97, `${count}`))
  }
  await writeFile(join(dir.path, 'passphrase'), 'correct horse', { mode: 0o600 })
  const { encryptor } = await createEncryptor(
    { mode: 'passphrase', passphrase: { file: 'x' }, aead: false, allowUnauthenticatedStream: false },
    { resolveSecret: () => Promise.resolve(new Secret('correct horse')), now: new Date(), signal },
  )
  await using index = await createIndexBuilder(join(dir.path, 'scratch'))
  const tar = spawn('sh', ['-c', 'tar -c tree | zstd -c'], {
    cwd: dir.path,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const archive = join(dir.path, 'tree.tar.zst.gpg')
  const result = await writeArchive(
    { stream: tar.stdout, format: 'tar', wire: 'zstd', store: 'zstd' },
    {
      encryptor,
      sink: { stream: createWriteStream(archive) },
      observer: { entry: (entry) => index.add(entry, { part: '', archive: 'tree.tar.zst.gpg' }) },
      signal,
    },
  )
  const stored = await readFile(archive)
  expect(result).toMatchObject({
    entries: 301,
    bytes: stored.length,
    sha256: createHash('sha256').update(stored).digest('hex'),
  })
  const lines = index.finish(
    { format: 1, source: 'tree', snapshot: '20251120T020000Z', paths: ['tree'] },
    () => undefined,
  )
  await writeArchive(
    { stream: lines, format: 'stream', wire: 'none', store: 'zstd' },
    { encryptor, sink: { stream: createWriteStream(join(dir.path, 'index.gpg')) }, signal },
  )

  const gpg = 'gpg --homedir home --batch --pinentry-mode loopback --passphrase-file passphrase -d'
  const script = `set -e; mkdir out; ${gpg} tree.tar.zst.gpg | zstd -d | tar -x -C out; diff -r tree out/tree
    ${gpg} index.gpg | zstd -d > index.jsonl; gpgconf --homedir home --kill gpg-agent`
  await exec('sh', ['-c', script], { cwd: dir.path })
  const text = await readFile(join(dir.path, 'index.jsonl'), 'utf8')
  const all = text.trimEnd().split('\n')
  expect(all).toHaveLength(303)
  const before = `${all.slice(0, -1).join('\n')}\n`
  expect(JSON.parse(all.at(-1) ?? '')).toEqual({
    entries: 301,
    sha256: createHash('sha256').update(before).digest('hex'),
  })
})

test('a stream of gigabytes takes no more memory than its buffers', async () => {
  const chunk = Buffer.alloc(1024 * 1024)
  const stream = Readable.from(
    (function* () {
      for (let count = 0; count < 3000; count += 1) yield chunk
    })(),
    { objectMode: false },
  )
  const { encryptor } = await createEncryptor(
    { mode: 'passphrase', passphrase: { file: 'x' }, aead: false, allowUnauthenticatedStream: false },
    { resolveSecret: () => Promise.resolve(new Secret('x')), now: new Date(), signal },
  )
  const before = process.memoryUsage.rss()
  let peak = before
  const result = await writeArchive(
    { stream, format: 'stream', wire: 'none', store: 'zstd' },
    {
      encryptor,
      sink: { stream: createWriteStream('/dev/null') },
      onProgress: () => (peak = Math.max(peak, process.memoryUsage.rss())),
      signal,
    },
  )
  expect(result.plainBytes).toBe(3000 * 1024 * 1024)
  expect(peak - before).toBeLessThan(200 * 1024 * 1024)
})
