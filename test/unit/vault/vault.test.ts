import { execFileSync } from 'node:child_process'
import { endedRun } from '../../lab/ended-run.ts'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LockedError } from '../../../src/errors.ts'
import type { Vault } from '../../../src/vault/contract.ts'
import { openExistingVault, openVault } from '../../../src/vault/open-vault.ts'
import {
  fakeManifest,
  fakeSource,
  makeDays,
  makeSnapshot,
  never,
  temporaryDirectory,
  temporaryVault,
  writeArchive,
} from './fixtures.ts'

const monday = new Date('2025-11-17T02:00:00Z')

async function problems(vault: Vault, host = 'prod') {
  return vault.check(host, { hashes: true, signal: never })
}

describe('openVault', () => {
  test('makes a private vault on first use and opens the same one again', async () => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'a', 'b', 'vault')
    const old = process.umask(0)
    try {
      const first = await openVault(path)
      const again = await openVault(path)
      expect(again.id).toBe(first.id)
      expect((await stat(path)).mode & 0o777).toBe(0o700)
      expect((await stat(join(path, 'vault.json'))).mode & 0o777).toBe(0o600)
    } finally {
      process.umask(old)
    }
  })

  test('refuses a vault of a newer format', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'vault.json'), '{"format":3,"id":"x"}')
    await expect(openVault(directory.path)).rejects.toMatchObject({ code: 'newer-format' })
  })

  test('refuses a damaged vault.json', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'vault.json'), '')
    await expect(openVault(directory.path)).rejects.toMatchObject({ code: 'vault-damaged' })
  })

  test('never makes a vault among other files', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'thesis.doc'), '')
    await expect(openVault(directory.path)).rejects.toMatchObject({ code: 'not-a-vault' })
    await expect(openExistingVault(directory.path)).rejects.toMatchObject({ code: 'not-a-vault' })
    expect(await readdir(directory.path)).toEqual(['thesis.doc'])
  })

  test('reading makes nothing', async () => {
    await using directory = await temporaryDirectory()
    expect(await openExistingVault(join(directory.path, 'vault'))).toBeUndefined()
    expect(await readdir(directory.path)).toEqual([])
  })

  test('a file in the place of the vault is said plainly', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'vault'), '')
    await expect(openVault(join(directory.path, 'vault'))).rejects.toMatchObject({ code: 'vault-path' })
  })
})

