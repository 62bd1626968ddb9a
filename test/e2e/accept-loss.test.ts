import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../lab/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
  world.config.hosts['prod']!.sources = { logs: { kind: 'files', path: 'logs' } }
  world.config.retention = { last: 2 }
  await world.writeConfig()
})
afterAll(() => world[Symbol.asyncDispose]())

test('a lost archive holds rotation up; given up by its id it takes no place of a good one, and goes in its time', async () => {
  const pull = (...more: string[]) => world.cli('pull', 'prod', '--full', ...more)
  await pull()
  await pull()
  const [good = '', lost = ''] = await world.snapshots()
  await rm(join(world.vault, 'prod', lost, 'logs.tar.zst.gpg'))

  const step = `relay-backup prune prod --accept-loss ${lost}`
  const paused = await pull('--quiet')
  expect(paused.code).toBe(0)
  expect(paused.stdout).toMatch(
    /^warning: prod: rotation paused: .*The file is gone.*; nothing was removed\. Next: /,
  )
  expect(paused.stdout).toContain(step)
  expect(await world.snapshots()).toHaveLength(3)

  expect((await world.cli('prune', 'prod', '--dry-run')).code).toBe(1)
  expect((await world.cli('prune', 'prod')).code).toBe(1)

  // A slip of the keyboard gives up nothing.
  const slip = await world.cli('prune', 'prod', '--accept-loss', good)
  expect(slip.code).toBe(1)
  expect(slip.stdout).toContain(`No damage is known of prod/${good}`)

  const accepted = await world.cli(...step.split(' ').slice(1))
  expect(accepted).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('3 snapshots stay (2 by last 2, 1 given up as damaged)') as string,
  })
  const listed = await world.cli('list')
  expect(listed.stdout).toMatch(new RegExp(`prod/${lost} .*complete, damaged, given up`))

  const next = await pull()
  expect(next.stdout).toContain(`removed ${lost}: damaged, and its time is over`)
  expect(next.stdout).toContain(`removed ${good}: outside of last 2`)
  expect(await world.snapshots()).toHaveLength(2)
  expect((await world.cli('verify', '--all')).code).toBe(0)
})
