import { execFile } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import {
  appendFile,
  chmod,
  link,
  lstat,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readIndex, encodeIndex } from '../../src/archive/index-file.ts'
import { createRecordSorter } from '../../src/archive/record-sorter.ts'
import { writeArchive } from '../../src/archive/write-archive.ts'
import type { IndexEntry } from '../../src/archive/contract.ts'
import type { FilesSourceConfig } from '../../src/sources/files/config.ts'
import { pathFromJson } from '../../src/model/path-bytes.ts'
import { IndexBook } from '../../src/pull/incremental/compose.ts'
import { indexBatches } from '../../src/pull/incremental/finish.ts'
import { OwnMembers } from '../../src/pull/incremental/members.ts'
import type { PullMode } from '../../src/pull/incremental/mode.ts'
import { TAIL_THRESHOLD } from '../../src/pull/incremental/plan.ts'
import { preparePull } from '../../src/pull/incremental/prepare.ts'
import { ReplayScript } from '../../src/pull/incremental/replay-script.ts'
import type { CaptureContext } from '../../src/sources/contract.ts'
import { filesSource } from '../../src/sources/files/index.ts'
import { openListingStore } from '../../src/state/listing-store.ts'
import { LocalHost, localProbe } from '../lab/local-host.ts'
import { tempDir } from '../lab/temp.ts'
import { treeOf } from '../lab/tree-of.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

const run = promisify(execFile)
const signal = new AbortController().signal
const DATA: FilesSourceConfig = { kind: 'files', name: 'data', paths: ['data'], exclude: ['*.tmp'] }

/** Pulls `app/data` of a folder of this machine through the real scripts, without vault and encryption. */
class Chain {
  readonly snapshots: string[] = []
  readonly modes: PullMode[] = []
  readonly wire: number[] = []
  readonly folder: string
  readonly #store
  readonly #config: FilesSourceConfig
  /** Called between the listing and the reading. */
  meanwhile: () => Promise<void> = async () => {}

  constructor(folder: string, paths: readonly string[] = ['data']) {
    this.#config = { ...DATA, paths }
    this.folder = folder
    this.#store = openListingStore(join(folder, 'state'))
  }