describe('begin and commit', () => {
  test('a committed snapshot is listed, recorded, private, and its checksums pass sha256sum', async () => {
    await using made = await temporaryVault()
    const { vault, path } = made
    const old = process.umask(0)
    try {
      const [first, second] = await makeDays(vault, 'prod', monday, 2)
      expect((await vault.snapshots('prod')).map(({ id }) => id)).toEqual([
        '20251117T020000Z',
        '20251118T020000Z',
      ])
      expect(second?.manifest.previous).toBe(first?.manifestHash)
    } finally {
      process.umask(old)
    }
    const directory = join(path, 'prod', '20251117T020000Z')
    expect(execFileSync('sha256sum', ['-c', 'SHA256SUMS'], { cwd: directory, encoding: 'utf8' })).toBe(
      'logs.tar.zst.gpg: OK\nmanifest.json: OK\n',
    )
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    for (const name of ['manifest.json', 'SHA256SUMS', 'logs.tar.zst.gpg', '../ledger.jsonl', '../.lock']) {
      expect((await stat(join(directory, name))).mode & 0o777, name).toBe(0o600)
    }
    expect((await vault.ledger('prod')).map(({ event }) => event)).toEqual(['made', 'made'])
    expect(await problems(vault)).toEqual([])
  })

  test('each ledger line carries the hash of the line before', async () => {
    await using made = await temporaryVault()
    await makeDays(made.vault, 'prod', monday, 3)
    const lines = (await readFile(join(made.path, 'prod', 'ledger.jsonl'), 'utf8')).trimEnd().split('\n')
    expect(lines).toHaveLength(3)
    for (const [index, line] of lines.entries()) {
      const before = lines[index - 1]
      const hash = before === undefined ? null : createHash('sha256').update(before).digest('hex')
      expect((JSON.parse(line) as { previous: unknown }).previous).toBe(hash)
    }
  })

  test('an ad-hoc host gets an encoded directory and comes back by its name', async () => {
    await using made = await temporaryVault()
    await makeDays(made.vault, 'ubuntu@[2001:db8::1]:2222', monday, 1)
    expect(await made.vault.hosts()).toEqual(['ubuntu@[2001:db8::1]:2222'])
    expect(await readdir(made.path)).toContain('ubuntu%40%5B2001%3Adb8%3A%3A1%5D%3A2222')
    expect(await made.vault.snapshots('ubuntu@[2001:db8::1]:2222')).toHaveLength(1)
  })

  test('without a commit the vault is as it was', async () => {
    await using made = await temporaryVault()
    await using lock = await made.vault.lock('prod')
    {
      await using pending = await made.vault.begin(lock, () => monday, never)
      const file = await pending.createFile('logs.tar.zst.gpg')
      file.stream.write('half')
      expect(await made.vault.snapshots('prod')).toEqual([])
    }
    expect((await readdir(join(made.path, 'prod'))).sort()).toEqual(['.lock', '.reserve'])
  })

  test('scratch data and files of failed sources are gone before the commit', async () => {
    await using made = await temporaryVault()
    await using lock = await made.vault.lock('prod')
    await using pending = await made.vault.begin(lock, () => monday, never)
    await writeFile(pending.scratchPath('index'), 'x')
    await writeArchive(pending, 'failed.tar.zst.gpg')
    const discarded = await pending.createFile('data.tar.zst.gpg')
    await discarded.discard()
    const archive = await writeArchive(pending, 'logs.tar.zst.gpg')
    await pending.commit(fakeManifest(pending, [fakeSource('logs', [archive])]))
    expect((await readdir(join(made.path, 'prod', pending.id))).sort()).toEqual([
      'SHA256SUMS',
      'logs.tar.zst.gpg',
      'manifest.json',
    ])
  })

  test('a file that is shorter on disk than the manifest says stops the commit', async () => {
    await using made = await temporaryVault()
    await using lock = await made.vault.lock('prod')
    {
      await using pending = await made.vault.begin(lock, () => monday, never)
      const archive = await writeArchive(pending, 'logs.tar.zst.gpg')
      await writeFile(join(made.path, 'prod', `.partial-${pending.id}`, 'logs.tar.zst.gpg'), 'short')
      await expect(
        pending.commit(fakeManifest(pending, [fakeSource('logs', [archive])])),
      ).rejects.toMatchObject({ code: 'written-size-differs' })
    }
    expect(await made.vault.snapshots('prod')).toEqual([])
    expect(await problems(made.vault)).toEqual([])
  })

  test('when the ledger can not be written, no snapshot is made', async () => {
    await using made = await temporaryVault()
    await using lock = await made.vault.lock('prod')
    {
      await using pending = await made.vault.begin(lock, () => monday, never)
      const archive = await writeArchive(pending, 'logs.tar.zst.gpg')
      await mkdir(join(made.path, 'prod', 'ledger.jsonl'))
      await expect(
        pending.commit(fakeManifest(pending, [fakeSource('logs', [archive])])),
      ).rejects.toMatchObject({ code: 'not-a-file' })
      await rm(join(made.path, 'prod', 'ledger.jsonl'), { recursive: true })
    }
    expect(await made.vault.snapshots('prod')).toEqual([])
  })

  test('two snapshots in one second: the second waits for the next', async () => {
    await using made = await temporaryVault()
    await using lock = await made.vault.lock('prod')
    const first = await makeSnapshot(made.vault, lock, monday)
    const second = await makeSnapshot(made.vault, lock, new Date(monday.getTime() + 990))
    expect([first.id, second.id]).toEqual(['20251117T020000Z', '20251117T020001Z'])
  })

  test('the id of a removed snapshot is never used again', async () => {
    await using made = await temporaryVault()
    await using lock = await made.vault.lock('prod')
    const first = await makeSnapshot(made.vault, lock, new Date(monday.getTime() + 990))
    await made.vault.remove(lock, first, 'test', monday)
    const second = await makeSnapshot(made.vault, lock, new Date(monday.getTime() + 990))
    expect(second.id).not.toBe(first.id)
  })

  test('the wait for the next second can be aborted', async () => {
    await using made = await temporaryVault()
    await using lock = await made.vault.lock('prod')
    await makeSnapshot(made.vault, lock, monday)
    const controller = new AbortController()
    const waiting = made.vault.begin(lock, () => monday, controller.signal)
    setTimeout(() => controller.abort(), 20)
    await expect(waiting).rejects.toThrow(/abort/i)
  })

  test('a clock that went backwards is no error', async () => {
    await using made = await temporaryVault()
    await using lock = await made.vault.lock('prod')
    const future = await makeSnapshot(made.vault, lock, new Date('2030-01-01T00:00:00Z'))
    const now = await makeSnapshot(made.vault, lock, monday)
    expect(now.manifest.previous).toBe(future.manifestHash)
    expect((await made.vault.snapshots('prod')).map(({ id }) => id)).toEqual([future.id, now.id])
    expect(await problems(made.vault)).toEqual([])
  })
})

