import { link, open, readdir, rename, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { cleanHost } from '../../src/clean/clean-host.ts'
import { DamageError, InterruptedError, RelayError } from '../../src/errors.ts'
import type { HostConfig } from '../../src/model/config.ts'
import { pathFromJson } from '../../src/model/path-bytes.ts'
import { busyboxTools } from '../lab/busybox.ts'
import type { Snapshot } from '../../src/vault/contract.ts'
import { signal } from './incremental-lab.ts'
import { makeFiles, RestoreHostsLab } from './restore-hosts-lab.ts'

const DAY = 86_400_000
const NAMES = ['a.log', 'deep/line\nbreak.log', "it's $(x) \\ *.log", '-rf.log', 'Größe.log']

let lab: RestoreHostsLab
let host: HostConfig
let logs: string
let snapshot: Snapshot
beforeEach(async () => {
  lab = await RestoreHostsLab.start()
  lab.lab.sources = [{ kind: 'files', name: 'logs', paths: ['logs'], exclude: [] }]
  logs = join(lab.lab.app, 'logs')
  await makeFiles(lab.lab.app, {
    ...Object.fromEntries(NAMES.map((name) => [`logs/${name}`, `old ${name}`])),
    'logs/young.log': 'young',
    'logs/old.txt': 'no log',
    'data/other.log': 'of no source',
  })
  await age(...NAMES, 'old.txt')
  snapshot = await lab.lab.pulled()
  host = { ...lab.lab.host, clean: [{ source: 'logs', match: ['*.log'], olderThan: 30 * DAY }] }
})
afterEach(() => lab[Symbol.asyncDispose]())

async function age(...names: string[]): Promise<void> {
  const old = new Date(lab.lab.now().getTime() - 40 * DAY)
  for (const name of names) await utimes(join(logs, name), old, old)
}

async function clean(dryRun = false, confirm?: (what: string) => Promise<boolean>) {
  const parts = lab.dependencies()
  const report = await cleanHost({ host, dryRun }, { ...parts.pull, ...parts, confirm }, signal)
  return Object.fromEntries(
    report.files.map(({ path, outcome }) => [pathFromJson(path).toString().slice('logs/'.length), outcome]),
  )
}

const all = (outcome: string) => Object.fromEntries(NAMES.map((name) => [name, outcome]))
const there = async () => (await readdir(logs, { recursive: true })).sort()

describe.each(['GNU tools', 'busybox'])('with %s', (tools) => {
  beforeEach(async () => {
    if (tools !== 'busybox') return
    lab.server = { shell: ['/bin/busybox', 'sh'], path: await busyboxTools(join(lab.lab.path, 'tools')) }
  })

  test('what is old, matches, and is in the snapshot goes; a dry run says so', async () => {
    const before = await there()
    expect(await clean(true)).toEqual(all('would'))
    expect(await there()).toEqual(before)
    expect(await clean()).toEqual(all('removed'))
    expect(await there()).toEqual(['deep', 'old.txt', 'young.log'])
    expect(await clean()).toEqual({})
    // The vault gives them back.
    expect((await lab.restore(snapshot, host)).outcome).toBe('done')
    expect(await there()).toEqual(before)
  })

  test('what is not as the snapshot has it stays', async () => {
    // Of another content alone: its size and time are the same.
    const { atime, mtime } = await stat(join(logs, 'a.log'))
    await writeFile(join(logs, 'a.log'), 'old a.lug')
    await utimes(join(logs, 'a.log'), atime, mtime)
    await truncate(join(logs, '-rf.log'), 1)
    await rename(join(logs, 'Größe.log'), join(lab.lab.app, 'moved'))
    await symlink(join(lab.lab.app, 'moved'), join(logs, 'Größe.log'))
    await rename(join(logs, 'deep'), join(lab.lab.app, 'elsewhere'))
    await symlink(join(lab.lab.app, 'elsewhere'), join(logs, 'deep'))
    await age('-rf.log')
    expect(await clean()).toEqual({ ...all('changed'), "it's $(x) \\ *.log": 'removed' })
    expect(await readdir(join(lab.lab.app, 'elsewhere'))).toEqual(['line\nbreak.log'])
  })

  test('what a process has open stays, under another name, too', async () => {
    const other = join(lab.lab.app, 'hard')
    await link(join(logs, 'a.log'), other)
    // Its name has changed its ctime alone.
    await using _open = await open(other, 'r')
    expect(await clean()).toEqual({ ...all('removed'), 'a.log': 'open' })
  })
})

test('nothing goes where the vault does not hold it: without a snapshot, or with a damaged archive', async () => {
  const [archive] = snapshot.manifest.sources[0]?.archives ?? []
  const file = lab.lab.vault.filePath(snapshot, archive?.file ?? '')
  await using handle = await open(file, 'r+')
  await handle.write(Buffer.from([0xff]), 0, 1, 40)
  const before = await there()
  await expect(clean()).rejects.toThrow(DamageError)
  await expect(clean()).rejects.toThrow(RelayError)
  expect(await there()).toEqual(before)
})

test('whoever is asked is told how much goes, and may say no', async () => {
  const before = await there()
  let asked = ''
  const no = (what: string) => {
    asked = what
    return Promise.resolve(false)
  }
  await expect(clean(false, no)).rejects.toThrow(InterruptedError)
  expect(asked).toBe(
    `Remove 5 old files (79 B) on prod; then only the vault has them, in prod/${snapshot.id}`,
  )
  expect(await there()).toEqual(before)
})
