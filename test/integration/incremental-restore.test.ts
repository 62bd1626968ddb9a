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
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Snapshot } from '../../src/vault/contract.ts'
import { verifyVault } from '../../src/verify/verify-vault.ts'
import { rotateHost } from '../../src/prune/rotate.ts'
import { TAIL_THRESHOLD } from '../../src/pull/incremental/plan.ts'
import { treeOf } from '../lab/tree-of.ts'
import { IncrementalLab, signal } from './incremental-lab.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

const NAMES = ['a', 'b', 'd', 'd/a', 'd/e', 'd/e/c', "odd \n'$(x)\\", 'log'] as const
const OPERATIONS = [
  'write',
  'append',
  'append',
  'grow',
  'quiet',
  'remove',
  'rename',
  'chmod',
  'directory',
  'symlink',
  'link',
  'back',
  'cut',
] as const
type Edit = readonly [(typeof OPERATIONS)[number], (typeof NAMES)[number], (typeof NAMES)[number], number]

/** What can't be done where it is asked for is left out, as a user would. */
async function edit(root: string, [operation, name, other, n]: Edit): Promise<void> {
  const path = join(root, name)
  const to = join(root, other)
  const bytes = (size: number) => Buffer.alloc(size, String(n % 10))
  const attempt = async (): Promise<unknown> => {
    const isFile = await lstat(path).then(
      (stat) => stat.isFile(),
      () => false,
    )
    switch (operation) {
      case 'write':
        return await writeFile(path, bytes(n))
      case 'append':
        return isFile && (await appendFile(path, `line ${n}\n`))
      case 'grow':
        return await appendFile(path, bytes(TAIL_THRESHOLD + n))
      case 'quiet': {
        // The same size and time: only ctime tells.
        if (!isFile) return
        const { size, atime, mtime } = await lstat(path)
        await writeFile(path, bytes(size))
        return await utimes(path, atime, mtime)
      }
      case 'remove':
        return await rm(path, { recursive: true, force: true })
      case 'rename':
        return await rename(path, to)
      case 'chmod':
        return await chmod(path, 0o600 + (n % 0o200))
      case 'directory':
        return await mkdir(path)
      case 'symlink':
        return await symlink(other, path)
      case 'link':
        return await link(path, to)
      case 'back':
        return await utimes(path, 1e9 + n, 1e9 + n)
      case 'cut':
        return isFile && (await truncate(path, Math.min(n, (await lstat(path)).size)))
    }
  }
  await attempt().catch((error: unknown) => {
    if (
      !/^(ENOENT|EEXIST|ENOTDIR|EISDIR|EINVAL|ENOTEMPTY|EPERM|ELOOP)$/.test((error as { code: string }).code)
    )
      throw error
  })
}

const edits = fc.array(
  fc.tuple(
    fc.constantFrom(...OPERATIONS),
    fc.constantFrom(...NAMES),
    fc.constantFrom(...NAMES),
    fc.nat(3000),
  ),
  { minLength: 0, maxLength: 8 },
)
const step = fc.record({
  edits,
  event: fc.oneof(
    { weight: 6, arbitrary: fc.constant('nothing' as const) },
    { weight: 1, arbitrary: fc.constant('prune' as const) },
    { weight: 1, arbitrary: fc.constant('lost listing' as const) },
    { weight: 1, arbitrary: fc.constant('--full' as const) },
  ),
})

async function expectAll(lab: IncrementalLab, trees: ReadonlyMap<string, unknown>): Promise<void> {
  for (const snapshot of await lab.all()) {
    if (snapshot.retired) continue
    expect(await treeOf(await lab.unpack(snapshot)), snapshot.id).toEqual(trees.get(snapshot.id))
  }
  const reporter = { event: () => {} }
  const { hosts } = await verifyVault(lab.vault, [{ host: 'prod' }], { reporter, now: lab.now, signal })
  expect(hosts.flatMap(({ problems }) => problems)).toEqual([])
}

async function treeNow(lab: IncrementalLab): Promise<Map<string, string>> {
  return await treeOf(lab.app)
}

async function begin(lab: IncrementalLab): Promise<void> {
  const data = join(lab.app, 'data')
  await mkdir(join(data, 'd'))
  await writeFile(join(data, 'a'), 'one')
  await link(join(data, 'a'), join(data, 'd/a'))
  await writeFile(join(data, 'log'), Buffer.alloc(TAIL_THRESHOLD, 'x'))
  // Otherwise most edits are more than an incremental is worth.
  await writeFile(join(data, 'ballast'), Buffer.alloc(2 * 1024 * 1024, 'b'))
}

