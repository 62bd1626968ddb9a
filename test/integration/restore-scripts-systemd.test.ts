import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { RestoreDriver } from '../../src/restore/server/driver.ts'
import { compareTrees } from '../lab/hostile-tree.ts'
import { LocalHost } from '../lab/local-host.ts'
import { quiet, RestoreLab, treeOf } from './restore-scripts-lab.ts'

/** Stands in for systemd, which needs to be the first process: a unit's state is a file. */
const SYSTEMCTL = `#!/bin/sh
cd "$(dirname "$0")/units" || exit 1
echo "$*" >>../log
verb=$1; shift
case $verb in
  is-active)
    cat "$2" 2>/dev/null || echo inactive
    grep -qx active "$2" 2>/dev/null ;;
  show) echo "NRestarts=$(cat "$4.restarts" 2>/dev/null || echo 0)" ;;
  stop|start)
    shift
    for unit; do
      if [ -e "$unit.refuses-$verb" ]; then echo "Job for $unit failed." >&2; exit 1; fi
      if [ "$verb" = stop ]; then echo inactive >"$unit"; else echo active >"$unit"; fi
    done ;;
esac
`

async function systemd(lab: RestoreLab, units: Readonly<Record<string, string>>) {
  const tools = join(lab.root, 'systemd')
  await mkdir(join(tools, 'units'), { recursive: true })
  await writeFile(join(tools, 'systemctl'), SYSTEMCTL)
  await chmod(join(tools, 'systemctl'), 0o755)
  for (const [unit, state] of Object.entries(units)) await writeFile(join(tools, 'units', unit), `${state}\n`)
  return {
    host: new LocalHost({ path: `${tools}:${process.env.PATH ?? ''}` }),
    set: (name: string, text: string) => writeFile(join(tools, 'units', name), `${text}\n`),
    state: async (unit: string) => (await readFile(join(tools, 'units', unit), 'utf8')).trim(),
    log: async () =>
      (await readFile(join(tools, 'log'), 'utf8')).split('\n').filter((line) => /^(start|stop) /.test(line)),
  }
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
      'stop -- redis.service app.service',
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
