import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../lab/world.ts'

const stack = new AsyncDisposableStack()
let world: World
beforeAll(async () => {
  world = stack.use(
    await startWorld({
      sshd: {
        config: [
          'SetEnv "TAR_OPTIONS=--exclude-vcs --exclude=*.bak --exclude=*.txt" GZIP=-9 POSIXLY_CORRECT=1 LC_ALL=de_DE.UTF-8',
        ],
      },
    }),
  )
  const data = join(world.deployment, 'data')
  await mkdir(join(data, '.git'))
  await writeFile(join(data, '.git', 'HEAD'), 'ref: refs/heads/main\n')
  await writeFile(join(data, 'db.bak'), 'the only copy\n')
  world.config.hosts['prod']!.sources = { data: { kind: 'files', path: 'data' } }
  await world.writeConfig()
})
afterAll(() => stack.disposeAsync())

test('TAR_OPTIONS of the server leaves nothing out of a pull, and nothing out of a restore', async () => {
  const pulled = await world.cli('pull')
  expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
  const [id = ''] = await world.snapshots()
  const copy = join(world.home, 'copy')
  await mkdir(copy)
  await world.extract(id, copy)
  expect(await readFile(join(copy, 'data/.git/HEAD'), 'utf8')).toBe('ref: refs/heads/main\n')
  expect(await readFile(join(copy, 'data/db.bak'), 'utf8')).toBe('the only copy\n')

  await rm(join(world.deployment, 'data'), { recursive: true })
  const restored = await world.cli('restore', '--host', 'prod', '--no-safety', '--yes')
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  expect(await readFile(join(world.deployment, 'data/db.bak'), 'utf8')).toBe('the only copy\n')
})
