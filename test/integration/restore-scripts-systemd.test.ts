import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { RestoreDriver } from '../../src/restore/server/driver.ts'
import { compareTrees } from '../lab/hostile-tree.ts'
import { LocalHost } from '../lab/local-host.ts'
import { labSystemctl } from '../lab/systemctl.ts'
import { quiet, RestoreLab, treeOf } from './restore-scripts-lab.ts'

async function systemd(lab: RestoreLab, units: Readonly<Record<string, string>>) {
  const tools = join(lab.root, 'systemd')
  const systemctl = await labSystemctl(tools, units)
  return { ...systemctl, host: new LocalHost({ path: `${tools}:${process.env.PATH ?? ''}` }) }
}

const SERVICES = {
  manager: 'systemd',
  data: ['redis.service'],
  rest: ['app.service', 'idle.service'],
} as const

describe('services that are systemd units', () => {
  it('are stopped and started in order, and those that did not run stay stopped', async () => {
    await using lab = await RestoreLab.make('dash with GNU tools')
    const { host, log, state } = await systemd(lab, {
      'redis.service': 'active',
      'app.service': 'activating',
    })
    const placement = await lab.stage(host, { services: SERVICES })
    await using driver = await RestoreDriver.start(host, placement, quiet())
    for (const step of ['begin', 'stop', 'swap', 'startData'] as const) {
      expect(await driver[step](quiet())).toMatchObject({ ok: true })
    }
    expect(await state('app.service')).toBe('inactive')
    expect(await driver.startRest(quiet())).toMatchObject({ ok: true })
    expect(await driver.checkRunning(quiet())).toMatchObject({ ok: true })
    await driver.commit(quiet())
    expect(await log()).toEqual([
      'stop -- app.service',
      'stop -- redis.service',
      'start -- redis.service',
      'start -- app.service',
    ])
  })

  it('fail the check when one restarts in a loop', async () => {
    await using lab = await RestoreLab.make('dash with GNU tools')
    const { host, set, state } = await systemd(lab, { 'redis.service': 'active', 'app.service': 'active' })
    const old = await treeOf(lab.data)
    const placement = await lab.stage(host, { services: SERVICES })
    await using driver = await RestoreDriver.start(host, placement, quiet())
    for (const step of ['begin', 'stop', 'swap', 'startData', 'startRest'] as const)
      await driver[step](quiet())
    await set('app.service.restarts', '3')
    expect(await driver.checkRunning(quiet())).toMatchObject({
      ok: false,
      reason: 'not running any more: app.service',
    })
    expect((await driver.rollback()).outcome).toBe('rolled-back')
    expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
    expect(await state('app.service')).toBe('active')
  })

  it('leave everything as it was when a stop is refused', async () => {
    await using lab = await RestoreLab.make('dash with GNU tools')
    const { host, set, state } = await systemd(lab, { 'redis.service': 'active', 'app.service': 'active' })
    await set('app.service.refuses-stop', '')
    const placement = await lab.stage(host, { services: SERVICES })
    await using driver = await RestoreDriver.start(host, placement, quiet())
    await driver.begin(quiet())
    expect(await driver.stop(quiet())).toMatchObject({
      ok: false,
      reason: 'exit status 1: Job for app.service failed.',
    })
    expect((await driver.rollback()).outcome).toBe('rolled-back')
    expect(await state('redis.service')).toBe('active')
  })
})