describe('random histories', () => {
  test('every kept snapshot restores to the tree as it was, also after rotation and prune at any point', async () => {
    const seen = { full: 0, incremental: 0, tails: 0, retired: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 3, maxLength: 7 }),
        fc.record({ last: fc.integer({ min: 1, max: 4 }), fullEvery: fc.integer({ min: 1, max: 5 }) }),
        async (steps, { last, fullEvery }) => {
          await using lab = await IncrementalLab.start()
          lab.retention = { last, safety: 1 }
          lab.fullEvery = fullEvery
          await begin(lab)
          const trees = new Map<string, unknown>()
          for (const { edits: some, event } of steps) {
            for (const each of some) await edit(join(lab.app, 'data'), each)
            if (event === 'lost listing') await rm(join(lab.path, 'state'), { recursive: true, force: true })
            const snapshot = await lab.pulled({ full: event === '--full' })
            trees.set(snapshot.id, await treeNow(lab))
            if (event === 'prune') {
              await using lock = await lab.vault.lock('prod')
              const host = { ...lab.host, retention: { last: 1, safety: 1 } }
              await rotateHost(lab.vault, lock, host, lab.now(), { dryRun: false })
            }
            const source = snapshot.manifest.sources[0]
            if (source !== undefined) seen[source.mode] += 1
            if (source?.mode === 'incremental' && source.archives[0]!.plainBytes > 10_000) seen.tails += 1
            seen.retired += (await lab.all()).filter(({ retired }) => retired).length
            await expectAll(lab, trees)
          }
        },
      ),
      { numRuns: 12, endOnFailure: true },
    )
    // Else it would have shown nothing.
    expect(Math.min(...Object.values(seen)), JSON.stringify(seen)).toBeGreaterThan(0)
  }, 600_000)
})

