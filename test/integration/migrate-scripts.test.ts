import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { RestoreDriver, type RestorePlacement } from '../../src/restore/server/driver.ts'
import { discardRestores, listJournals } from '../../src/restore/server/journals.ts'
import { finishRestore, rollbackRestore } from '../../src/restore/server/settle.ts'
import { compareTrees } from '../lab/hostile-tree.ts'
import { busyboxTools } from '../lab/busybox.ts'
import { LocalHost } from '../lab/local-host.ts'
import { crash, MACHINES, type Machine, quiet, RestoreLab, treeOf } from './restore-scripts-lab.ts'

/** Stands in for systemd, which needs to be the first process: a unit's state is a file. */
const SYSTEMCTL = `#!/bin/sh
cd "$(dirname "$0")/units" || exit 1
verb=$1; shift
case $verb in
  is-active)
    cat "$2" 2>/dev/null || echo inactive
    grep -qx active "$2" 2>/dev/null ;;
  show) echo NRestarts=0 ;;
  stop|start)
    shift
    for unit; do
      echo "$verb $unit" >>../log
      if [ "$verb" = stop ]; then echo inactive >"$unit"; else echo active >"$unit"; fi
    done ;;
esac
`

/** A server with two units; it may be started anew with the same units. */
async function server(machine: Machine, units: Readonly<Record<string, string>>) {
  const lab = await RestoreLab.make(machine)
  const tools = join(lab.root, 'systemd')
  await mkdir(join(tools, 'units'), { recursive: true })
  await writeFile(join(tools, 'systemctl'), SYSTEMCTL)
  await chmod(join(tools, 'systemctl'), 0o755)
  for (const [unit, state] of Object.entries(units)) await writeFile(join(tools, 'units', unit), `${state}\n`)
  const busybox = machine === 'busybox alone' ? await busyboxTools(join(lab.root, 'more-tools')) : undefined
  const state = async (unit: string) =>
    (await readFile(join(tools, 'units', unit), 'utf8').catch(() => 'inactive')).trim()
  return {
    lab,
    deployment: lab.deployment,
    host: () =>
      busybox === undefined
        ? new LocalHost({ path: `${tools}:${process.env['PATH'] ?? ''}` })
        : new LocalHost({ shell: ['/bin/busybox', 'sh'], path: `${tools}:${busybox}` }),
    state,
    units: async () => ({ redis: await state('redis.service'), app: await state('app.service') }),
    log: async () =>
      (await readFile(join(tools, 'log'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== ''),
    journals: async (host: LocalHost) =>
      (await listJournals(host, { deployment: lab.deployment, privilege: undefined, signal: quiet() }))
        .journals,
    [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose](),
  }
}

const SERVICES = { manager: 'systemd', data: ['redis.service'], rest: ['app.service'] } as const
const RUNNING = { 'redis.service': 'active', 'app.service': 'active' }

function held(deployment: string): RestorePlacement {
  return {
    deployment,
    id: '20251120T030000Z',
    units: [],
    services: SERVICES,
    migration: { role: 'from', host: 'new' },
    privilege: undefined,
  }
}

async function steps(
  driver: RestoreDriver,
  ...names: readonly ('begin' | 'stopWriters' | 'stop' | 'swap' | 'startData' | 'startRest' | 'keep')[]
): Promise<void> {
  for (const name of names) expect(await driver[name](quiet()), name).toMatchObject({ ok: true })
}

describe.concurrent.each(MACHINES)("a migration's FROM on a server with %s", (machine) => {
  it('stops its writers first, then all, and stays stopped once it is given up', async () => {
    await using from = await server(machine, RUNNING)
    const host = from.host()
    const driver = await RestoreDriver.start(host, held(from.deployment), quiet())
    await steps(driver, 'begin', 'stopWriters')
    expect(await from.units()).toEqual({ redis: 'active', app: 'inactive' })
    expect(await driver.commit(quiet())).toMatchObject({ ok: false, reason: 'the services are not stopped' })
    await steps(driver, 'stop')
    expect(await driver.checkStopped(quiet())).toMatchObject({ ok: true })
    expect(await driver.commit(quiet())).toMatchObject({ ok: true })
    expect(await from.units()).toEqual({ redis: 'inactive', app: 'inactive' })
    expect(await from.journals(host)).toMatchObject([
      { state: 'closed', how: 'done', migration: { role: 'from', host: 'new' }, targets: [] },
    ])
  })

  it.each(['stopWriters', 'stop'] as const)(
    'starts again, data services first, when its client goes after %s',
    async (last) => {
      await using from = await server(machine, RUNNING)
      const host = from.host()
      const driver = await RestoreDriver.start(host, held(from.deployment), quiet())
      await steps(driver, 'begin', 'stopWriters')
      if (last === 'stop') await steps(driver, 'stop')
      await driver[Symbol.asyncDispose]()
      expect(await from.units()).toEqual({ redis: 'active', app: 'active' })
      const starts = (await from.log()).filter((line) => line.startsWith('start'))
      expect(starts).toEqual(
        last === 'stop' ? ['start redis.service', 'start app.service'] : ['start app.service'],
      )
      expect(await from.journals(host)).toMatchObject([{ how: 'rolled-back' }])
    },
  )

  it('is found and started by rollback when the server went down', async () => {
    await using from = await server(machine, RUNNING)
    const dying = from.host()
    const driver = await RestoreDriver.start(dying, held(from.deployment), quiet())
    await steps(driver, 'begin', 'stopWriters', 'stop')
    await crash(dying)
    const host = from.host()
    expect(await from.units()).toEqual({ redis: 'inactive', app: 'inactive' })
    expect(await from.journals(host)).toMatchObject([{ state: 'stopped' }])
    await rollbackRestore(host, { ...held(from.deployment), signal: quiet() })
    expect(await from.units()).toEqual({ redis: 'active', app: 'active' })
  })

  it('starts just what ran before when a migration that was done is taken back, and that is not discarded', async () => {
    await using from = await server(machine, { 'redis.service': 'active' })
    const host = from.host()
    const driver = await RestoreDriver.start(host, held(from.deployment), quiet())
    await steps(driver, 'begin', 'stopWriters', 'stop')
    await driver.commit(quiet())
    await discardRestores(host, { deployment: from.deployment, privilege: undefined, signal: quiet() })
    await rollbackRestore(host, { ...held(from.deployment), signal: quiet() })
    expect(await from.units()).toEqual({ redis: 'active', app: 'inactive' })
    expect(await from.journals(host)).toMatchObject([{ how: 'rolled-back' }])
  })

  it('is refused as gone on with when something runs again', async () => {
    await using from = await server(machine, RUNNING)
    const host = from.host()
    await using driver = await RestoreDriver.start(host, held(from.deployment), quiet())
    await steps(driver, 'begin', 'stopWriters', 'stop')
    await writeFile(join(from.lab.root, 'systemd/units/app.service'), 'active\n')
    expect(await driver.checkStopped(quiet())).toMatchObject({ ok: false })
  })
})

describe.concurrent.each(MACHINES)("a migration's TO on a server with %s", (machine) => {
  const launched = async (to: Awaited<ReturnType<typeof server>>, host: LocalHost) => ({
    ...(await to.lab.stage(host, { services: SERVICES })),
    migration: { role: 'to', host: 'old' } as const,
  })

  it('starts services that never ran there, and stops them again when it is undone', async () => {
    await using to = await server(machine, {})
    const host = to.host()
    const old = await treeOf(to.lab.data)
    const placement = await launched(to, host)
    const driver = await RestoreDriver.start(host, placement, quiet())
    await steps(driver, 'begin', 'stop', 'swap', 'startData')
    expect(await to.units()).toEqual({ redis: 'active', app: 'inactive' })
    await steps(driver, 'startRest')
    expect(await to.units()).toEqual({ redis: 'active', app: 'active' })
    await writeFile(join(to.lab.data, 'accepted'), 'a write')
    expect(await driver.rollback()).toMatchObject({ outcome: 'rolled-back' })
    expect(await to.units()).toEqual({ redis: 'inactive', app: 'inactive' })
    expect(compareTrees(old, await treeOf(to.lab.data))).toEqual([])
    const kept = `${to.deployment}/.relay-backup/failed-${placement.id}/1/accepted`
    expect(await readFile(kept, 'utf8')).toBe('a write')
  })

  it('said no reason when its disk was full as its services were to start, and is undone', async () => {
    await using lab = await RestoreLab.make(machine)
    await lab.mount(lab.deployment)
    await lab.makeOld(lab.data)
    const ballast = join(lab.deployment, 'ballast')
    const services = {
      manager: 'command',
      stop: `rm -f '${ballast}'`,
      start: `cat /dev/zero >'${ballast}'; false`,
      status: `test -e '${ballast}'`,
    } as const
    const host = lab.host()
    const driver = await RestoreDriver.start(
      host,
      { ...(await lab.stage(host, { services })), migration: { role: 'to', host: 'old' } },
      quiet(),
    )
    await steps(driver, 'begin', 'stop', 'swap')
    expect(await driver.startData(quiet())).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/^exit status 1: .*No space left on device$/) as string,
    })
    expect(await driver.rollback()).toMatchObject({ outcome: 'rolled-back' })
    expect(existsSync(ballast)).toBe(false)
  })

  it('goes on serving once it is kept, whatever becomes of its client, until it is finished', async () => {
    await using to = await server(machine, {})
    const host = to.host()
    const placement = await launched(to, host)
    const driver = await RestoreDriver.start(host, placement, quiet())
    await steps(driver, 'begin', 'stop', 'swap', 'startData')
    expect(await driver.keep(quiet())).toMatchObject({ ok: false })
    await steps(driver, 'startRest', 'keep')
    await driver[Symbol.asyncDispose]()
    expect(await to.units()).toEqual({ redis: 'active', app: 'active' })
    expect(await to.journals(host)).toMatchObject([{ state: 'kept', migration: { role: 'to', host: 'old' } }])
    await finishRestore(host, { ...placement, signal: quiet() })
    expect(await to.journals(host)).toMatchObject([{ how: 'done' }])
    expect(await to.units()).toEqual({ redis: 'active', app: 'active' })
  })

  it('is undone by rollback after it was kept, and after it was done', async () => {
    await using to = await server(machine, {})
    const host = to.host()
    const old = await treeOf(to.lab.data)
    for (const end of ['kept', 'done'] as const) {
      const placement = await launched(to, host)
      const driver = await RestoreDriver.start(host, placement, quiet())
      await steps(driver, 'begin', 'stop', 'swap', 'startData', 'startRest', 'keep')
      if (end === 'done') expect(await driver.commit(quiet())).toMatchObject({ ok: true })
      await driver[Symbol.asyncDispose]()
      await rollbackRestore(host, { ...placement, signal: quiet() })
      expect(await to.units()).toEqual({ redis: 'inactive', app: 'inactive' })
      expect(compareTrees(old, await treeOf(to.lab.data))).toEqual([])
    }
  })
})