describe('lock', () => {
  test('a second lock in the same process fails and names the holder', async () => {
    await using directory = await temporaryDirectory()
    const vault = await openVault(join(directory.path, 'v'), { command: 'relay-backup pull prod' })
    {
      await using _lock = await vault.lock('prod')
      const refused = vault.lock('prod')
      await expect(refused).rejects.toThrow(LockedError)
      await expect(refused).rejects.toThrow(
        new RegExp(`prod is locked by relay-backup pull prod \\(process ${process.pid} on `),
      )
      await using _other = await vault.lock('other')
    }
    await using _again = await vault.lock('prod')
  })

  test('a lock that was given back is no right to write', async () => {
    await using made = await temporaryVault()
    const lock = await made.vault.lock('prod')
    await lock[Symbol.asyncDispose]()
    await expect(made.vault.begin(lock, () => monday, never)).rejects.toThrow('not held')
  })
})

describe('remove and retire', () => {
  test('a removed snapshot leaves its manifest and a ledger line, and is no damage', async () => {
    await using made = await temporaryVault()
    const [first] = await makeDays(made.vault, 'prod', monday, 2)
    if (!first) throw new Error('no snapshot')
    await using lock = await made.vault.lock('prod')
    await made.vault.remove(lock, first, 'older than the last 1', monday)
    expect((await made.vault.snapshots('prod')).map(({ id }) => id)).toEqual(['20251118T020000Z'])
    expect((await readdir(join(made.path, 'prod'))).sort()).toEqual([
      '.lock',
      '.reserve',
      '20251118T020000Z',
      'ledger.jsonl',
      'removed',
    ])
    expect(await readdir(join(made.path, 'prod', 'removed'))).toEqual(['20251117T020000Z.json'])
    expect((await made.vault.ledger('prod')).at(-1)).toMatchObject({
      event: 'removed',
      snapshot: first.id,
      why: 'older than the last 1',
    })
    expect(await problems(made.vault)).toEqual([])
  })

  test('a retired snapshot is hidden but whole and still checked', async () => {
    await using made = await temporaryVault()
    const [first] = await makeDays(made.vault, 'prod', monday, 2)
    if (!first) throw new Error('no snapshot')
    await using lock = await made.vault.lock('prod')
    await made.vault.retire(lock, first, 'test', monday)
    expect(await made.vault.snapshots('prod')).toHaveLength(1)
    expect(await made.vault.snapshots('prod', { retired: true })).toHaveLength(2)
    expect(await problems(made.vault)).toEqual([])
    await rm(made.vault.filePath(first, 'logs.tar.zst.gpg'))
    expect(await problems(made.vault)).toMatchObject([{ snapshot: first.id, code: 'missing-file' }])
  })

  test('removed archives are no damage and sha256sum still passes', async () => {
    await using made = await temporaryVault()
    await using lock = await made.vault.lock('prod')
    const snapshot = await makeSnapshot(made.vault, lock, monday, { sources: ['data', 'logs'] })
    await made.vault.removeArchives(lock, snapshot, ['logs.tar.zst.gpg'], 'per source', monday)
    const [listed] = await made.vault.snapshots('prod')
    expect([...(listed?.removedFiles ?? [])]).toEqual(['logs.tar.zst.gpg'])
    expect(await problems(made.vault)).toEqual([])
    execFileSync('sha256sum', ['-c', '--strict', 'SHA256SUMS'], {
      cwd: join(made.path, 'prod', snapshot.id),
    })
  })

  test('file names can not leave the snapshot', async () => {
    await using made = await temporaryVault()
    const [first] = await makeDays(made.vault, 'prod', monday, 1)
    if (!first) throw new Error('no snapshot')
    for (const name of ['../x', '/etc/passwd', '.hidden', '', 'a/b']) {
      expect(() => made.vault.filePath(first, name)).toThrow('not a file of a snapshot')
    }
  })
})

