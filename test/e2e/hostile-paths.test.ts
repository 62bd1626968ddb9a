import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compareTrees, readTree } from '../lab/hostile-tree.ts'
import { startWorld, type World } from '../lab/world.ts'

const PATHS = [
  'a\\nb',
  'a\\\\b\\',
  '-T',
  "it's",
  '*',
  '[x]?',
  '@x',
  'tab\there',
  'two\nlines',
  '$(false)',
  '…',
]

const stack = new AsyncDisposableStack()
let world: World
beforeAll(async () => {
  world = stack.use(await startWorld())
  for (const path of PATHS) {
    await mkdir(join(world.deployment, path, path), { recursive: true })
    await writeFile(join(world.deployment, path, path, 'file'), path)
    await writeFile(join(world.deployment, path, 'log'), Buffer.alloc(70_000, 'l'))
  }
  world.config.hosts['prod']!.sources = { odd: { kind: 'files', paths: PATHS } }
  await world.writeConfig()
})
afterAll(() => stack.disposeAsync())

test('source paths that a tool could take for something else are pulled, pulled again, and come back', async () => {
  expect((await world.cli('pull')).code).toBe(0)
  for (const path of PATHS) await appendFile(join(world.deployment, path, 'log'), 'a line\n')
  const again = await world.cli('pull', '--json')
  expect(again.code, again.stderr).toBe(0)
  expect(again.stdout).not.toContain('"failed"')

  const before = await readTree(world.deployment)
  for (const path of PATHS) await rm(join(world.deployment, path), { recursive: true })
  const restored = await world.cli('restore', '--host', 'prod', '--no-safety', '--yes')
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  await rename(join(world.deployment, '.relay-backup'), join(world.home, 'left'))
  const except = ['', 'redis_data']
  expect(
    compareTrees(
      new Map(
        [...before].filter(
          ([name]) =>
            !except.includes(name) && !name.startsWith('.relay-backup') && !name.startsWith('redis_data/'),
        ),
      ),
      new Map(
        [...(await readTree(world.deployment))].filter(
          ([name]) => !except.includes(name) && !name.startsWith('redis_data/'),
        ),
      ),
    ),
  ).toEqual([])
})
