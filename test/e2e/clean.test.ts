import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startWorld } from '../lab/world.ts'

test('old logs go from a server by the command line, and only when a person or --yes says so', async () => {
  await using world = await startWorld()
  const { prod } = world.config.hosts
  delete prod!.sources['redis_data']
  Object.assign(prod!, { clean: { logs: { match: '*.log', olderThan: '30d' } } })
  await world.writeConfig()
  const logs = join(world.deployment, 'logs')
  const old = new Date(Date.now() - 40 * 86_400_000)
  for (const name of ['one.log', 'two.log']) {
    await writeFile(join(logs, name), name)
    await utimes(join(logs, name), old, old)
  }
  const before = (await readdir(logs)).sort()

  expect(await world.cli('clean', 'prod')).toMatchObject({ code: 2 })
  expect(await world.cli('pull')).toMatchObject({ code: 0 })
  const [id = ''] = await world.snapshots()
  const dry = await world.cli('clean', 'prod', '--dry-run')
  expect(dry).toMatchObject({ code: 0 })
  expect(dry.stdout).toBe(
    'prod: 2 old files (14 B) would be removed\n  would go: logs/one.log (7 B)\n  would go: logs/two.log (7 B)\n',
  )
  const asked = await world.cli('clean', 'prod')
  expect(asked).toMatchObject({ code: 2 })
  expect(asked.stderr).toContain('Add --yes')
  expect((await readdir(logs)).sort()).toEqual(before)

  const done = await world.cli('clean', 'prod', '--yes', '--json')
  expect(JSON.parse(done.stdout)).toMatchObject({
    host: 'prod',
    snapshots: [`prod/${id}`],
    files: [
      { source: 'logs', path: 'logs/one.log', outcome: 'removed' },
      { source: 'logs', path: 'logs/two.log', outcome: 'removed' },
    ],
  })
  expect((await readdir(logs)).sort()).toEqual(before.filter((name) => !/^(one|two)\.log$/.test(name)))
  expect((await world.cli('cat', 'latest', 'logs:one.log')).stdout).toBe('one.log')
})
