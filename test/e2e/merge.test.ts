import { execFileSync } from 'node:child_process'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../lab/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
  await mkdir(join(world.deployment, 'data', 'deep', 'er'), { recursive: true })
  await writeFile(join(world.deployment, 'data', 'deep', 'er', 'file'), 'deep')
  await writeFile(
    Buffer.concat([Buffer.from(`${world.deployment}/data/`), Buffer.from([0x6e, 0xff, 0x0a])]),
    'bytes',
  )
  await world.redis.cli('SET', 'expiring', 'soon', 'EX', '100000')
  const pulled = await world.cli('pull')
  expect(pulled.code, pulled.stderr).toBe(0)
})
afterAll(() => world[Symbol.asyncDispose]())

const names = () =>
  execFileSync('sh', [
    '-c',
    'cd "$1" && find . | LC_ALL=C sort',
    'sh',
    join(world.deployment, 'data'),
  ]).toString('latin1')

test('merge adds what is missing, overwrites nothing, and rollback takes exactly that away', async () => {
  const everything = names()
  await rm(join(world.deployment, 'data', 'deep'), { recursive: true })
  execFileSync('sh', ['-c', 'rm "$1"/n*', 'sh', join(world.deployment, 'data')])
  await writeFile(join(world.deployment, 'data', 'data.bin'), 'newer than the snapshot')
  await writeFile(join(world.deployment, 'data', 'since'), 'made since')
  await world.redis.cli('DEL', 'alpha', 'expiring')
  await world.redis.cli('SET', 'beta', 'newer')
  const before = names()

  const merged = await world.cli('restore', '--host', 'prod', '--strategy', 'merge', '--yes')
  expect(merged.code, merged.stderr + merged.stdout).toBe(0)
  expect(names()).toBe(`${everything}./since\n`)
  expect(await readFile(join(world.deployment, 'data', 'data.bin'), 'utf8')).toBe('newer than the snapshot')
  expect(await readFile(join(world.deployment, 'data', 'deep', 'er', 'file'), 'utf8')).toBe('deep')
  expect((await world.redis.cli('MGET', 'alpha', 'beta', 'gamma')).split('\n')).toEqual(['1', 'newer', '3'])
  expect(Number(await world.redis.cli('TTL', 'expiring'))).toBeGreaterThan(90_000)

  await world.redis.cli('SET', 'alpha', 'changed since')
  const undone = await world.cli('rollback', '--host', 'prod', '--yes')
  expect(undone.code, undone.stderr + undone.stdout).toBe(0)
  expect(names()).toBe(before)
  expect(await readFile(join(world.deployment, 'data', 'since'), 'utf8')).toBe('made since')
  expect((await world.redis.cli('MGET', 'alpha', 'beta', 'expiring')).split('\n')).toEqual([
    'changed since',
    'newer',
    '',
  ])
})

test('a directory where the snapshot has a file is refused before anything is added', async () => {
  await rm(join(world.deployment, 'logs', 'app.log'))
  await mkdir(join(world.deployment, 'logs', 'app.log'))
  await rm(join(world.deployment, '.env'))
  const result = await world.cli('restore', '--host', 'prod', '--strategy', 'merge', '--yes')
  expect(result.code).toBe(1)
  expect(result.stderr + result.stdout).toContain('app.log')
  await expect(stat(join(world.deployment, '.env'))).rejects.toThrow()
})
