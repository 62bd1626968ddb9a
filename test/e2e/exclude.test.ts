import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readTree } from '../lab/hostile-tree.ts'
import { startWorld, type World } from '../lab/world.ts'

const stack = new AsyncDisposableStack()
let world: World
let data: string
const FILES = [
  'keep',
  'cache/old',
  'sub/cache/old',
  'top/x',
  'sub/top',
  'a.tmp',
  'sub/keep.tmp',
  'deep/er/z.log',
  'deep/z.log',
  'named/x',
  'absolute/x',
]
const LEFT_OUT = [
  'cache/old',
  'sub/cache/old',
  'top/x',
  'a.tmp',
  'deep/er/z.log',
  'deep/z.log',
  'named/x',
  'absolute/x',
]

beforeAll(async () => {
  world = stack.use(await startWorld())
  data = join(world.deployment, 'data')
  await rm(data, { recursive: true })
  for (const file of FILES) {
    await mkdir(join(data, file, '..'), { recursive: true })
    await writeFile(join(data, file), file)
  }
  const absolute = `${world.deployment}/data/absolute`
  const exclude = ['cache/', '/top', '*.tmp', '!keep.tmp', 'deep/**/*.log', './data/named', absolute, 'none/']
  world.config.hosts['prod']!.sources = { data: { kind: 'files', path: 'data', exclude } }
  await world.writeConfig()
})
afterAll(() => stack.disposeAsync())

test('patterns mean what .gitignore means, at the pull and at the restore that carries over (regression: nothing was excluded, silently)', async () => {
  const plan = await world.cli('pull', '--dry-run')
  expect(plan.code, plan.stderr).toBe(0)
  expect(plan.stdout).toContain('cache/ leaves out 2: data/cache, data/sub/cache')
  expect(plan.stdout).toContain('nothing of data matches none/ of its exclude')

  const pulled = await world.cli('pull')
  expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
  expect(pulled.stderr).toContain('nothing matches none/ of exclude')
  const copy = join(world.home, 'copy')
  await mkdir(copy)
  await world.extract((await world.snapshots())[0] ?? '', copy)
  const names = [...(await readTree(join(copy, 'data'))).entries()].flatMap(([name, { type }]) =>
    type === '100000' ? [name] : [],
  )
  expect(names.sort()).toEqual(FILES.filter((file) => !LEFT_OUT.includes(file)).sort())

  // Written since: what is excluded stays, what is not is as in the snapshot.
  for (const file of FILES) await writeFile(join(data, file), 'since')
  const restored = await world.cli('restore', '--host', 'prod', '--no-safety', '--yes')
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  for (const file of FILES) {
    expect(await readFile(join(data, file), 'utf8'), file).toBe(LEFT_OUT.includes(file) ? 'since' : file)
  }
})

test('a pattern that .gitignore does not know is an error of the config', async () => {
  world.config.hosts['prod']!.sources['data']!['exclude'] = ['*.{tmp,txt}']
  await world.writeConfig()
  const pulled = await world.cli('pull')
  expect(pulled.code).toBe(2)
  expect(pulled.stderr).toContain('write a pattern for each')
})

test('one missing path of several is a warning and an incomplete snapshot, not a lost source', async () => {
  world.config.hosts['prod']!.sources = {
    config: { kind: 'files', paths: ['.env', 'nowhere', 'docker-compose.yml'] },
  }
  await world.writeConfig()
  const pulled = await world.cli('pull', '--json')
  expect(pulled.code, pulled.stderr).toBe(3)
  const report = JSON.parse(pulled.stdout) as { hosts: { complete: boolean; sources: unknown[] }[] }
  expect(report.hosts[0]?.complete).toBe(false)
  expect(report.hosts[0]?.sources).toMatchObject([
    { source: 'config', outcome: 'partial', entries: 2, warnings: [{ code: 'path-missing', count: 1 }] },
  ])
  expect(pulled.stderr).toContain('nowhere')

  world.config.hosts['prod']!.sources = { config: { kind: 'files', paths: ['nowhere', 'neither'] } }
  await world.writeConfig()
  expect((await world.cli('pull')).code).toBe(1)
})
