import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../lab/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
  world.config.hosts['prod']!.sources = { data: { kind: 'files', path: 'data' } }
  await world.writeConfig()
  for (const name of ['one', 'two']) {
    await writeFile(join(world.deployment, 'data', name), name)
    const pulled = await world.cli('pull', 'prod')
    expect(pulled.code, pulled.stderr).toBe(0)
  }
})
afterAll(() => world[Symbol.asyncDispose]())

async function newestMode(): Promise<unknown> {
  const manifest = await world.manifest((await world.snapshots()).at(-1) ?? '')
  return (manifest['sources'] as { mode: string }[])[0]?.mode
}

test('a dry run of a restore reads what it would need: damage fails it, and the next pull is full', async () => {
  expect(await newestMode()).toBe('incremental')
  const newest = (await world.snapshots()).at(-1) ?? ''
  const archive = join(world.vault, 'prod', newest, 'data.tar.zst.gpg')
  const good = await readFile(archive)
  const bad = Buffer.from(good)
  bad[200] = (bad[200] ?? 0) ^ 1
  await writeFile(archive, bad)
  const dry = await world.cli('restore', '--host', 'prod', '--source', 'data', '--dry-run')
  expect(dry.code).toBe(1)
  expect(dry.stderr).toContain(`prod/${newest}: data.tar.zst.gpg: The content is not what was written`)

  const list = await world.cli('list', 'prod')
  expect(list.stdout).toMatch(new RegExp(`${newest} .*complete, damaged`))
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr).toBe(0)
  expect(await newestMode()).toBe('full')
  expect((await world.cli('restore', '--host', 'prod', '--source', 'data', '--dry-run')).code).toBe(0)

  await writeFile(archive, good)
  expect((await world.cli('verify', 'prod')).code).toBe(0)
  expect((await world.cli('list', 'prod')).stdout).not.toContain('damaged')
})
