import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmod,
  lchown,
  link,
  lstat,
  lutimes,
  mkdir,
  readFile,
  readlink,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { create } from 'tar'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDecompress } from '../../src/archive/compression.ts'
import type { ReadEntry } from '../../src/archive/contract.ts'
import { readTar } from '../../src/archive/read-back.ts'
import { END_OF_ARCHIVE } from '../../src/archive/tar-header.ts'
import { encodeTarHeader, tarPadding } from '../../src/archive/tar-writer.ts'
import { tempDir } from '../lab/temp.ts'
import type { TempDir } from '../lab/temp.ts'

const exec = promisify(execFile)

/** Runs a tool in a folder; its stdout as bytes. */
async function tool(folder: string, file: string, ...args: string[]): Promise<Buffer> {
  const { stdout } = await exec(file, args, {
    cwd: folder,
    encoding: 'buffer',
    maxBuffer: 256 * 1024 * 1024,
    env: { ...process.env, LC_ALL: 'C' },
  })
  return stdout
}

async function read(tar: Buffer): Promise<ReadEntry[]> {
  const entries: ReadEntry[] = []
  await readTar(Readable.from([tar]), { entry: (entry) => entries.push(entry) })
  return entries
}

const latin1 = (name: string) => Buffer.from(name, 'latin1')

const HOSTILE = [
  'plain',
  '-rf',
  'new\nline',
  'quote\'"`',
  '$(reboot)',
  ' spaces ',
  '\xff\xfe non utf-8',
  '\x1b[2J',
  'back\\slash',
  '*',
  '\xc3\xbc',
  'n'.repeat(255),
]
const DEEP = `deep/${'d'.repeat(120)}/${'e'.repeat(120)}`

/** Every kind of member and name, made with the system's own calls. */
async function makeTree(root: string): Promise<void> {
  const at = (name: string) => Buffer.concat([Buffer.from(`${root}/`), latin1(name)])
  await mkdir(join(root, DEEP), { recursive: true })
  await mkdir(join(root, 'empty-dir'))
  await chmod(join(root, 'empty-dir'), 0o1777)
  for (const name of HOSTILE) await writeFile(at(name), `content of ${name}`)
  await writeFile(at(`${DEEP}/file`), 'deep')
  await writeFile(at('empty'), '')
  await writeFile(at('block'), Buffer.alloc(512, 'b'))
  await writeFile(at('large'), Buffer.alloc(1_234_567, 'large '))
  await writeFile(at('sparse'), 'x')
  await truncate(at('sparse'), 8 * 1024 * 1024)
  await chmod(at('block'), 0o4751)
  await link(at('large'), at('zz-hardlink'))
  await symlink('dangling', at('link'))
  await symlink('/etc/passwd', at('link-out'))
  await symlink(`${'t'.repeat(150)}/`, at('link-long'))
  await tool(root, 'mkfifo', 'fifo')
  await lchown(at('plain'), 12_345, 3_000_000)
  await lutimes(at('plain'), 1_234_567_890.25, 1_234_567_890.25)
  await lutimes(at('empty'), -1000, -1000)
}

/** Compares what was read with what the file system says; times in whole seconds where the format has no more. */
async function expectTree(root: string, entries: readonly ReadEntry[], times: 'ns' | 's'): Promise<void> {
  const names = execFileSync('find', [root, '-print0'])
  expect(entries.length).toBe(names.filter((byte) => byte === 0).length)
  for (const entry of entries) {
    const file = Buffer.concat([Buffer.from(`${root}/`), entry.path])
    const stat = await lstat(file, { bigint: true })
    const name = entry.path.toString('latin1')
    expect([name, entry.mode, entry.uid, entry.gid]).toEqual([
      name,
      Number(stat.mode & 0o7777n),
      Number(stat.uid),
      Number(stat.gid),
    ])
    const mtime =
      times === 'ns' ? stat.mtimeNs : BigInt(Math.floor(Number(stat.mtimeNs) / 1e9)) * 1_000_000_000n
    expect([name, entry.mtimeNs]).toEqual([name, mtime])
    if (entry.type === 'file') {
      expect(stat.isFile()).toBe(true)
      expect(entry.size).toBe(Number(stat.size))
      expect(entry.sha256).toBe(
        createHash('sha256')
          .update(await readFile(file))
          .digest('hex'),
      )
    } else if (entry.type === 'hardlink') {
      const target = await lstat(Buffer.concat([Buffer.from(`${root}/`), entry.linkPath ?? Buffer.alloc(0)]))
      expect(BigInt(target.ino)).toBe(stat.ino)
    } else if (entry.type === 'symlink') {
      expect(entry.linkPath).toEqual(await readlink(file, { encoding: 'buffer' }))
    } else {
      expect(entry.type).toBe(stat.isDirectory() ? 'directory' : 'fifo')
    }
  }
}

let dir: TempDir
let root: string
beforeAll(async () => {
  dir = await tempDir()
  root = join(dir.path, 'tree')
  await mkdir(root)
  await makeTree(root)
})
afterAll(() => dir[Symbol.asyncDispose]())

