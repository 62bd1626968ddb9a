import { lstat, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseAddress } from '../../../src/look/address.ts'
import { extractSnapshot, type ExtractReport } from '../../../src/look/extract.ts'
import { temporaryDirectory } from '../vault/fixtures.ts'
import { fakeSnapshot, made, type Made } from './fake-source.ts'

const signal = new AbortController().signal

interface Extracted {
  readonly report: ExtractReport
  readonly to: string
  /** Every path around it and in it. */
  readonly names: readonly string[]
}

async function extracted(
  root: string,
  sources: Readonly<Record<string, readonly Made[]>>,
  options: {
    readonly addresses?: readonly string[]
    readonly overwrite?: boolean
    readonly damage?: (file: string, bytes: Buffer) => Buffer
    /** Sources that retention has removed. */
    readonly removed?: readonly string[]
  } = {},
): Promise<Extracted> {
  const { addresses = [], overwrite = false, damage, removed = [] } = options
  const { snapshot: whole, dependencies } = fakeSnapshot(sources, damage)
  const gone = whole.manifest.sources.filter(({ name }) => removed.includes(name))
  const snapshot = { ...whole, removedFiles: new Set(gone.flatMap(({ index }) => index?.file ?? [])) }
  const to = join(root, 'to')
  const request = { snapshot, to, overwrite, addresses: addresses.map(parseAddress) }
  const report = await extractSnapshot(request, dependencies, signal)
  return { report, to, names: (await readdir(root, { recursive: true })).sort() }
}

const told = ({ leftOut }: ExtractReport) => leftOut.map(({ member, why }) => [member, why])
const good = made('data/good', { content: 'good' })

test('files, directories and links come out as they were, with mode and time', async () => {
  await using root = await temporaryDirectory()
  const { report, to } = await extracted(root.path, {
    data: [
      made('data', { type: 'directory', mode: 0o2755, mtimeNs: 1_600_000_000_000_000_000n }),
      made('data/run', { content: 'x', mode: 0o4755, mtimeNs: 1_500_000_000_000_000_000n }),
      made('data/again', { type: 'hardlink', linkPath: Buffer.from('data/run') }),
      made('data/now', { type: 'symlink', linkPath: Buffer.from('/etc/passwd') }),
      made(Buffer.from('data/\xff\x1b', 'latin1'), { content: 'odd' }),
    ],
  })
  expect(report).toMatchObject({
    files: 2,
    bytes: 4,
    directories: 1,
    links: 2,
    failed: [],
    leftOut: [],
    renamed: [],
  })
  const run = await stat(join(to, 'data/run'))
  expect([run.mode & 0o7777, run.mtimeMs, run.nlink]).toEqual([0o755, 1_500_000_000_000, 2])
  expect((await stat(join(to, 'data'))).mtimeMs).toBe(1_600_000_000_000)
  expect(await readlink(join(to, 'data/now'))).toBe('/etc/passwd')
  expect(await readFile(Buffer.from(`${to}/data/\xff\x1b`, 'latin1'), 'utf8')).toBe('odd')
  expect((await readdir(to)).sort()).toEqual(['data'])
})

test.each([
  ['goes up', 'data/../../evil', 'its name holds .. or an empty part'],
  ['is absolute', '/evil', 'its name is absolute'],
  ['has an empty part', 'data//evil', 'its name holds .. or an empty part'],
])('a member whose name %s is left out and told', async (_what, name, why) => {
  await using root = await temporaryDirectory()
  const { report, names } = await extracted(root.path, { data: [made(name, { content: 'evil' }), good] })
  expect(told(report)).toEqual([[name, why]])
  expect(names).toEqual(['to', 'to/data', 'to/data/good'])
})

test('a member below a symbolic link of the archive is left out, whichever comes first', async () => {
  await using root = await temporaryDirectory()
  await mkdir(join(root.path, 'outside'))
  const link = made('data/out', { type: 'symlink', linkPath: Buffer.from(join(root.path, 'outside')) })
  const evil = made('data/out/evil', { content: 'evil' })
  for (const members of [
    [link, evil, good],
    [evil, good, link],
  ]) {
    const { report } = await extracted(root.path, { data: members }, { overwrite: true })
    expect(told(report)).toEqual([['data/out/evil', 'it lies below a symbolic link']])
  }
  expect(await readdir(join(root.path, 'outside'))).toEqual([])
})