describe.concurrent.each(MACHINES)('a server that was moved away from and back to, with %s', (machine) => {
  it('is not undone to the first migration, and the last is not forgotten by a discard', async () => {
    await using server_ = await server(machine, RUNNING)
    const { lab, deployment } = server_
    const host = server_.host()
    const options = { deployment, privilege: undefined, signal: quiet() }
    const ids = async () => (await server_.journals(host)).map(({ id, discarded }) => [id, discarded])
    const away = { ...held(deployment), id: '20251120T010000Z' }
    const from = await RestoreDriver.start(host, away, quiet())
    await steps(from, 'begin', 'stopWriters', 'stop')
    await from.commit(quiet())
    // A journal has whole seconds.
    await setJournalBack(deployment, away.id)
    const back = {
      ...(await lab.stage(host, { services: SERVICES })),
      migration: { role: 'to', host: 'new' } as const,
    }
    const to = await RestoreDriver.start(host, back, quiet())
    await steps(to, 'begin', 'stop', 'swap', 'startData', 'startRest', 'keep')
    await to.commit(quiet())

    await expect(rollbackRestore(host, { ...options, id: away.id })).rejects.toThrow('came later')
    await discardRestores(host, options)
    expect(await ids()).toEqual([[back.id, true]])
    await discardRestores(host, options)
    expect(await ids()).toEqual([[back.id, true]])
    await expect(rollbackRestore(host, { ...options, id: back.id })).rejects.toThrow('removed for good')
    expect(await server_.units()).toEqual({ redis: 'active', app: 'active' })
  })
})