  async pull(): Promise<void> {
    const snapshot = `20251120T0200${String(this.snapshots.length).padStart(2, '0')}Z`
    const directory = join(this.folder, snapshot)
    await mkdir(directory)
    await using host = new LocalHost()
    const context: CaptureContext = {
      host,
      probe: localProbe({ deployment: join(this.folder, 'app') }),
      privilege: undefined,
      compression: { kind: 'auto' },
      secret: () => Promise.reject(new Error('no secrets here')),
      findContainer: () => Promise.reject(new Error('no containers here')),
      step: () => {},
      notice: () => {},
      signal,
    }
    const { incremental } = filesSource
    if (incremental === undefined) throw new Error('files can be captured incrementally')
    const source = await incremental.open(context, this.#config)
    const last = await this.#store.open('vault', 'host', 'data')
    await using prepared = await preparePull({
      snapshot,
      listed: source.list(),
      last,
      mode: { mode: 'incremental' },
      createSorter: createRecordSorter,
      scratchPath: (name) => join(directory, `${name}.scratch`),
    })
    await this.meanwhile()
    const full = prepared.mode.mode === 'full'
    await using capture = source.captureListed(prepared.changes)
    await using members = new OwnMembers(snapshot, join(directory, 'members.scratch'), {
      createSorter: createRecordSorter,
    })
    let wire = 0
    for await (const archive of capture.archives()) {
      const name = `data${archive.part === '' ? '' : `.${archive.part}`}.tar.zst`
      const result = await writeArchive(archive.input, {
        encryptor: {
          recipients: [],
          encrypt: () => Promise.resolve({ stream: new PassThrough(), headBytes: 0 }),
        },
        sink: { stream: createWriteStream(join(directory, name)) },
        observer: {
          entry: (entry) => {
            archive.observer.entry?.(entry)
            members.add(entry, { part: archive.part, archive: name })
          },
        },
        signal,
      })
      await archive.finish()
      wire += result.wireBytes
    }
    const outcome = await capture.finish()
    await using listing = await this.#store.begin({
      vault: 'vault',
      host: 'host',
      source: 'data',
      snapshot,
      definition: '',
      passphrase: null,
      incrementals: 0,
      checkedAt: '2025-11-20T02:00:00Z',
    })
    const captured = {
      snapshot,
      prepared,
      members: () => members.amended(outcome),
      tails: members.tails(outcome, prepared.changes.tails),
    }
    const book = new IndexBook()
    const replay = new ReplayScript()
    const lines = encodeIndex(
      { format: 1, source: 'data', snapshot, paths: ['data'] },
      indexBatches(captured, { listing, book, replay }),
    )
    await pipeline(Readable.from(lines), createWriteStream(join(directory, 'index.jsonl')))
    if (!full) await writeFile(join(directory, 'replay.sh'), [...replay.pieces()].join(''))
    await writeFile(join(directory, 'parents'), JSON.stringify(book.parents(snapshot)))
    await listing.commit('hash', [])
    this.snapshots.push(snapshot)
    this.modes.push(prepared.mode)
    this.wire.push(wire)
  }

  async index(snapshot: string): Promise<IndexEntry[]> {
    const entries: IndexEntry[] = []
    const file = Readable.from([await readFile(join(this.folder, snapshot, 'index.jsonl'))])
    for await (const entry of readIndex(file)) entries.push(entry)
    return entries
  }

  /** By hand: zstd, tar and sh alone, of what the manifest lists as parents, oldest first. */
  async unpackByHand(snapshot: string, into: string): Promise<void> {
    await mkdir(into)
    const parents = JSON.parse(await readFile(join(this.folder, snapshot, 'parents'), 'utf8')) as string[]
    for (const id of [...parents, snapshot]) {
      const files = (await readdir(join(this.folder, id))).filter((name) => name.endsWith('.tar.zst'))
      // `data.reread.…` comes behind `data.tar.…`, as it must.
      for (const file of files.sort((a, b) => a.length - b.length)) {
        await run('sh', [
          '-c',
          'zstd -dqc "$1" | tar -xpf - -C "$2"',
          'sh',
          join(this.folder, id, file),
          into,
        ])
      }
    }
    const replay = join(this.folder, snapshot, 'replay.sh')
    const script = await readFile(replay).catch(() => undefined)
    if (script !== undefined) await run('dash', [replay], { cwd: into })
  }
}

