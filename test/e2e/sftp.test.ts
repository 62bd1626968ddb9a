import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildHostileTree, compareTrees, readTree, type TreeNode } from '../lab/hostile-tree.ts'
import { startWorld, type World } from '../lab/world.ts'

interface Source {
  readonly name: string
  readonly warnings: readonly { readonly code: string; readonly count: number }[]
  readonly facts: { readonly links: number; readonly others: number }
}

let world: World
beforeAll(async () => {
  world = await startWorld({ sshd: { forceCommand: 'internal-sftp' } })
})
afterAll(() => world[Symbol.asyncDispose]())

const sources = () => world.config.hosts['prod']!.sources
const newest = async () => (await world.snapshots()).at(-1) ?? ''

/** A tree as far as SFTP tells of it: hard links are files of their own. */
const unlinked = (tree: ReadonlyMap<string, TreeNode>) =>
  new Map([...tree].map(([name, node]) => [name, { ...node, inodeOf: name }]))

describe('a server with SFTP only', () => {
  test('is told from one with a shell by --dry-run, which touches nothing', async () => {
    const { code, stdout, stderr } = await world.cli('pull', 'prod', '--dry-run')
    // As the pull itself: its Redis can't be captured.
    expect(code, stderr).toBe(3)
    expect(stdout).toContain('SFTP only: no shell there')
    expect(stdout).toContain('a redis source needs a shell on the server')
    expect(await world.snapshots()).toEqual([])
  })

  test('gives its files, and says of a Redis that it needs a shell', async () => {
    const { code, stdout, stderr } = await world.cli('pull', 'prod')
    expect(code).toBe(3)
    expect(stdout + stderr).toContain('a redis source needs a shell on the server')
    const manifest = await world.manifest(await newest())
    expect(manifest).toMatchObject({ complete: false })
    expect((manifest['sources'] as Source[]).map(({ name }) => name)).toEqual(['logs', 'data', 'config'])
  })

  test('refuses a source by the name that SFTP can not say', async () => {
    delete sources()['redis_data']
    const tree = join(world.deployment, 'data')
    await buildHostileTree(tree, { sparseBytes: 64 * 1024 ** 2 })
    // A link's target can be bytes as well; here the names are meant.
    await rm(join(tree, 'links', 'to-bytes'))
    // What is a U+FFFD on the server is no mangled name.
    await writeFile(join(tree, 'names', 'a real \ufffd'), 'kept')
    await world.writeConfig()
    const { code, stdout, stderr } = await world.cli('pull', 'prod')
    expect(code).toBe(3)
    expect(stdout + stderr).toMatch(/data\/(names|directories)\/.*is not UTF-8 on the server/)
  })

  test('gives a tree of hostile names and links, opened with stock gpg, zstd and tar', async () => {
    // The names that are not UTF-8, as they are seen over SFTP.
    sources()['data']!['exclude'] = ['not utf-8 *', '\ufffd']
    await world.writeConfig()
    const original = join(world.deployment, 'data')
    const before = await readTree(original)
    const { code, stdout, stderr } = await world.cli('pull', 'prod')
    expect(code, stdout + stderr).toBe(0)
    const id = await newest()
    const manifest = await world.manifest(id)
    expect(manifest).toMatchObject({ complete: true, server: { os: 'unknown (SFTP only)' } })
    const target = join(world.home, 'extracted')
    await mkdir(target)
    await world.extract(id, target)

    const excluded = [...before.keys()].filter((name) => /(^|\/)(not utf-8 .*|\x80)(\/|$)/s.test(name))
    expect(excluded).toHaveLength(6)
    // Times before 1970 and after 2106 have no place in the protocol.
    const except = [...excluded, 'times/before-1970', 'times/far']
    const read = (tree: string) => readTree(tree, { wholeSeconds: true, except })
    expect(compareTrees(unlinked(await read(original)), unlinked(await read(join(target, 'data'))))).toEqual(
      [],
    )
    expect(await readFile(join(target, 'data/names/a real \ufffd'), 'utf8')).toBe('kept')
    const data = (manifest['sources'] as Source[]).find(({ name }) => name === 'data')!
    expect(data.warnings).toContainEqual({ code: 'socket-skipped', count: 1 })
    expect(data.warnings).toContainEqual({ code: 'sftp-only', count: 1 })
    expect(data.facts.others).toBe(1)
    expect((await world.cli('verify', '--all')).code).toBe(0)
    expect(compareTrees(before, await readTree(original))).toEqual([])
  })

  test('is not restored to, nor rolled back, nor migrated from', async () => {
    const other = structuredClone(world.config.hosts['prod']!)
    world.config.hosts['other'] = { ...other, deployment: join(world.home, 'other') }
    await world.writeConfig()
    for (const args of [
      ['restore', '--host', 'prod', '--yes'],
      ['rollback', '--host', 'prod', '--yes'],
      ['migrate', 'prod', 'other', '--yes'],
    ]) {
      const { code, stderr } = await world.cli(...args)
      expect(code, stderr).toBe(1)
      expect(stderr).toContain('needs a shell on the server: it is SFTP only')
    }
  })

  test('that has no such path, says what there is instead', async () => {
    sources()['gone'] = { kind: 'files', path: 'datas' }
    await world.writeConfig()
    const { code, stdout, stderr } = await world.cli('pull', 'prod', '--source', 'gone')
    expect(code).toBe(1)
    expect(stdout + stderr).toMatch(/datas does not exist on the server; .*app has .*logs/)
    delete sources()['gone']
  })
})