describe('rotation pause and history', () => {
  test('rotation stays paused until it is accepted', async () => {
    await using made = await temporaryVault()
    await using lock = await made.vault.lock('prod')
    expect(await made.vault.rotationPaused('prod')).toBeUndefined()
    await made.vault.pauseRotation(lock, '20251117T020000Z', 'logs is gone', monday)
    expect(await made.vault.rotationPaused('prod')).toBe('logs is gone')
    await made.vault.acceptRotation(lock, 'looked', monday)
    expect(await made.vault.rotationPaused('prod')).toBeUndefined()
  })

  test('a history line that a crash cut off spoils neither the lines before nor the next', async () => {
    await using made = await temporaryVault()
    const run = endedRun(monday)
    await made.vault.recordRun(run)
    const file = join(made.path, 'prod', 'runs.jsonl')
    await writeFile(file, '{"at":"2025', { flag: 'a' })
    await made.vault.recordRun({ ...run, outcome: 'failed' })
    expect((await made.vault.runs('prod')).map(({ outcome }) => outcome)).toEqual(['done', 'failed'])
  })
})

describe('after a crash', () => {
  test('a torn last ledger line is no record, and the next line takes its place', async () => {
    await using made = await temporaryVault()
    await makeDays(made.vault, 'prod', monday, 1)
    await writeFile(join(made.path, 'prod', 'ledger.jsonl'), '{"at":"2025-11-18T02:00', { flag: 'a' })
    expect(await problems(made.vault)).toEqual([])
    await makeDays(made.vault, 'prod', new Date('2025-11-19T02:00:00Z'), 1)
    expect(await problems(made.vault)).toEqual([])
    expect(await made.vault.ledger('prod')).toHaveLength(2)
  })

  test('a snapshot renamed into place without its ledger line is listed, and adopted by the next run', async () => {
    await using made = await temporaryVault()
    const [, second] = await makeDays(made.vault, 'prod', monday, 2)
    const ledger = join(made.path, 'prod', 'ledger.jsonl')
    const [line] = (await readFile(ledger, 'utf8')).split('\n')
    await writeFile(ledger, `${line}\n`)
    expect((await made.vault.snapshots('prod')).at(-1)).toMatchObject({ id: second?.id, unrecorded: true })
    expect(await problems(made.vault)).toMatchObject([{ code: 'unknown-snapshot' }])
    const [third] = await makeDays(made.vault, 'prod', new Date('2025-11-20T02:00:00Z'), 1)
    expect(third?.manifest.previous).toBe(second?.manifestHash)
    expect(await problems(made.vault)).toEqual([])
    expect((await made.vault.snapshots('prod')).every(({ unrecorded }) => unrecorded !== true)).toBe(true)
  })

  test('an incomplete or foreign directory is reported, never adopted and never deleted', async () => {
    await using made = await temporaryVault()
    const [, second] = await makeDays(made.vault, 'prod', monday, 2)
    if (!second) throw new Error('no snapshot')
    const ledger = join(made.path, 'prod', 'ledger.jsonl')
    await writeFile(ledger, `${(await readFile(ledger, 'utf8')).split('\n')[0]}\n`)
    await rm(made.vault.filePath(second, 'logs.tar.zst.gpg'))
    await makeDays(made.vault, 'prod', new Date('2025-11-20T02:00:00Z'), 1)
    expect(await problems(made.vault)).toMatchObject([{ code: 'unknown-snapshot', snapshot: second.id }])
    expect(await readdir(join(made.path, 'prod'))).toContain(second.id)
  })

  test('partial directories and half-done removals are swept, nothing else', async () => {
    await using made = await temporaryVault()
    const [first, second] = await makeDays(made.vault, 'prod', monday, 3)
    if (!first || !second) throw new Error('no snapshot')
    const host = join(made.path, 'prod')
    {
      await using lock = await made.vault.lock('prod')
      await made.vault.remove(lock, first, 'test', monday)
      await made.vault.remove(lock, second, 'test', monday)
      // Back to the moments right after the ledger line, and right after the rename.
      for (const [id, name] of [
        [first.id, first.id],
        [second.id, `.removing-${second.id}`],
      ] as const) {
        await mkdir(join(host, name))
        await rename(join(host, 'removed', `${id}.json`), join(host, name, 'manifest.json'))
        await writeFile(join(host, name, 'logs.tar.zst.gpg'), 'x')
      }
      await mkdir(join(host, '.partial-20251101T000000Z'))
      await mkdir(join(host, '.partial-of-mine'))
      expect(await problems(made.vault)).toEqual([])
      expect(await made.vault.snapshots('prod')).toHaveLength(1)
    }
    await using lock = await made.vault.lock('prod')
    await using _pending = await made.vault.begin(lock, () => monday, never)
    expect((await readdir(host)).filter((name) => !name.endsWith('l'))).toEqual(
      expect.arrayContaining(['.partial-of-mine', '20251119T020000Z', 'removed']),
    )
    expect((await readdir(host)).some((name) => name.includes(first.id) || name.includes(second.id))).toBe(
      false,
    )
    expect(await readdir(join(host, 'removed'))).toHaveLength(2)
  })
})

