import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { busyboxTools } from '../lab/busybox.ts'
import { buildHostileTree, compareTrees, readAttributes, readTree } from '../lab/hostile-tree.ts'
import { tempDir, type TempDir } from '../lab/temp.ts'
import { startWorld, type World } from '../lab/world.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

interface Source {
  readonly name: string
  readonly archives: readonly { readonly plainBytes: number; readonly bytes: number }[]
  readonly warnings: readonly { readonly code: string; readonly count: number }[]
}

let temp: TempDir
beforeAll(async () => {
  temp = await tempDir('relay-hostile-')
})
afterAll(() => temp[Symbol.asyncDispose]())

/** Pulls the tree as the source `data` and opens it with stock tools; hands over what was warned of. */
async function pullTree(world: World, to: string) {
  const { logs, data, config } = world.config.hosts['prod']!.sources
  world.config.hosts['prod']!.sources = { logs: logs!, data: data!, config: config! }
  await world.writeConfig()
  const result = await world.cli('pull', 'prod')
  expect(result.code, result.stderr).toBe(0)
  const [id = ''] = await world.snapshots()
  const manifest = await world.manifest(id)
  const target = join(world.home, to)
  await mkdir(target)
  await world.extract(id, target)
  const source = (manifest['sources'] as Source[]).find(({ name }) => name === 'data')
  return { result, manifest, source: source!, tree: join(target, 'data') }
}

describe('a tree of hostile names, links, modes and holes', () => {
  test('comes back the same from a server with GNU tar', async () => {
    await using world = await startWorld()
    const original = join(world.deployment, 'data')
    await buildHostileTree(original, { attributes: true })
    const before = await readTree(original)
    const { result, manifest, source, tree } = await pullTree(world, 'extracted')
    expect(compareTrees(before, await readTree(tree))).toEqual([])
    expect(await readAttributes(tree)).toEqual(await readAttributes(original))
    expect(manifest['complete']).toBe(true)
    // The one thing no tar holds, refused by name.
    expect(source.warnings).toEqual([{ code: 'socket-skipped', count: 1 }])
    expect(result.stderr).toContain('data/sockets/socket')
    // The holes were sent, and cost nothing.
    expect(source.archives[0]!.plainBytes).toBeGreaterThan(1024 ** 3)
    expect(source.archives[0]!.bytes).toBeLessThan(1024 ** 2)
    // Reading left the server as it was.
    expect(compareTrees(before, await readTree(original))).toEqual([])
  })

  test('comes back from a server with nothing but busybox, but for what its tar can not say', async () => {
    const path = await busyboxTools(join(temp.path, 'busybox'))
    await using world = await startWorld({ sshd: { path } })
    const original = join(world.deployment, 'data')
    // As large as it takes to see that holes come as zeros; the server has nothing to compress them with.
    await buildHostileTree(original, { sparseBytes: 256 * 1024 ** 2 })
    const { result, source, tree } = await pullTree(world, 'extracted')
    const [expected, actual] = await Promise.all([
      readTree(original, { wholeSeconds: true }),
      readTree(tree, { wholeSeconds: true }),
    ])
    expect(compareTrees(expected, actual)).toEqual([])
    expect(source.warnings).toEqual([{ code: 'socket-skipped', count: 1 }])
    expect(result.stderr).toContain('data/sockets/socket')
  })
})
