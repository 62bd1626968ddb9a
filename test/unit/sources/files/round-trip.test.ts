import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { busyboxTools } from '../../../lab/busybox.ts'
import { buildHostileTree, compareTrees, readAttributes, readTree } from '../../../lab/hostile-tree.ts'
import { tempDir } from '../../../lab/temp.ts'
import { drain, filesConfig, unpack } from './drain.ts'
import { probeOf, shellHost } from './shell-host.ts'

const gnu = probeOf
const shells: { name: string; shell: string[] }[] = [
  { name: 'dash', shell: ['/bin/dash'] },
  { name: 'busybox sh', shell: ['/bin/busybox', 'sh'] },
]

describe.each(shells)('a hostile tree under $name', ({ shell }) => {
  it('comes back the same through GNU tar', async () => {
    await using temp = await tempDir()
    const deployment = join(temp.path, 'app')
    await mkdir(join(deployment, 'data'), { recursive: true })
    await buildHostileTree(join(deployment, 'data'), { attributes: true, sparseBytes: 1024 ** 2 * 64 })
    const drained = await drain(
      { host: shellHost({ shell }), probe: gnu(deployment) },
      filesConfig(['data']),
      temp.path,
    )
    const copy = join(temp.path, 'copy')
    await mkdir(copy)
    await unpack(drained, copy)
    const original = await readTree(join(deployment, 'data'))
    expect(compareTrees(original, await readTree(join(copy, 'data')))).toEqual([])
    expect(await readAttributes(join(copy, 'data'))).toEqual(await readAttributes(join(deployment, 'data')))
    expect(drained.outcome.warnings).toEqual([{ code: 'socket-skipped', count: 1 }])
    expect(drained.parts).toEqual([''])
    const types = [...original.values()].map((node) => node.type)
    const { facts } = drained.outcome
    expect(facts).toMatchObject({
      directories: types.filter((type) => type === '40000').length,
      others: 1,
      files: new Set(
        [...original.values()].filter((node) => node.type === '100000').map((node) => node.inodeOf),
      ).size,
    })
  })

  it('comes back the same through busybox alone', async () => {
    await using temp = await tempDir()
    const tools = await busyboxTools(join(temp.path, 'tools'))
    const deployment = join(temp.path, 'app')
    await mkdir(join(deployment, 'data'), { recursive: true })
    await buildHostileTree(join(deployment, 'data'), { sparseBytes: 1024 ** 2 * 64 })
    const drained = await drain(
      {
        host: shellHost({ shell, path: tools }),
        probe: gnu(deployment, { tar: 'busybox', versions: {}, findPrintf: false }),
      },
      filesConfig(['data']),
      temp.path,
    )
    const copy = join(temp.path, 'copy')
    await mkdir(copy)
    await unpack(drained, copy)
    const whole = { wholeSeconds: true }
    expect(
      compareTrees(
        await readTree(join(deployment, 'data'), whole),
        await readTree(join(copy, 'data'), whole),
      ),
    ).toEqual([])
    expect(drained.outcome.warnings).toEqual([{ code: 'socket-skipped', count: 1 }])
  })
})

describe.each([
  { tar: 'gnu' as const, path: false },
  { tar: 'busybox' as const, path: true },
])('with $tar tar', ({ tar, path }) => {
  async function setUp(folder: string) {
    const deployment = join(folder, 'app')
    await mkdir(deployment)
    const tools = path ? await busyboxTools(join(folder, 'tools')) : undefined
    const host = shellHost({ shell: ['/bin/busybox', 'sh'], ...(tools === undefined ? {} : { path: tools }) })
    return { deployment, context: { host, probe: probeOf(deployment, { tar, versions: {} }) } }
  }

  it('follows a symlinked root once, under its own name (regression: only the link was packed)', async () => {
    await using temp = await tempDir()
    const { deployment, context } = await setUp(temp.path)
    await mkdir(join(temp.path, 'real [1], dir/sub'), { recursive: true })
    await writeFile(join(temp.path, 'real [1], dir/sub/file'), 'content')
    await writeFile(join(temp.path, 'real [1], dir/sub/debug.log'), 'noise')
    await symlink('sub/file', join(temp.path, 'real [1], dir/inner'))
    await writeFile(join(temp.path, 'shared.env'), 'A=1')
    await symlink('../real [1], dir', join(deployment, 'logs'))
    await symlink('../shared.env', join(deployment, '.env'))
    const drained = await drain(context, filesConfig(['logs', '.env'], ['logs/sub/*.log']), temp.path)
    expect(drained.members[0]?.toSorted()).toEqual([
      '.env',
      'logs',
      'logs/inner',
      'logs/sub',
      'logs/sub/file',
    ])
    expect(drained.outcome.roots.map((root) => [String(root.path), String(root.link)])).toEqual([
      ['logs', '../real [1], dir'],
      ['.env', '../shared.env'],
    ])
    const copy = join(temp.path, 'copy')
    await mkdir(copy)
    await unpack(drained, copy)
    const tree = await readTree(copy)
    expect(tree.get('logs')?.type).toBe('40000')
    expect(tree.get('.env')?.type).toBe('100000')
    expect(tree.get('logs/inner')?.content).toBe('sub/file')
  })

  it('packs several paths, absolute ones without their slash, dashes in front', async () => {
    await using temp = await tempDir()
    const { deployment, context } = await setUp(temp.path)
    for (const name of ['-dash', '--exclude=x', 'plain']) {
      await mkdir(join(deployment, name))
      await writeFile(join(deployment, name, 'f'), name)
    }
    const outside = join(temp.path, 'outside')
    await mkdir(outside)
    await writeFile(join(outside, 'f'), 'x')
    const drained = await drain(
      context,
      filesConfig(['-dash', '--exclude=x', outside, join(deployment, 'plain'), 'plain/f']),
      temp.path,
    )
    const name = outside.slice(1)
    expect(drained.members[0]?.toSorted()).toEqual(
      ['--exclude=x', '--exclude=x/f', '-dash', '-dash/f', 'plain', 'plain/f', name, `${name}/f`].toSorted(),
    )
    expect(drained.outcome.absolutePrefixes).toEqual([name])
  })

  it('leaves out what is excluded, and .relay-backup always', async () => {
    await using temp = await tempDir()
    const { deployment, context } = await setUp(temp.path)
    const files = [
      'data/keep',
      'data/a.tmp',
      'data/cache/x',
      'data/sub/cache/y',
      'data/.relay-backup/old',
      'data/sub/.relay-backup/old',
      'data/sub/deep/z.log',
      'data/deep/z.log',
      'data/sub/z.log',
      'data/[x]',
      'data/[y]',
    ]
    for (const file of files) {
      await mkdir(join(deployment, file, '..'), { recursive: true })
      await writeFile(join(deployment, file), file)
    }
    const drained = await drain(
      context,
      filesConfig(['data'], ['*.tmp', 'cache', 'sub/*.log', 'data/deep', '\\[x]', '/[[]y]']),
      temp.path,
    )
    expect(drained.members[0]?.toSorted()).toEqual([
      'data',
      'data/keep',
      'data/sub',
      'data/sub/deep',
      'data/sub/deep/z.log',
    ])
  })
})