test('nothing is written through a link of another source, or one that lies there', async () => {
  await using root = await temporaryDirectory()
  await mkdir(join(root.path, 'outside'))
  await mkdir(join(root.path, 'to'))
  await symlink('../outside', join(root.path, 'to/there'))
  const { report } = await extracted(root.path, {
    a: [made('out', { type: 'symlink', linkPath: Buffer.from('../outside') })],
    b: [made('out/evil', { content: 'evil' }), made('there/evil', { content: 'evil' }), good],
  })
  expect(report.failed.map(({ member, error }) => [member, error.code])).toEqual([
    ['out/evil', 'in-the-way'],
    ['there/evil', 'in-the-way'],
  ])
  expect(report.files).toBe(1)
  expect(await readdir(join(root.path, 'outside'))).toEqual([])
})

test('a directory behind a link of another source, or one that lies there, keeps its mode and time', async () => {
  await using root = await temporaryDirectory()
  await mkdir(join(root.path, 'outside/in'), { recursive: true, mode: 0o755 })
  await mkdir(join(root.path, 'to'))
  await symlink('../outside', join(root.path, 'to/there'))
  const before = await stat(join(root.path, 'outside/in'))
  const open = { type: 'directory', mode: 0o777, mtimeNs: 1_000_000_000n } as const
  const { report } = await extracted(root.path, {
    a: [made('out', { type: 'symlink', linkPath: Buffer.from('../outside') })],
    b: [made('out/in', open), made('there/in', open), good],
  })
  expect(report.failed.map(({ member, error }) => [member, error.code])).toEqual([
    ['out/in', 'in-the-way'],
    ['there/in', 'in-the-way'],
  ])
  const after = await stat(join(root.path, 'outside/in'))
  expect([after.mode, after.mtimeMs]).toEqual([before.mode, before.mtimeMs])
})

test('a directory whose time can not be set has failed', async () => {
  await using root = await temporaryDirectory()
  const { report } = await extracted(root.path, {
    data: [made('data', { type: 'directory', mtimeNs: 10n ** 30n }), good],
  })
  expect(report.failed.map(({ member }) => member)).toEqual(['data'])
  expect(report.files).toBe(1)
})

test('two sources that hold the same name: the first one stays, and the second has failed', async () => {
  await using root = await temporaryDirectory()
  const { report, to } = await extracted(
    root.path,
    { a: [made('same', { content: 'first' })], b: [made('same', { content: 'second' }), good] },
    { overwrite: true },
  )
  expect(report.failed.map(({ source, error }) => [source, error.message])).toEqual([
    ['b', 'another source has put its own same there'],
  ])
  expect(await readFile(join(to, 'same'), 'utf8')).toBe('first')
  expect(report.files).toBe(2)
})

test.each([
  ['../outside', 'up'],
  ['/etc/hostname', 'to an absolute name'],
  ['data/none', 'to nothing'],
])('a hard link to %s (%s) is left out and told', async (target) => {
  await using root = await temporaryDirectory()
  await writeFile(join(root.path, 'outside'), 'secret')
  const link = made('data/link', { type: 'hardlink', linkPath: Buffer.from(target) })
  const { report, names } = await extracted(root.path, { data: [good, link] })
  expect(told(report)).toEqual([['data/link', 'it is a hard link to what the source does not hold']])
  expect(names).not.toContain('to/data/link')
})

test('a hard link never takes a file that lay there before', async () => {
  await using root = await temporaryDirectory()
  await mkdir(join(root.path, 'to/data/good'), { recursive: true })
  const link = made('data/link', { type: 'hardlink', linkPath: Buffer.from('data/good') })
  const { report } = await extracted(root.path, { data: [good, link] }, { overwrite: true })
  expect(report.failed.map(({ member, error }) => [member, error.code])).toEqual([
    ['data/good', 'in-the-way'],
    ['data/link', 'link-target'],
  ])
})

