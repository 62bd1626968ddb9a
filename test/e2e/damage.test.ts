import { readFile, rename, writeFile } from 'node:fs/promises'
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

test('a damaged vault.json is damage: verify names it, says what to do, and exits 4', async () => {
  const file = join(world.vault, 'vault.json')
  const good = await readFile(file)
  await writeFile(file, '{')
  try {
    const verified = await world.cli('verify', '--all')
    expect(verified.code).toBe(4)
    expect(verified.stdout).toMatch(/vault\.json can't be read[^]*Next: Put the file back/)
    const json = await world.cli('verify', '--all', '--json')
    expect(json.code).toBe(4)
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, error: { code: 'vault-damaged' } })
  } finally {
    await writeFile(file, good)
  }
})

test('a host whose whole directory is gone is told of by verify and list', async () => {
  await rename(join(world.vault, 'prod'), join(world.home, 'taken'))
  try {
    const verified = await world.cli('verify', '--all')
    expect(verified.code).toBe(4)
    expect(verified.stdout).toContain(
      'prod/ledger.jsonl: The ledger lacks lines that this computer saw in it',
    )
    expect((await world.cli('list')).stdout).toMatch(
      /^prod: the vault was set back[^]*relay-backup verify prod/,
    )
  } finally {
    await rename(join(world.home, 'taken'), join(world.vault, 'prod'))
  }
})