describe('check', () => {
  test('finds every kind of damage', async () => {
    await using made = await temporaryVault()
    const days = await makeDays(made.vault, 'prod', monday, 6)
    const [flipped, short, gone, edited, deleted] = days
    if (!flipped || !short || !gone || !edited || !deleted) throw new Error('no snapshot')
    const file = (snapshot: typeof flipped, name = 'logs.tar.zst.gpg') => made.vault.filePath(snapshot, name)
    const bytes = await readFile(file(flipped))
    bytes[500] = (bytes[500] ?? 0) ^ 1
    await writeFile(file(flipped), bytes)
    await writeFile(file(short), 'x')
    await rm(file(gone))
    const manifest = await readFile(file(edited, 'manifest.json'), 'utf8')
    await writeFile(file(edited, 'manifest.json'), manifest.replace('x86_64', 'sparc64'))
    await rm(join(made.path, 'prod', deleted.id), { recursive: true })
    const found = await problems(made.vault)
    expect(found.map(({ snapshot, code }) => [snapshot, code])).toEqual([
      [flipped.id, 'hash-differs'],
      [short.id, 'size-differs'],
      [gone.id, 'missing-file'],
      [edited.id, 'manifest-differs'],
      [deleted.id, 'missing-snapshot'],
    ])
    const quick = await made.vault.check('prod', { hashes: false, signal: never, snapshots: [flipped.id] })
    expect(quick).toEqual([])
  })

  test('finds an edited, a dropped and a garbled ledger line', async () => {
    await using made = await temporaryVault()
    await makeDays(made.vault, 'prod', monday, 3)
    const ledger = join(made.path, 'prod', 'ledger.jsonl')
    const good = await readFile(ledger, 'utf8')
    const lines = good.split('\n')
    for (const bad of [
      good.replace('"complete":true', '"complete":false'),
      [lines[0], ...lines.slice(2)].join('\n'),
      good.replace('{', '['),
    ]) {
      await writeFile(ledger, bad)
      expect((await problems(made.vault)).map(({ code }) => code)).toContain('ledger-broken')
    }
  })

  test('counts the bytes it read and stops when asked to', async () => {
    await using made = await temporaryVault()
    await makeDays(made.vault, 'prod', monday, 2)
    let read = 0
    await made.vault.check('prod', { hashes: true, signal: never, onBytes: (bytes) => (read += bytes) })
    expect(read).toBe(2000)
    await expect(
      made.vault.check('prod', { hashes: true, signal: AbortSignal.abort(new Error('stop')) }),
    ).rejects.toThrow('stop')
  })
})