async function setJournalBack(deployment: string, id: string): Promise<void> {
  const journal = join(deployment, `.relay-backup/restore-${id}/journal`)
  const text = await readFile(journal, 'utf8')
  await writeFile(
    journal,
    text.replace(
      /^(journal\t1\t[^\t]*\t)(\d+)/,
      (_all, head: string, at: string) => `${head}${Number(at) - 60}`,
    ),
  )
}

it('variables that Compose reads are told by their sums, and never by their values', async () => {
  await using host = new LocalHost()
  vi.stubEnv('name', 'a  value')
  onTestFinished(() => void vi.unstubAllEnvs())
  // Each shell has a PPID, and no command gets it.
  const args = ['HOME', 'name', 'PPID', 'RELAY_NOT_SET']
  const said = await host.run(
    { script: 'migrate/variables', args, privilege: undefined, title: 'comparing' },
    { signal: quiet() },
  )
  const sum = (value: string) => createHash('sha256').update(value).digest('hex')
  expect(said.stdout.toString().split('\n')).toEqual([
    `variable\tHOME\t${sum(process.env['HOME'] ?? '')}`,
    `variable\tname\t${sum('a  value')}`,
    'variable\tPPID\t-',
    'variable\tRELAY_NOT_SET\t-',
    'end',
    '',
  ])
})
