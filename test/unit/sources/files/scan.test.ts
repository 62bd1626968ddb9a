import { execFile } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer as bytesOf } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { ListedEntry } from '../../../../src/model/listing.ts'
import type { CaptureContext } from '../../../../src/sources/contract.ts'
import { openFiles } from '../../../../src/sources/files/capture.ts'
import { ScanParser } from '../../../../src/sources/tree/scan-parser.ts'
import { buildHostileTree } from '../../../lab/hostile-tree.ts'
import { LocalHost, localProbe } from '../../../lab/local-host.ts'
import { tempDir } from '../../../lab/temp.ts'
import { drain, filesConfig } from './drain.ts'

const LIST =
  '1700000010\0f 5 1700000000.1234567890 1700000001.0000000000 12 1 644 0 0\0./a\nb\0' +
  's 0 1.0 1.0 13 1 644 0 0\0./socket\0' +
  'd 0 -1.5000000000 1700000008.0000000000 14 2 4755 1 2\0./d\0end\0'

function parse(pieces: readonly Buffer[]): ListedEntry[] {
  const parser = new ScanParser()
  const entries = pieces.flatMap((piece) => [...parser.write(piece)])
  parser.end()
  return entries
}

test('a list is read byte by byte as in one piece; sockets are left out, times are whole nanoseconds', () => {
  const bytes = Buffer.from(LIST)
  const entries = parse([bytes])
  expect(parse([...bytes].map((byte) => Buffer.from([byte])))).toEqual(entries)
  expect(entries.map(({ path }) => path.toString())).toEqual(['a\nb', 'd'])
  expect(entries[0]?.stat).toMatchObject({
    mtimeNs: '1700000000123456789',
    inode: '12',
    mode: 0o644,
    size: 5,
  })
  expect(entries[1]?.stat).toMatchObject({
    mtimeNs: '-500000000',
    mode: 0o4755,
    uid: 1,
    gid: 2,
    type: 'directory',
  })
})

test('what changed within two seconds of the listing, or in its future, is not settled', () => {
  const entries = parse([Buffer.from(LIST)])
  expect(entries.map(({ settled }) => settled)).toEqual([true, false])
})

test('a list that is cut anywhere, or goes on behind its end, is none', () => {
  for (let length = 0; length < LIST.length; length += 1) {
    expect(() => parse([Buffer.from(LIST.slice(0, length))])).toThrow()
  }
  expect(() => parse([Buffer.from(`${LIST}more\0`)])).toThrow()
})

test.each(['zstd', 'gzip', 'none'])(
  'the server lists exactly what tar packs, compressed by %s',
  async (tool) => {
    await using temp = await tempDir()
    const deployment = join(temp.path, 'app')
    await mkdir(join(deployment, 'data/dir'), { recursive: true })
    await mkdir(join(deployment, 'data/hostile'))
    await buildHostileTree(join(deployment, 'data/hostile'), { sparseBytes: 1024 * 1024 })
    await mkdir(join(temp.path, 'elsewhere/in'), { recursive: true })
    await writeFile(join(temp.path, 'elsewhere/in/file'), 'there')
    await symlink(join(temp.path, 'elsewhere'), join(deployment, 'link'))
    for (const name of ['data/a.tmp', 'data/dir/b.tmp', 'data/dir/skip', 'data/dir/kept'])
      await writeFile(join(deployment, name), name)
    await promisify(execFile)('mkfifo', [join(deployment, 'data/fifo')])
    await using host = new LocalHost()
    const versions = tool === 'zstd' ? { zstd: '1', gzip: '1' } : tool === 'gzip' ? { gzip: '1' } : {}
    const probe = localProbe({ deployment, versions })
    const config = filesConfig(['data', 'link', join(temp.path, 'elsewhere')], ['*.tmp', 'dir/skip'])
    const names: string[] = []
    const context = {
      host,
      probe,
      privilege: undefined,
      compression: { kind: 'auto' },
      signal: new AbortController().signal,
    } as unknown as CaptureContext
    const source = await openFiles(context, config)
    for await (const { path } of source.list()) names.push(path.toString('latin1'))
    const packed = await drain({ host, probe }, config, temp.path)
    expect(names.sort()).toEqual([...(packed.members[0] ?? [])].sort())
  },
)

test('where nothing changed the server is not asked to pack anything', async () => {
  await using temp = await tempDir()
  await mkdir(join(temp.path, 'data'))
  await using host = new LocalHost()
  const scripts: string[] = []
  const run = host.run.bind(host)
  host.run = (command, options) => {
    scripts.push(command.script)
    return run(command, options)
  }
  host.spawn = ({ script }) => Promise.reject(new Error(`${script} is not asked for`))
  const context = {
    host,
    probe: localProbe({ deployment: temp.path, versions: { zstd: '1' } }),
    privilege: undefined,
    compression: { kind: 'auto' },
    signal: new AbortController().signal,
  } as unknown as CaptureContext
  const source = await openFiles(context, filesConfig(['data']))
  await using capture = source.captureListed({
    members: () => ReadableStream.from([]),
    memberCount: 0,
    tails: [],
  })
  const archives: unknown[] = []
  for await (const archive of capture.archives()) {
    archives.push(archive.input)
    expect(await bytesOf(archive.input.stream)).toEqual(Buffer.alloc(10_240))
    await archive.finish()
  }
  expect(archives).toEqual([expect.objectContaining({ wire: 'none', store: 'zstd' })])
  expect(scripts).toEqual(['sources/tree/resolve'])
})
