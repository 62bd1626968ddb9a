import { chmod, chown, mkdir, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { DEFAULT_SOURCES } from '../../src/sources/registry.ts'
import type { HostConfig } from '../../src/model/config.ts'
import type { FilesSourceConfig } from '../../src/sources/files/config.ts'
import type { Snapshot } from '../../src/vault/contract.ts'
import { resolveSnapshot } from '../../src/vault/resolve-snapshot.ts'
import { makeFiles, RestoreHostsLab, type Files } from './restore-hosts-lab.ts'

const files = (name: string, ...paths: string[]) => ({
  kind: 'files' as const,
  name,
  paths,
  exclude: [],
})

/** What was captured of `prod`. */
const CAPTURED: Files = {
  '.env': 'A=1\n',
  'docker-compose.yml': 'services: {}\n',
  'data/d': 'd',
  'logs/l': 'l',
}
const SOURCES = [files('config', '.env', 'docker-compose.yml'), files('data', 'data'), files('logs', 'logs')]

let lab: RestoreHostsLab
let snapshot: Snapshot
beforeAll(async () => {
  lab = await RestoreHostsLab.start()
  lab.lab.sources = SOURCES
  await makeFiles(lab.lab.app, CAPTURED)
  snapshot = await lab.lab.pulled()
})
afterAll(() => lab[Symbol.asyncDispose]())

/** The deployment's own files, with their content; what a restore keeps is left out. */
async function filesIn({ deployment }: Pick<HostConfig, 'deployment'>): Promise<Files> {
  const found: Record<string, string> = {}
  for (const entry of await readdir(deployment, { recursive: true, withFileTypes: true })) {
    const name = join(entry.parentPath, entry.name).slice(deployment.length + 1)
    if (entry.isFile() && !name.startsWith('.relay-backup/'))
      found[name] = await readFile(join(deployment, name), 'utf8')
  }
  return found
}

/** A snapshot of `prod` with other sources. */
async function pulledWith(sources: ReturnType<typeof files>[], there: Files): Promise<Snapshot> {
  lab.lab.sources = sources
  await makeFiles(lab.lab.app, there)
  try {
    return await lab.lab.pulled()
  } finally {
    lab.lab.sources = SOURCES
  }
}

interface State {
  readonly name: string
  /** What lies in the deployment; undefined: it is not there. */
  readonly there: Files | undefined
  /** What the safety snapshot holds; undefined: none is made. */
  readonly saved: readonly string[] | undefined
  readonly sources?: readonly FilesSourceConfig[]
}

const STATES: readonly State[] = [
  { name: 'bare', there: undefined, saved: undefined },
  { name: 'empty', there: {}, saved: undefined },
  { name: 'compose-only', there: { 'docker-compose.yml': 'own' }, saved: ['config:docker-compose.yml'] },
  { name: 'of-empty-directories', there: { 'data/': '', 'logs/': '' }, saved: undefined },
  {
    name: 'some-sources',
    there: { 'logs/own': 'own', 'docker-compose.yml': 'own', 'data/': '' },
    saved: ['config:docker-compose.yml', 'logs:logs/own'],
  },
  {
    name: 'complete',
    there: { '.env': 'own', 'docker-compose.yml': 'own', 'data/own': 'own', 'logs/own': 'own' },
    saved: ['config:.env', 'config:docker-compose.yml', 'data:data/own', 'logs:logs/own'],
  },
  {
    name: 'source-not-configured',
    there: { 'data/own': 'own', '.env': 'own' },
    saved: ['config:.env', 'data:data/own'],
    sources: [files('logs', 'logs')],
  },
  {
    name: 'path-not-configured',
    there: { '.env': 'own', 'docker-compose.yml': 'own' },
    saved: ['config:.env', 'config:docker-compose.yml'],
    sources: [
      files('config', 'docker-compose.yml', 'other.yml'),
      files('data', 'data'),
      files('logs', 'logs'),
    ],
  },
]

describe('a restore onto a server that is', () => {
  test.each(STATES)('$name', async ({ name, there, saved, sources = SOURCES }) => {
    const host = lab.host(name, { sources })
    if (there !== undefined) {
      await mkdir(host.deployment, { recursive: true })
      await makeFiles(host.deployment, there)
    }
    const report = await lab.restore(snapshot, host)
    expect(report).toMatchObject({ outcome: 'done', plan: { safety: saved !== undefined } })
    expect(await filesIn(host)).toEqual(CAPTURED)
    if (saved === undefined) expect(report.safetySnapshot).toBeUndefined()
    else expect(await lab.filesOf(name, report.safetySnapshot ?? 'none')).toEqual(saved)
  })
})

test('the safety snapshot of a server that had one file of several puts that one back', async () => {
  const host = lab.host('back', { sources: SOURCES })
  await makeFiles(host.deployment, { 'docker-compose.yml': 'own', 'data/own': 'own' })
  const { safetySnapshot } = await lab.restore(snapshot, host)
  const safety = (await lab.lab.vault.snapshots('back')).find(({ id }) => id === safetySnapshot)
  await lab.restore(safety!, host)
  expect(await filesIn(host)).toEqual({
    ...CAPTURED,
    'docker-compose.yml': 'own',
    'data/own': 'own',
    'data/d': undefined,
  })
})

test('a source that goes into another one saves what that one has', async () => {
  const host = lab.host('other-target', { sources: [files('data', 'data'), files('old', 'old')] })
  await makeFiles(host.deployment, { 'data/own': 'own', 'old/own': 'old' })
  const report = await lab.restore(snapshot, host, { sources: ['data'], target: 'old' })
  expect(await filesIn(host)).toEqual({ 'data/own': 'own', 'old/d': 'd' })
  expect(await lab.filesOf('other-target', report.safetySnapshot ?? 'none')).toEqual(['old:old/own'])
})

test('the safety snapshot goes where it was taken, whatever one path the source has by then', async () => {
  const before = lab.host('moved', { sources: [files('config', '.env', 'docker-compose.yml')] })
  await makeFiles(before.deployment, { 'docker-compose.yml': 'own' })
  const { safetySnapshot } = await lab.restore(snapshot, before, { sources: ['config'] })
  const safety = (await lab.lab.vault.snapshots('moved')).find(({ id }) => id === safetySnapshot)
  await lab.restore(safety!, { ...before, sources: [files('config', '.env')] })
  expect(await filesIn(before)).toEqual({ '.env': 'A=1\n', 'docker-compose.yml': 'own' })
})

test('a host whose config names no sources takes the paths of the snapshot', async () => {
  const from = await pulledWith([files('data', 'd2')], { 'd2/d': 'd' })
  const host = lab.host('ad-hoc', { sources: DEFAULT_SOURCES, sourcesByDefault: true })
  await makeFiles(host.deployment, { 'd2/own': 'own', 'data/own': 'own' })
  const report = await lab.restore(from, host)
  expect(await filesIn(host)).toEqual({ 'd2/d': 'd', 'data/own': 'own' })
  expect(await lab.filesOf('ad-hoc', report.safetySnapshot ?? 'none')).toEqual(['data:d2/own'])
})

test('a restore onto an empty server leaves no host in the vault that makes `latest` ambiguous', async () => {
  const before = await lab.lab.vault.hosts()
  await lab.restore(snapshot, lab.host('root@192.0.2.1'))
  expect(await lab.lab.vault.hosts()).toEqual(before)
  expect(before).not.toContain('bare')
  // Those that are there beside it have nothing but safety snapshots.
  expect(before.length).toBeGreaterThan(1)
  expect((await resolveSnapshot(lab.lab.vault, 'latest')).host).toBe('prod')
  expect(await lab.lab.vault.runs('root@192.0.2.1')).toMatchObject([
    { operation: 'restore', outcome: 'done' },
  ])
})

describe('a restore by a user onto', () => {
  const UID = 4321
  const asUser = async (host: HostConfig, there: Files, foreign: string) => {
    await makeFiles(host.deployment, there)
    for (const name of ['', ...Object.keys(there).flatMap((path) => [path.split('/')[0]!, path])])
      await chown(join(host.deployment, name), UID, UID)
    const path = join(host.deployment, foreign)
    await chown(path, 0, 0)
    await chmod(path, 0o700)
    lab.server = { uid: UID, gid: UID }
  }
  beforeAll(() => chmod(lab.lab.path, 0o755))
  afterEach(() => void (lab.server = {}))

  test('a directory of another owner is refused before anything is done', async () => {
    const host = lab.host('foreign-directory')
    await asUser(host, { 'data/own': 'own', 'logs/own': 'own' }, 'data')
    await expect(lab.restore(snapshot, host)).rejects.toMatchObject({
      code: 'preflight-target-not-writable',
      message: expect.stringMatching(/app\/data can't be replaced: it is not writable for us/) as string,
    })
    expect(await filesIn(host)).toEqual({ 'data/own': 'own', 'logs/own': 'own' })
  })

  test('what can’t be read says that there is no safety snapshot, and goes on without one when asked', async () => {
    const host = lab.host('foreign-file', { sources: SOURCES })
    await asUser(host, { 'data/secret': 'own', '.env': 'own' }, 'data/secret')
    await expect(lab.restore(snapshot, host)).rejects.toMatchObject({
      code: 'safety-failed',
      details: { next: expect.stringContaining('--no-safety') as string },
    })
    expect(await filesIn(host)).toEqual({ 'data/secret': 'own', '.env': 'own' })
    expect(await lab.restore(snapshot, host, { safety: false })).toMatchObject({ outcome: 'done' })
    expect(await filesIn(host)).toEqual(CAPTURED)
  })
})
