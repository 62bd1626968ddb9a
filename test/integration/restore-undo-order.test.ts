import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { RestoreDriver } from '../../src/restore/server/driver.ts'
import { compareTrees } from '../lab/hostile-tree.ts'
import { LocalHost } from '../lab/local-host.ts'
import { labSystemctl } from '../lab/systemctl.ts'
import { MACHINES, quiet, RestoreLab, treeOf } from './restore-scripts-lab.ts'

describe.each(MACHINES)('undoing on a server with %s', (machine) => {
  it('goes backwards: a unit within another one comes back before that one does', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const old = await treeOf(lab.data)
    const outer = await lab.stage(host)
    const [unit] = outer.units
    const staged = `${lab.deployment}/.relay-backup/restore-${outer.id}/inner`
    await mkdir(join(staged, 'logs'), { recursive: true })
    await lab.makeNew(join(staged, 'logs'))
    const inner = {
      kind: 'rename' as const,
      target: join(lab.data, 'logs'),
      staged: join(staged, 'logs'),
      aside: `${lab.deployment}/.relay-backup/rollback-${outer.id}/2`,
    }
    await using driver = await RestoreDriver.start(host, { ...outer, units: [unit!, inner] }, quiet())
    for (const step of ['begin', 'stop', 'swap'] as const)
      expect(await driver[step](quiet())).toMatchObject({ ok: true })
    expect(await driver.rollback()).toMatchObject({ outcome: 'rolled-back' })
    expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
  })
})

it('undoing stops who depends on a service before it, and starts it before them', async () => {
  await using lab = await RestoreLab.make('dash with GNU tools')
  const tools = join(lab.root, 'systemd')
  const running = { 'redis.service': 'active', 'app.service': 'active' }
  const { log } = await labSystemctl(tools, running)
  await using host = new LocalHost({ path: `${tools}:${process.env['PATH'] ?? ''}` })
  const services = { manager: 'systemd', data: ['redis.service'], rest: ['app.service'] } as const
  const placement = await lab.stage(host, { services })
  await using driver = await RestoreDriver.start(host, placement, quiet())
  for (const step of ['begin', 'stop', 'swap', 'startData', 'startRest'] as const)
    expect(await driver[step](quiet())).toMatchObject({ ok: true })
  const before = (await log()).length
  expect(await driver.rollback()).toMatchObject({ outcome: 'rolled-back' })
  const undone = (await log()).slice(before).flatMap((line) => {
    const [verb, , ...names] = line.split(' ')
    return names.map((name) => `${verb} ${name}`)
  })
  expect(undone).toEqual([
    'stop app.service',
    'stop redis.service',
    'start redis.service',
    'start app.service',
  ])
})
