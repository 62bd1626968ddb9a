import { execFileSync } from 'node:child_process'
import { link, mkdir, open, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compareTrees, readTree } from '../lab/hostile-tree.ts'
import { startWorld, type World } from '../lab/world.ts'

const stack = new AsyncDisposableStack()
let world: World
let data: string
beforeAll(async () => {
  world = stack.use(await startWorld())
  data = join(world.deployment, 'data')
  const at = (name: string): string => join(data, name)
  await mkdir(at('directory/empty'), { recursive: true })
  await writeFile(at('regular'), 'content')
  await writeFile(at('empty file'), '')
  await symlink('regular', at('symlink'))
  await symlink('nowhere', at('dangling'))
  await link(at('regular'), at('hard link'))
  await link(at('symlink'), at('hard link to a symlink'))
  execFileSync('mkfifo', [at('fifo')])
  execFileSync('mknod', [at('character device'), 'c', '1', '3'])
  execFileSync('mknod', [at('block device'), 'b', '7', '200'])
  execFileSync('mknod', [at('whiteout'), 'c', '0', '0'])
  const sparse = await open(at('sparse'), 'w')
  await sparse.truncate(8 * 1024 ** 2)
  await sparse.write('in the middle', 4 * 1024 ** 2)
  await sparse.close()
  const server = createServer().listen(`${at('socket')}.made`)
  await new Promise((resolve) => server.once('listening', resolve))
  execFileSync('mv', [`${at('socket')}.made`, at('socket')])
  await new Promise((resolve) => server.close(resolve))
  world.config.hosts['prod']!.sources = { data: { kind: 'files', path: 'data' } }
  await world.writeConfig()
})
afterAll(() => stack.disposeAsync())

const LEFT_OUT = ['character device', 'block device', 'whiteout', 'socket']

test('what is captured comes back, and what is not is counted at each pull (regression: a device node refused the restore)', async () => {
  const before = await readTree(data, { except: LEFT_OUT })
  for (const how of ['--full', '--quiet']) {
    const pulled = await world.cli('pull', how)
    expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
    const { sources } = (await world.manifest((await world.snapshots()).at(-1) ?? '')) as {
      sources: { warnings: { code: string; count: number }[] }[]
    }
    expect(sources[0]?.warnings.toSorted((a, b) => (a.code < b.code ? -1 : 1))).toEqual([
      { code: 'device-skipped', count: 3 },
      { code: 'socket-skipped', count: 1 },
    ])
  }
  await rm(data, { recursive: true })
  const restored = await world.cli('restore', '--host', 'prod', '--no-safety', '--yes')
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  expect(compareTrees(before, await readTree(data))).toEqual([])
  expect(await readFile(join(data, 'hard link'), 'utf8')).toBe('content')
})

test('a path that is a device node is refused by name', async () => {
  execFileSync('mknod', [join(world.deployment, 'null'), 'c', '1', '3'])
  world.config.hosts['prod']!.sources = { odd: { kind: 'files', path: 'null' } }
  await world.writeConfig()
  const pulled = await world.cli('pull')
  expect(pulled.code).toBe(1)
  expect(pulled.stderr + pulled.stdout).toContain('null is a device node')
})