test('a hard link that is asked for without its file has the content', async () => {
  await using root = await temporaryDirectory()
  const link = made('data/link', { type: 'hardlink', linkPath: Buffer.from('data/good') })
  const { to, names } = await extracted(root.path, { data: [good, link] }, { addresses: ['data:data/link'] })
  expect(names).toEqual(['to', 'to/data', 'to/data/link'])
  expect(await readFile(join(to, 'data/link'), 'utf8')).toBe('good')
})

test('devices and FIFOs are left out and told', async () => {
  await using root = await temporaryDirectory()
  const device = { mode: 0o666, deviceMajor: 8, deviceMinor: 0 } as const
  const { report, names } = await extracted(root.path, {
    data: [
      made('data/disk', { type: 'block-device', ...device }),
      made('data/tty', { type: 'character-device', ...device }),
      made('data/pipe', { type: 'fifo' }),
      good,
    ],
  })
  expect(told(report)).toEqual([
    ['data/disk', 'it is a block device'],
    ['data/tty', 'it is a character device'],
    ['data/pipe', 'it is a fifo'],
  ])
  expect(report.leftOut.some(({ hostile }) => hostile)).toBe(false)
  expect(names).toEqual(['to', 'to/data', 'to/data/good'])
})

test('a member that is there twice fails its source, and the others come', async () => {
  await using root = await temporaryDirectory()
  const { report } = await extracted(root.path, {
    data: [good, good],
    logs: [made('logs/a', { content: 'a' })],
  })
  expect(report.failed[0]?.error.code).toBe('hostile-duplicate')
  expect(report.files).toBe(1)
})

test('an archive that holds another content than the index: that file is not there, the others are', async () => {
  await using root = await temporaryDirectory()
  const { report, names } = await extracted(
    root.path,
    { data: [made('data/a', { content: 'first' }), made('data/bad', { content: 'captured' }), good] },
    {
      damage: (_file, bytes) =>
        Buffer.from(bytes.toString('latin1').replace('captured', 'replaced'), 'latin1'),
    },
  )
  expect(report.failed).toMatchObject([
    { source: 'data', member: 'data/bad', error: { code: 'file-differs' } },
  ])
  expect(names).toEqual(['to', 'to/data', 'to/data/a', 'to/data/good'])
})

test('an archive that is cut: what came is there and whole, the rest is named', async () => {
  await using root = await temporaryDirectory()
  const { report, names } = await extracted(
    root.path,
    {
      data: [
        made('data/a', { content: 'a'.repeat(600_000) }),
        made('data/b', { content: 'b'.repeat(600_000) }),
        good,
      ],
    },
    { damage: (file, bytes) => (file === 'data.tar.gpg' ? bytes.subarray(0, 1_100_000) : bytes) },
  )
  expect(report.failed.map(({ member }) => member)).toEqual(['data/b', 'data/good'])
  expect(names).toEqual(['to', 'to/data', 'to/data/a'])
})

test('what lies there already is not replaced, and nothing is written, unless it may be', async () => {
  await using root = await temporaryDirectory()
  await mkdir(join(root.path, 'to/data'), { recursive: true })
  await writeFile(join(root.path, 'to/data/good'), 'mine')
  const sources = { data: [made('data', { type: 'directory' }), made('data/a', { content: 'a' }), good] }
  await expect(extracted(root.path, sources)).rejects.toMatchObject({
    code: 'exists',
    message: `${root.path}/to has data/good already; nothing was written`,
  })
  expect(await readdir(root.path, { recursive: true })).toEqual(['to', 'to/data', 'to/data/good'])
  await extracted(root.path, sources, { overwrite: true })
  expect(await readFile(join(root.path, 'to/data/good'), 'utf8')).toBe('good')
})

