import { execFileSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startRedis } from '../lab/redis.ts'
import { startWorld, type World } from '../lab/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

describe('a pull', () => {
  let id: string

  test('makes a complete snapshot', async () => {
    const result = await world.cli('pull', 'prod')
    expect(result.stderr).not.toContain('error')
    expect(result.code).toBe(0)
    id = (await world.snapshots())[0] ?? ''
    const manifest = await world.manifest(id)
    expect(manifest).toMatchObject({ host: 'prod', purpose: 'pull', complete: true, previous: null })
    expect(result.stdout).toContain(id)
  })

  test('opens with stock gpg, zstd and tar as the tree it was', async () => {
    const target = join(world.home, 'extracted')
    await mkdir(target)
    await world.extract(id, target)
    for (const name of ['logs', 'data', '.env', 'docker-compose.yml']) {
      execFileSync('diff', ['-r', join(world.deployment, name), join(target, name)])
    }
    await using redis = await startRedis({ dir: join(target, 'redis_data') })
    expect((await redis.cli('MGET', 'alpha', 'beta', 'gamma')).split('\n')).toEqual(['1', '2', '3'])
    expect(await redis.cli('DBSIZE')).toBe('3')
  })

  test('passes sha256sum -c, list and verify', async () => {
    execFileSync('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: join(world.vault, 'prod', id) })
    const list = await world.cli('list', '--json')
    expect(JSON.stringify(JSON.parse(list.stdout))).toContain(id)
    expect((await world.cli('verify', '--all')).code).toBe(0)
  })

  test('leaves no trace on the server', async () => {
    expect(execFileSync('find', [world.deployment, '-name', '.relay-backup*']).toString()).toBe('')
  })

  test('is skipped while the newest is fresh enough, and links to the one before', async () => {
    const skipped = await world.cli('pull', 'prod', '--if-older-than', '20h')
    expect(skipped.code).toBe(0)
    expect(await world.snapshots()).toHaveLength(1)
    expect((await world.cli('pull')).code).toBe(0)
    const second = (await world.snapshots())[1] ?? ''
    expect((await world.manifest(second))['previous']).toMatch(/^[0-9a-f]{64}$/)
  })

  test('with --dry-run touches nothing', async () => {
    const before = await world.snapshots()
    const result = await world.cli('pull', 'prod', '--dry-run')
    expect(result.code).toBe(0)
    expect(result.stdout).toContain('redis_data')
    expect(await world.snapshots()).toEqual(before)
  })

  test('of some sources is not complete and pushes nothing out', async () => {
    const result = await world.cli('pull', 'prod', '--source', 'logs')
    expect(result.code).toBe(0)
    const newest = (await world.snapshots()).at(-1) ?? ''
    expect(await world.manifest(newest)).toMatchObject({ complete: false, selection: ['logs'] })
  })

  test('reports a source that fails, keeps the others, and exits 3', async () => {
    world.config.hosts['prod']!.sources['gone'] = { kind: 'files', path: 'not-there' }
    await world.writeConfig()
    const result = await world.cli('pull', 'prod')
    expect(result.code).toBe(3)
    expect(result.stderr + result.stdout).toContain('not-there')
    const newest = (await world.snapshots()).at(-1) ?? ''
    const manifest = await world.manifest(newest)
    expect(manifest).toMatchObject({ complete: false })
    expect((manifest['sources'] as { name: string }[]).map((source) => source.name)).toEqual([
      'redis_data',
      'logs',
      'data',
      'config',
    ])
    delete world.config.hosts['prod']!.sources['gone']
    await world.writeConfig()
  })

  test('pauses rotation when a source lost nearly everything, until prune --accept', async () => {
    const before = await readFile(join(world.deployment, 'data', 'data.bin'))
    await writeFile(join(world.deployment, 'data', 'data.bin'), 'x')
    world.config.retention = { last: 1 }
    await world.writeConfig()
    const count = (await world.snapshots()).length
    const result = await world.cli('pull', 'prod')
    expect(result.code).toBe(0)
    expect(result.stderr + result.stdout).toContain('--accept')
    expect(await world.snapshots()).toHaveLength(count + 1)
    await writeFile(join(world.deployment, 'data', 'data.bin'), before)
    expect((await world.cli('pull', 'prod')).code).toBe(0)
    expect(await world.snapshots()).toHaveLength(count + 2)
    expect((await world.cli('prune', 'prod', '--accept')).code).toBe(0)
    expect((await world.snapshots()).length).toBeLessThan(count)
    expect((await world.cli('verify', '--all')).code).toBe(0)
  })
})