describe('what other tars write', () => {
  test.each([
    ['gnu', 's'],
    ['pax', 'ns'],
  ] as const)('GNU tar, %s', async (format, times) => {
    const entries = await read(await tool(root, 'tar', `--format=${format}`, '-cf', '-', '.'))
    await expectTree(root, entries, times)
  })

  test('busybox tar', async () => {
    await expectTree(root, await read(await tool(root, 'busybox', 'tar', '-cf', '-', '.')), 's')
  })

  test('busybox tar ends with no padding, GNU tar with a record: both are whole, and neither may be cut', async () => {
    const gnu = await tool(root, 'tar', '-cf', '-', 'plain')
    const busybox = await tool(root, 'busybox', 'tar', '-cf', '-', 'plain')
    expect([gnu.length, busybox.length]).toEqual([10_240, 2048])
    for (const tar of [gnu, busybox]) {
      for (let length = 0; length < 2048; length += 1) {
        await expect(read(tar.subarray(0, length))).rejects.toMatchObject({ code: 'tar-truncated' })
      }
      expect(await read(tar)).toHaveLength(1)
    }
  })

  test.each(['ustar', 'v7'])('GNU tar, %s, as far as that can hold it', async (format) => {
    const names = ['plain', 'block', 'new\nline', 'empty-dir', 'link', 'large', 'zz-hardlink']
    const tar = await tool(root, 'tar', `--format=${format}`, '--owner=7', '--group=8', '-cf', '-', ...names)
    const entries = await read(tar)
    expect(entries.map(({ path, type }) => [path.toString(), type])).toEqual([
      ['plain', 'file'],
      ['block', 'file'],
      ['new\nline', 'file'],
      ['empty-dir', 'directory'],
      ['link', 'symlink'],
      ['large', 'file'],
      ['zz-hardlink', 'hardlink'],
    ])
    expect(entries.every(({ uid, gid }) => uid === 7 && gid === 8)).toBe(true)
    const prefixed = ['-C', 'deep', `${'d'.repeat(120)}/${'e'.repeat(90)}`]
    await mkdir(join(root, 'deep', prefixed[2] ?? ''), { recursive: true })
    if (format === 'ustar') {
      const [entry] = await read(await tool(root, 'tar', '--format=ustar', '-cf', '-', ...prefixed))
      expect(entry?.path.toString()).toBe(prefixed[2])
    }
    await tool(root, 'rmdir', `deep/${prefixed[2]}`)
  })

  test('extended attributes of GNU tar', async () => {
    await tool(root, 'setfattr', '-n', 'user.a=%b', '-v', '0x0aff3d00', 'block')
    await tool(root, 'setfattr', '-n', 'user.empty', 'block')
    const [entry] = await read(await tool(root, 'tar', '--xattrs', '-cf', '-', 'block'))
    expect(entry?.xattrs).toEqual(
      new Map([
        ['user.a=%b', Buffer.from('0aff3d00', 'hex')],
        ['user.empty', Buffer.alloc(0)],
      ]),
    )
  })

  test('sparse members are refused', async () => {
    for (const format of ['gnu', 'pax']) {
      const tar = await tool(root, 'tar', `--format=${format}`, '-S', '-cf', '-', 'sparse')
      await expect(read(tar)).rejects.toMatchObject({ code: 'tar-sparse' })
    }
  })

  test('node-tar', async () => {
    const names = HOSTILE.filter((name) => !/[\x80-\xff\\]/.test(name) && !name.startsWith('-'))
    const stream = create({ cwd: root, portable: false }, [...names, 'deep', 'link', 'large'])
    const entries = await read(await buffer(stream as unknown as AsyncIterable<Buffer>))
    const paths = entries.map(({ path }) => path.toString())
    for (const name of [...names, `${DEEP}/file`, 'link', 'large']) expect(paths).toContain(name)
    for (const entry of entries.filter(({ type }) => type === 'file')) {
      const content = await readFile(Buffer.concat([Buffer.from(`${root}/`), entry.path]))
      expect(entry.sha256).toBe(createHash('sha256').update(content).digest('hex'))
    }
  })
})

describe('what other compressors write', () => {
  test.each([
    ['zstd', ['zstd', '-T0', '-c']],
    ['zstd', ['zstd', '-19', '--long=24', '-c']],
    ['gzip', ['gzip', '-c']],
    ['gzip', ['busybox', 'gzip', '-c']],
  ] as const)('%s: %j, one and several of them', async (compression, [file, ...args]) => {
    await writeFile(join(dir.path, 'plain.tar'), await tool(root, 'tar', '-cf', '-', '.'))
    const plain = await readFile(join(dir.path, 'plain.tar'))
    const stored = await tool(dir.path, file, ...args, 'plain.tar')
    const decompressed = await buffer(Readable.from([stored, stored]).pipe(createDecompress(compression)))
    expect(decompressed.equals(Buffer.concat([plain, plain]))).toBe(true)
  })
})

describe('what we write', () => {
  test('GNU tar unpacks to the same tree', async () => {
    const entries = await read(await tool(root, 'tar', '--format=pax', '--xattrs', '-cf', '-', '.'))
    const parts = await Promise.all(
      entries.map(async (entry) => {
        const file = Buffer.concat([Buffer.from(`${root}/`), entry.path])
        const content = entry.type === 'file' ? await readFile(file) : Buffer.alloc(0)
        return Buffer.concat([encodeTarHeader(entry), content, tarPadding(content.length)])
      }),
    )
    const copy = join(dir.path, 'copy')
    await mkdir(copy)
    await writeFile(join(dir.path, 'ours.tar'), Buffer.concat([...parts, END_OF_ARCHIVE]))
    await tool(copy, 'tar', '--xattrs', '--numeric-owner', '-xpf', '../ours.tar')
    await expectTree(copy, entries, 'ns')
    expect(
      (await tool(dir.path, 'diff', '-r', '--no-dereference', 'tree', 'copy', '-x', 'fifo')).toString(),
    ).toBe('')
  })
})