test('what is replaced stays until its successor is proven', async () => {
  await using root = await temporaryDirectory()
  await mkdir(join(root.path, 'to/data'), { recursive: true })
  await writeFile(join(root.path, 'to/data/good'), 'mine')
  const damage = (_file: string, bytes: Buffer) =>
    Buffer.from(bytes.toString('latin1').replace('good\0', 'evil\0'), 'latin1')
  await extracted(
    root.path,
    { data: [made('data/good', { content: 'good' })] },
    { overwrite: true, damage },
  ).catch(() => undefined)
  expect(await readFile(join(root.path, 'to/data/good'), 'utf8')).toBe('mine')
})

test('only the archives of what is asked for are opened', async () => {
  await using root = await temporaryDirectory()
  const { snapshot, dependencies, opened } = fakeSnapshot({
    data: [good],
    logs: [made('logs/a', { content: 'a' })],
  })
  const request = {
    snapshot,
    to: join(root.path, 'to'),
    overwrite: false,
    addresses: [parseAddress('logs:a')],
  }
  expect(await extractSnapshot(request, dependencies, signal)).toMatchObject({ files: 1 })
  expect(new Set(opened)).toEqual(new Set(['logs.index.jsonl.zst.gpg', 'logs.tar.gpg']))
})

test('directories that lack are made, and one that can not be made is told', async () => {
  await using root = await temporaryDirectory()
  const { snapshot, dependencies } = fakeSnapshot({ data: [good] })
  const to = (path: string) =>
    extractSnapshot({ snapshot, to: path, overwrite: false, addresses: [] }, dependencies, signal)
  expect(await to(join(root.path, 'a/b/c'))).toMatchObject({ files: 1, failed: [] })
  await symlink('a', join(root.path, 'link'))
  expect(await to(join(root.path, 'link/d'))).toMatchObject({ files: 1, failed: [] })
  await writeFile(join(root.path, 'file'), '')
  for (const path of ['file', 'file/x'])
    await expect(to(join(root.path, path))).rejects.toMatchObject({
      code: 'destination',
      message: `${join(root.path, path)}: it is no directory`,
    })
})

test.runIf(process.platform === 'linux').each(['/proc/x', '/proc/x/y'])('%s is no place', async (to) => {
  const { snapshot, dependencies } = fakeSnapshot({ data: [good] })
  const request = { snapshot, to, overwrite: false, addresses: [] }
  await expect(extractSnapshot(request, dependencies, signal)).rejects.toMatchObject({ code: 'destination' })
})

test('a path that is not there is told before anything is written', async () => {
  await using root = await temporaryDirectory()
  await expect(
    extracted(root.path, { data: [good] }, { addresses: ['data:data/god'] }),
  ).rejects.toMatchObject({
    code: 'usage',
    details: { next: expect.stringContaining('Did you mean data:data/good?') as string },
  })
  await expect(lstat(join(root.path, 'to'))).rejects.toMatchObject({ code: 'ENOENT' })
})

test('a source that the snapshot lacks is told by its name, with the nearest that there is', async () => {
  await using root = await temporaryDirectory()
  const asked = extracted(root.path, { data: [good], logs: [] }, { addresses: ['data:', 'logz:x'] })
  await expect(asked).rejects.toMatchObject({
    message: expect.stringMatching(/^prod\/\S+ has no source logz$/) as string,
    details: { next: 'Did you mean "logs"? It has: data, logs' },
  })
})

test('a directory without an entry of its own is extracted', async () => {
  await using root = await temporaryDirectory()
  const database = made('app/db/main.db', { content: 'a' })
  const { report, to } = await extracted(root.path, { data: [database] }, { addresses: ['data:app'] })
  expect(report).toMatchObject({ files: 1, failed: [], leftOut: [] })
  expect(await readFile(join(to, 'app/db/main.db'), 'utf8')).toBe('a')
})

test('of all of a snapshot, a source that retention has removed is told, and the others are extracted', async () => {
  await using root = await temporaryDirectory()
  const { report } = await extracted(root.path, { data: [good], logs: [good] }, { removed: ['logs'] })
  expect(report).toMatchObject({
    files: 1,
    failed: [],
    leftOut: [{ source: 'logs', member: '', why: 'retention has removed it from this snapshot' }],
  })
})