describe('a chain', () => {
  /** Pulls a log and others that change each day; gives the snapshots and the trees. */
  async function days(lab: IncrementalLab, count: number): Promise<[Snapshot, Map<string, string>][]> {
    await begin(lab)
    const made: [Snapshot, Map<string, string>][] = []
    for (let day = 0; day < count; day += 1) {
      await appendFile(join(lab.app, 'data/log'), `day ${day}\n`)
      await writeFile(join(lab.app, `data/day-${day}`), String(day))
      await rm(join(lab.app, `data/day-${day - 3}`), { force: true })
      made.push([await lab.pulled(), await treeNow(lab)])
    }
    return made
  }

  test('each link says what it needs, has a replay script, and sends next to nothing', async () => {
    await using lab = await IncrementalLab.start()
    const made = await days(lab, 5)
    const sources = made.map(([{ manifest }]) => manifest.sources[0]!)
    const ids = made.map(([{ id }]) => id)
    expect(sources.map(({ mode }) => mode)).toEqual(['full', ...Array<string>(4).fill('incremental')])
    expect(sources[4]!.parents).toEqual(ids.slice(0, 4))
    expect(sources.map(({ replay }) => replay?.file)).toEqual([
      undefined,
      ...Array<string>(4).fill('data.replay.sh.gpg'),
    ])
    expect(sources[4]!.archives[0]!.plainBytes).toBeLessThan(20_000)
    expect(sources[4]!.facts).toMatchObject({ kind: 'files', files: 6 })
    for (const [snapshot, tree] of made) expect(await treeOf(await lab.unpack(snapshot))).toEqual(tree)
  })

  test('a link that holds every file, but not the directories and links that stayed, restores whole', async () => {
    await using lab = await IncrementalLab.start()
    await mkdir(join(lab.app, 'data/empty'))
    await symlink('file', join(lab.app, 'data/link'))
    await writeFile(join(lab.app, 'data/file'), 'one')
    await lab.pulled()
    await writeFile(join(lab.app, 'data/file'), 'two')
    const snapshot = await lab.pulled()
    const source = snapshot.manifest.sources[0]!
    expect([source.mode, source.archives.length]).toEqual(['incremental', 1])
    expect(await treeOf(await lab.unpack(snapshot))).toEqual(await treeNow(lab))
  })

  test('as long as nothing changes the archive of the full is passed on, and no longer', async () => {
    await using lab = await IncrementalLab.start()
    await begin(lab)
    const full = await lab.pulled()
    const same = await lab.pulled()
    const tree = await treeNow(lab)
    for (const snapshot of [full, same]) expect(await treeOf(await lab.unpack(snapshot))).toEqual(tree)
    expect(lab.passedOn).toEqual([full.id, full.id])
    const changes = [
      () => chmod(join(lab.app, 'data/a'), 0o600),
      () => unlink(join(lab.app, 'data/log')),
      () => mkdir(join(lab.app, 'data/z')),
    ]
    for (const change of changes) {
      await change()
      const snapshot = await lab.pulled()
      expect(snapshot.manifest.sources[0]!.mode).toBe('incremental')
      expect(await treeOf(await lab.unpack(snapshot))).toEqual(await treeNow(lab))
    }
    expect(lab.passedOn).toHaveLength(2)
    // What it is compared with is gone: it is put together.
    await unlink(join(lab.path, 'vault/prod', full.id, 'data.index.jsonl.zst.gpg'))
    expect(await treeOf(await lab.unpack(same))).toEqual(tree)
    expect(lab.passedOn).toHaveLength(2)
  })

  test('only the archives that a path needs are read', async () => {
    await using lab = await IncrementalLab.start()
    const made = await days(lab, 4)
    const [first] = made.map(([{ id }]) => id)
    // Neither the first day's file nor its archive is needed for this one.
    await unlink(join(lab.path, 'vault/prod', first!, 'data.tar.zst.gpg'))
    const directory = await lab.unpack(made[3]![0], 'data', [`data/day-1`])
    expect(await readFile(join(directory, 'data-day-1'), 'utf8')).toBe('1')
    await expect(lab.unpack(made[3]![0], 'data', ['data/log'])).rejects.toMatchObject({
      code: 'ENOENT',
      path: expect.stringContaining(`${first}/data.tar.zst.gpg`) as string,
    })
  })

  test('a missing or damaged parent makes all that need it damaged, by name, and the next pull full', async () => {
    await using lab = await IncrementalLab.start()
    const made = await days(lab, 3)
    const [first, second, third] = made.map(([{ id }]) => id)
    const reporter = { event: () => {} }
    const file = join(lab.path, 'vault/prod', first!, 'data.tar.zst.gpg')
    await truncate(file, 100)
    for (const target of [{ host: 'prod' }, { host: 'prod', snapshots: [third!] }]) {
      const { hosts, ok } = await verifyVault(lab.vault, [target], { reporter, now: lab.now, signal })
      expect(ok).toBe(false)
      const told = hosts[0]!.problems.map(({ snapshot, code, message }) => [snapshot, code, message])
      expect(told).toContainEqual([
        third,
        'parent-damaged',
        expect.stringMatching(`data needs ${first}/data.tar.zst.gpg: The file has 100 bytes`),
      ])
      const names = told.map(([snapshot]) => snapshot)
      expect(names).toEqual('snapshots' in target ? [first, third] : [first, second, third])
    }
    const next = await lab.pulled()
    expect(next.manifest.sources[0]).toMatchObject({ mode: 'full', parents: [] })
    expect(lab.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'chain-damaged' }))
    await rm(join(lab.path, 'vault/prod', first!), { recursive: true })
    const { hosts } = await verifyVault(lab.vault, [{ host: 'prod', snapshots: [third!] }], {
      reporter,
      now: lab.now,
      signal,
    })
    expect(hosts[0]!.problems.map(({ snapshot, code }) => [snapshot, code])).toEqual([
      [first, 'missing-snapshot'],
      [third, 'parent-damaged'],
    ])
  })

  test('a bit that flipped in a parent without a write is found when it is time to hash again', async () => {
    await using lab = await IncrementalLab.start()
    const made = await days(lab, 2)
    const { id } = made[0]![0]
    const name = `${id}/data.tar.zst.gpg`
    const file = join(lab.path, 'vault/prod', name)
    const bytes = await readFile(file)
    bytes.writeUInt8(bytes.readUInt8(300) ^ 1, 300)
    await writeFile(file, bytes)
    // A disk that rots leaves no trace: the archive looks as it did when it was proven.
    const listing = join(lab.path, 'state', lab.vault.id, 'prod/data.json')
    const head = JSON.parse(await readFile(listing, 'utf8')) as { looks: Record<string, string> }
    head.looks[name] = (await lab.vault.look(made[0]![0], 'data.tar.zst.gpg')) ?? ''
    await writeFile(listing, JSON.stringify(head))
    expect((await lab.pulled()).manifest.sources[0]!.mode).toBe('incremental')
    lab.passDays(7)
    expect((await lab.pulled()).manifest.sources[0]!.mode).toBe('full')
  })

  test('a retired link keeps what is needed of it, and goes when nothing is', async () => {
    await using lab = await IncrementalLab.start()
    lab.retention = { last: 1, safety: 1 }
    lab.sources.push({ kind: 'files', name: 'other', paths: ['other'], exclude: [] })
    await mkdir(join(lab.app, 'other'))
    await writeFile(join(lab.app, 'other/file'), 'x')
    await begin(lab)
    const ids: string[] = []
    for (let day = 0; day < 3; day += 1) {
      await appendFile(join(lab.app, 'data/log'), `day ${day}\n`)
      await rm(join(lab.path, 'state', lab.vault.id, 'prod/other.json'), { force: true })
      ids.push((await lab.pulled()).id)
    }
    const files = async (id: string) => (await readdir(join(lab.path, 'vault/prod', id))).sort()
    expect((await lab.all()).map(({ id, retired }) => [id, retired])).toEqual([
      [ids[0], true],
      [ids[1], true],
      [ids[2], false],
    ])
    expect(await files(ids[0]!)).not.toContain('other.tar.zst.gpg')
    expect(await files(ids[0]!)).toContain('data.tar.zst.gpg')
    expect((await lab.vault.snapshots('prod')).map(({ id }) => id)).toEqual([ids[2]])
    const dry = await rotateHost(lab.vault, undefined, lab.host, lab.now(), { dryRun: true })
    expect(dry.decisions.slice(0, 2).map(({ action, reasons }) => [action, reasons.at(-1)])).toEqual([
      ['retire', `needed by ${ids[2]}`],
      ['retire', `needed by ${ids[2]}`],
    ])
    const newest = (await lab.all()).at(-1)!
    await expectAll(lab, new Map([[newest.id, await treeNow(lab)]]))
    await lab.pulled({ full: true })
    expect(await lab.all()).toHaveLength(1)
    const names = await readdir(join(lab.path, 'vault/prod'))
    expect(names.filter((name) => name.startsWith('2'))).toHaveLength(1)
  })

  test('more entries than are compared are captured as a whole', async () => {
    await using lab = await IncrementalLab.start()
    await begin(lab)
    const [first] = await lab.pulled().then(({ manifest }) => manifest.sources)
    expect(first!.mode).toBe('full')
    lab.listsTooMany = true
    const snapshot = await lab.pulled()
    expect(snapshot.manifest.sources[0]).toMatchObject({ mode: 'full', parents: [] })
    expect(await treeOf(await lab.unpack(snapshot))).toEqual(await treeNow(lab))
    const names = await readdir(join(lab.path, 'vault/prod', snapshot.id))
    expect(names.filter((name) => name.startsWith('.'))).toEqual([])
  })

  test('no chain is longer than fullEvery', async () => {
    await using lab = await IncrementalLab.start()
    lab.fullEvery = 2
    const made = await days(lab, 7)
    const modes = made.map(([{ manifest }]) => manifest.sources[0]!.mode.charAt(0)).join('')
    expect(modes).toBe('fiifiif')
  })

  test('a state that can not be written costs a full, not the pull', async () => {
    await using lab = await IncrementalLab.start()
    await begin(lab)
    await writeFile(join(lab.path, 'state'), 'a file where a directory should be')
    expect((await lab.pulled()).manifest.sources[0]!.mode).toBe('full')
    expect(lab.events).toContainEqual(expect.objectContaining({ code: 'listing-not-kept' }))
    expect((await lab.pulled()).manifest.sources[0]!.mode).toBe('full')
  })

  test('a pull that failed leaves the listing as it was, and the next goes on from there', async () => {
    await using lab = await IncrementalLab.start()
    const made = await days(lab, 2)
    const state = join(lab.path, 'state', lab.vault.id, 'prod')
    const before = await readFile(join(state, 'data.json'), 'utf8')
    await appendFile(join(lab.app, 'data/log'), 'more\n')
    await rename(join(lab.app, 'data'), join(lab.app, 'away'))
    expect((await lab.pull()).outcome).toBe('failed')
    await rename(join(lab.app, 'away'), join(lab.app, 'data'))
    expect(await readFile(join(state, 'data.json'), 'utf8')).toBe(before)
    expect(await readdir(state)).toHaveLength(2)
    const next = await lab.pulled()
    expect(next.manifest.sources[0]).toMatchObject({ mode: 'incremental' })
    expect(next.manifest.sources[0]!.parents).toContain(made[0]![0].id)
    expect(await treeOf(await lab.unpack(next))).toEqual(await treeNow(lab))
  })
})