describe('a chain made by the real scripts', () => {
  test('30 links of edits of every kind unpack by zstd, tar and sh to the tree as it was', async () => {
    await using temp = await tempDir()
    const data = join(temp.path, 'app/data')
    await mkdir(data, { recursive: true })
    const at = (name: string) => Buffer.concat([Buffer.from(`${data}/`), Buffer.from(name, 'latin1')])
    const big = Buffer.alloc(TAIL_THRESHOLD + 700, 'x')
    await writeFile(at('log'), big)
    await writeFile(at('log with $(name) \'"\xff\n'), big)
    await writeFile(at('rewritten'), big)
    await writeFile(at('small'), 'one')
    await writeFile(at('-rf \\n'), 'hostile')
    await link(at('small'), at('small-link'))
    await mkdir(at('dir/sub'), { recursive: true })
    await writeFile(at('dir/sub/file'), 'deep')
    await writeFile(at('left-out.tmp'), 'never')
    await symlink('small', at('symlink'))
    const edits: ((n: number) => Promise<void>)[] = [
      async (n) => appendFile(at('log'), `line ${n}\n`),
      async (n) => appendFile(at('log with $(name) \'"\xff\n'), `line ${n}\n`),
      async (n) => writeFile(at(`new-${n} \n`), String(n)),
      async (n) => rm(at(`new-${n - 2} \n`), { force: true }),
      async (n) => writeFile(at('rewritten'), Buffer.alloc(big.length + n * 10, String(n % 10))),
      async () => chmod(at('dir/sub/file'), 0o640),
      async (n) => {
        const { mtime } = await lstat(at('small'))
        await writeFile(at('small'), String(n).padStart(3, '0'))
        await utimes(at('small'), mtime, mtime)
      },
      async (n) => rename(at(n === 8 ? 'dir' : 'moved'), at(n === 8 ? 'moved' : 'moved')).catch(() => {}),
      async () => rm(at('small-link'), { force: true }),
      async (n) => {
        await rm(at('symlink'), { force: true })
        await symlink(`to ${n}`, at('symlink'))
      },
      async () => truncate(at('log'), 10),
      async () => writeFile(at('log'), big),
    ]
    const chain = new Chain(temp.path)
    const trees: Map<string, string>[] = []
    for (let n = 0; n <= 30; n += 1) {
      if (n > 0) await edits[n % edits.length]?.(n)
      if (n > 0) await edits[0]?.(n)
      await chain.pull()
      trees.push(await treeOf(join(temp.path, 'app')))
    }
    expect(chain.modes.map(({ mode }) => mode)).toEqual(['full', ...Array<string>(30).fill('incremental')])
    for (const n of [0, 1, 5, 13, 22, 29, 30]) {
      const into = join(temp.path, `out-${n}`)
      const snapshot = chain.snapshots[n] ?? ''
      await chain.unpackByHand(snapshot, into)
      const expected = new Map([...(trees[n] ?? [])].filter(([name]) => !name.endsWith('.tmp')))
      expect(await treeOf(into)).toEqual(expected)
      expect(await readdir(into)).toEqual(['data'])
      const names = (await chain.index(snapshot)).map((entry) => pathFromJson(entry.path).toString('latin1'))
      expect(names.sort()).toEqual([...expected.keys()].sort())
    }
  })

  test('a file that shrank or was rewritten behind the listing is sent whole, no tail of it counts', async () => {
    await using temp = await tempDir()
    const data = join(temp.path, 'app/data')
    await mkdir(data, { recursive: true })
    const big = Buffer.alloc(TAIL_THRESHOLD * 2, 'x')
    for (const name of ['grown', 'shrunk', 'replaced', 'gone']) await writeFile(join(data, name), big)
    const chain = new Chain(temp.path)
    await chain.pull()
    for (const name of ['grown', 'shrunk', 'replaced', 'gone']) await appendFile(join(data, name), 'more')
    chain.meanwhile = async () => {
      await truncate(join(data, 'shrunk'), big.length + 2)
      await writeFile(join(data, 'replaced'), Buffer.alloc(big.length + 4, 'y'))
      await rm(join(data, 'gone'))
    }
    await chain.pull()
    expect(chain.modes.at(-1)).toEqual({ mode: 'incremental' })
    const segments = new Map(
      (await chain.index(chain.snapshots[1] ?? '')).map((entry) => [
        pathFromJson(entry.path).toString(),
        entry.segments?.map(({ snapshot, length }) => [chain.snapshots.indexOf(snapshot), length]),
      ]),
    )
    expect(segments.get('data/grown')).toEqual([
      [0, big.length],
      [1, 4],
    ])
    expect(segments.get('data/shrunk')).toEqual([[1, big.length + 2]])
    expect(segments.get('data/replaced')).toEqual([[1, big.length + 4]])
    expect(segments.has('data/gone')).toBe(false)
    await chain.unpackByHand(chain.snapshots[1] ?? '', join(temp.path, 'out'))
    const out = await treeOf(join(temp.path, 'out'))
    expect([...out.keys()]).toEqual(['data', 'data/grown', 'data/replaced', 'data/shrunk'])
  })

  test('an unchanged tree costs nothing, a line in a log its tail, a directory in the place of a file a full', async () => {
    await using temp = await tempDir()
    const data = join(temp.path, 'app/data')
    await mkdir(data, { recursive: true })
    await writeFile(join(data, 'log'), Buffer.alloc(20 * 1024 * 1024, 'x'))
    await run('dd', ['if=/dev/urandom', `of=${join(data, 'noise')}`, 'bs=64k', 'count=32'])
    await writeFile(join(data, 'file'), '')
    // Two seconds are too close to the listing to be told from it.
    for (const name of ['log', 'noise', 'file']) await utimes(join(data, name), 1e9, 1e9)
    const chain = new Chain(temp.path)
    await new Promise((resolve) => setTimeout(resolve, 3100))
    await chain.pull()
    await appendFile(join(data, 'log'), 'line\n')
    await chain.pull()
    expect(chain.wire[1]).toBeLessThan(4096)
    await rm(join(data, 'file'))
    await mkdir(join(data, 'file'))
    await chain.pull()
    expect(chain.modes.map(({ mode }) => mode)).toEqual(['full', 'incremental', 'full'])
  })

  test('tails and changes below a symlinked path and below one outside the deployment', async () => {
    await using temp = await tempDir()
    const outside = join(temp.path, 'outside')
    const linked = join(temp.path, 'linked')
    await mkdir(join(temp.path, 'app'))
    for (const directory of [outside, linked]) {
      await mkdir(join(directory, 'in'), { recursive: true })
      await writeFile(join(directory, 'in/log'), Buffer.alloc(TAIL_THRESHOLD, 'x'))
      await writeFile(join(directory, 'in/small'), 'one')
      await writeFile(join(directory, 'in/gone'), 'one')
    }
    await symlink(linked, join(temp.path, 'app/link'))
    const chain = new Chain(temp.path, ['link', outside])
    await chain.pull()
    for (const directory of [outside, linked]) {
      await appendFile(join(directory, 'in/log'), 'more')
      await writeFile(join(directory, 'in/small'), 'two')
      await rm(join(directory, 'in/gone'))
    }
    await chain.pull()
    expect(chain.modes.at(-1)).toEqual({ mode: 'incremental' })
    const segments = (await chain.index(chain.snapshots[1] ?? '')).filter(({ size }) => size > 4)
    expect(segments.map((entry) => entry.segments?.length)).toEqual([2, 2])
    const out = join(temp.path, 'out')
    await chain.unpackByHand(chain.snapshots[1] ?? '', out)
    const inside = outside.slice(1)
    const named = (tree: Map<string, string>, from: string, to: string) =>
      new Map([...tree].map(([name, shown]) => [name.replace(from, to), shown.replace(from, to)]))
    expect(await treeOf(out, inside)).toEqual(named(await treeOf('/', inside), inside, inside))
    expect(named(await treeOf(out, 'link'), 'link', 'linked')).toEqual(await treeOf(temp.path, 'linked'))
  })

  test('directories and links that nothing else is needed of their snapshot for', async () => {
    await using temp = await tempDir()
    const data = join(temp.path, 'app/data')
    await mkdir(data, { recursive: true })
    await writeFile(join(data, 'file'), 'one')
    const chain = new Chain(temp.path)
    await chain.pull()
    await mkdir(join(data, 'empty'), { mode: 0o750 })
    await symlink('nowhere', join(data, 'link'))
    for (const path of ['file', 'empty', '.']) await utimes(join(data, path), 1e9, 1e9)
    await new Promise((resolve) => setTimeout(resolve, 3100))
    await chain.pull()
    await writeFile(join(data, 'file'), 'two')
    await chain.pull()
    expect(chain.modes.map(({ mode }) => mode)).toEqual(['full', 'incremental', 'incremental'])
    await chain.unpackByHand(chain.snapshots[2] ?? '', join(temp.path, 'out'))
    expect(await treeOf(join(temp.path, 'out'))).toEqual(await treeOf(join(temp.path, 'app')))
  })

  test('a pull of nothing new, and one whose only change vanished, are whole snapshots', async () => {
    await using temp = await tempDir()
    const data = join(temp.path, 'app/data')
    await mkdir(data, { recursive: true })
    await writeFile(join(data, 'file'), 'one')
    await new Promise((resolve) => setTimeout(resolve, 3100))
    const chain = new Chain(temp.path)
    await chain.pull()
    await chain.pull()
    await writeFile(join(data, 'file'), 'two')
    chain.meanwhile = () => rm(join(data, 'file'))
    await chain.pull()
    const names = await Promise.all(chain.snapshots.map((snapshot) => chain.index(snapshot)))
    expect(names.map((entries) => entries.map(({ path }) => path))).toEqual([
      ['data', 'data/file'],
      ['data', 'data/file'],
      ['data'],
    ])
    expect(chain.modes.map(({ mode }) => mode)).toEqual(['full', 'incremental', 'incremental'])
  })
})
