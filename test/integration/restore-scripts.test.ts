import { execFile } from 'node:child_process'
import { chmod, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { LockedError } from '../../src/errors.ts'
import { Secret } from '../../src/model/secret.ts'
import { RestoreDriver } from '../../src/restore/server/driver.ts'
import type { RestorePlacement } from '../../src/restore/server/driver.ts'
import { discardRestores, listJournals, sweepStaging } from '../../src/restore/server/journals.ts'
import { finishRestore, rollbackRestore } from '../../src/restore/server/settle.ts'
import { compareTrees } from '../lab/hostile-tree.ts'
import type { LocalHost } from '../lab/local-host.ts'
import { seenSecret } from '../lab/seen-secret.ts'
import { crash, MACHINES, processesOf, quiet, RestoreLab, treeOf } from './restore-scripts-lab.ts'

const run = promisify(execFile)
const CARRY = { member: 'data', patterns: ['*.tmp', 'data/cache'] }

/** Runs a restore up to and with this step; every step must go well. */
async function upTo(
  host: LocalHost,
  placement: RestorePlacement,
  last: 'start' | 'begin' | 'stop' | 'swap' | 'startData' | 'startRest',
): Promise<RestoreDriver> {
  const driver = await RestoreDriver.start(host, placement, quiet())
  if (last === 'start') return driver
  for (const step of ['begin', 'stop', 'swap', 'startData', 'startRest'] as const) {
    expect(await driver[step](quiet()), step).toMatchObject({ ok: true })
    if (step === last) break
  }
  return driver
}

describe.concurrent.each(MACHINES)('a restore on a server with %s', (machine) => {
  it('puts the new tree in place, carries what the snapshot leaves out, and can be undone afterwards', async () => {
    await using lab = await RestoreLab.make(machine, { hostile: true })
    await using host = lab.host()
    await using service = lab.service()
    await service.begin()
    const old = await treeOf(lab.data)
    const placement = await lab.stage(host, { carry: CARRY, services: service.services })
    const fresh = await treeOf(String(placement.units[0]?.staged ?? ''))

    await using driver = await upTo(host, placement, 'startRest')
    expect(await driver.checkRunning(quiet())).toMatchObject({ ok: true })
    expect(await driver.commit(quiet())).toMatchObject({ ok: true })

    expect(await service.history()).toEqual(['stop', 'start'])
    expect(await service.runs()).toBe(true)
    const now = await treeOf(lab.data)
    const carried = [...now.keys()].filter((name) => !fresh.has(name)).sort()
    expect(carried).toEqual(
      [
        'cache',
        'cache/one',
        'cache/x.tmp',
        'logs/a.tmp',
        'logs/deep',
        'logs/deep/$(touch pwned).tmp',
        'logs/deep/b.tmp',
        'logs/line\nbreak.tmp',
      ].sort(),
    )
    for (const name of fresh.keys()) expect(now.get(name), name).toEqual(fresh.get(name))
    for (const name of carried) expect(now.get(name), name).toEqual(old.get(name))

    const { journals } = await listJournals(host, {
      deployment: lab.deployment,
      privilege: undefined,
      signal: quiet(),
    })
    expect(journals).toMatchObject([
      { id: placement.id, state: 'closed', how: 'done', targets: [lab.data], kept: [{ what: 'rollback' }] },
    ])

    const undone = await rollbackRestore(host, { ...placement, signal: quiet() })
    expect(undone).toMatchObject({ outcome: 'rolled-back' })
    expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
    expect(await service.history()).toEqual(['stop', 'start', 'stop', 'start'])
    const failed = await treeOf(`${lab.deployment}/.relay-backup/failed-${placement.id}/1`)
    expect(failed.get('new')).toEqual(fresh.get('new'))

    await discardRestores(host, { deployment: lab.deployment, privilege: undefined, signal: quiet() })
    expect(await readdir(lab.deployment)).toEqual(['data'])
  })

  it.each(['start', 'begin', 'stop', 'swap', 'startData', 'startRest'] as const)(
    'undoes by itself when the client is gone after %s',
    async (step) => {
      await using lab = await RestoreLab.make(machine)
      const host = lab.host()
      await using service = lab.service()
      await service.begin()
      const old = await treeOf(lab.data)
      const placement = await lab.stage(host, { carry: CARRY, services: service.services })
      await upTo(host, placement, step)
      await host[Symbol.asyncDispose]()

      expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
      expect(await service.runs()).toBe(true)
      if (step === 'start' || step === 'begin') {
        expect(await service.history()).toEqual([])
        expect(await readdir(lab.deployment)).toEqual(['data'])
      } else {
        const list = await listJournals(lab.host(), {
          deployment: lab.deployment,
          privilege: undefined,
          signal: quiet(),
        })
        expect(list).toMatchObject({
          lockedBy: undefined,
          journals: [{ state: 'closed', how: 'rolled-back' }],
        })
        expect((await service.history()).at(-1)).toBe('start')
      }
    },
  )

  it('rolls back on demand and says what happened in order', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    await using service = lab.service()
    await service.begin()
    const old = await treeOf(lab.data)
    const placement = await lab.stage(host, { services: service.services })
    await using driver = await upTo(host, placement, 'startData')
    const result = await driver.rollback()
    expect(result.outcome).toBe('rolled-back')
    expect(result.notes).toEqual([
      'stopped: command',
      `what was put at ${lab.data} is now ${lab.deployment}/.relay-backup/failed-${placement.id}/1`,
      `${lab.data} is as it was`,
      'started: command',
    ])
    expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
  })

  it('stops nothing when it is told to roll back what is rolled back already', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    await using service = lab.service()
    await service.begin()
    const placement = await lab.stage(host, { services: service.services })
    {
      await using driver = await upTo(host, placement, 'swap')
      await driver.rollback()
    }
    const before = await service.history()
    expect(await rollbackRestore(host, { ...placement, signal: quiet() })).toEqual({
      outcome: 'rolled-back',
      notes: [],
    })
    expect(await service.history()).toEqual(before)
    expect(await service.runs()).toBe(true)
  })

  it('leaves a service stopped that was stopped before', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    await using service = lab.service()
    const placement = await lab.stage(host, { services: service.services })
    await using driver = await upTo(host, placement, 'startRest')
    await driver.commit(quiet())
    expect(await service.history()).toEqual([])
    expect(await readFile(join(lab.data, 'new'), 'utf8')).toBe('new')
  })

  it('changes nothing when a stop fails', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    await using service = lab.service()
    await service.begin()
    const old = await treeOf(lab.data)
    const placement = await lab.stage(host, {
      services: {
        manager: 'command',
        stop: 'echo no rights >&2; exit 4',
        start: service.start,
        status: service.status,
      },
    })
    await using driver = await upTo(host, placement, 'begin')
    expect(await driver.stop(quiet())).toMatchObject({ ok: false, reason: 'exit status 4: no rights' })
    expect(await driver.rollback()).toMatchObject({ outcome: 'rolled-back' })
    expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
    expect(await service.runs()).toBe(true)
    expect(await service.history()).toEqual([])
  })

  it('puts the old data and the services back when a start fails with the new data', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    await using service = lab.service()
    await service.begin()
    const old = await treeOf(lab.data)
    const start = `if test -e '${lab.data}/new'; then echo refused; exit 1; fi; ${service.start}`
    const placement = await lab.stage(host, {
      services: { manager: 'command', stop: service.stop, start, status: service.status },
    })
    await using driver = await upTo(host, placement, 'swap')
    expect(await driver.startData(quiet())).toMatchObject({ ok: false, reason: 'exit status 1: refused' })
    expect(await driver.rollback()).toMatchObject({ outcome: 'rolled-back' })
    expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
    expect(await service.runs()).toBe(true)
  })

  it('notices a service that started well and died', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    await using service = lab.service()
    await service.begin()
    const placement = await lab.stage(host, { services: service.services })
    await using driver = await upTo(host, placement, 'startRest')
    expect(await driver.checkRunning(quiet())).toMatchObject({ ok: true })
    await service[Symbol.asyncDispose]()
    expect(await driver.checkRunning(quiet())).toMatchObject({
      ok: false,
      reason: 'not running any more: command',
    })
    expect(await driver.rollback()).toMatchObject({ outcome: 'rolled-back' })
    expect(await service.runs()).toBe(true)
  })

  it('starts services in its undoing that die of SIGTERM again', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    await using service = lab.service()
    await service.begin()
    const placement = await lab.stage(host, { services: service.services })
    await using driver = await upTo(host, placement, 'swap')
    await driver.rollback()
    await run('sh', ['-c', `kill -TERM "$(cat '${service.pidFile}')"`])
    await expect.poll(() => service.runs()).toBe(false)
  })

  it('ends a stop that hangs when the client is gone', async () => {
    await using lab = await RestoreLab.make(machine)
    const host = lab.host()
    const mark = join(lab.root, 'hangs')
    const placement = await lab.stage(host, {
      services: { manager: 'command', stop: `echo $$ >'${mark}'; sleep 1000`, start: 'true' },
    })
    const driver = await upTo(host, placement, 'begin')
    const stopping = driver.stop(quiet())
    stopping.catch(() => {})
    await expect.poll(() => readFile(mark, 'utf8').catch(() => '')).toMatch(/\d+/)
    await host[Symbol.asyncDispose]()
    const pid = (await readFile(mark, 'utf8')).trim()
    // One that nobody has waited for is a zombie for a while.
    const state = (): Promise<string> => readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'State:\tX')
    await expect.poll(state).toMatch(/^State:\s[ZX]/m)
  })

  it('moves what is in a mount point child by child, and back', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const target = join(lab.deployment, 'mounted')
    await lab.mount(target)
    await lab.makeOld(target)
    await run('touch', ['-d', '2018-01-01 00:00:00.25', target])
    const old = await treeOf(target)
    const place = (): Promise<RestorePlacement> =>
      lab.stage(host, {
        home: `${target}/.relay-backup`,
        carry: { member: 'mounted', patterns: ['*.tmp', 'cache'] },
        unit: { kind: 'children', target },
      })
    const first = await place()
    {
      await using driver = await upTo(host, first, 'startRest')
      expect((await driver.rollback()).outcome).toBe('rolled-back')
    }
    expect(compareTrees(old, await treeOf(target))).toEqual([])

    const second = await place()
    const fresh = await treeOf(String(second.units[0]?.staged ?? ''))
    await using driver = await upTo(host, second, 'startRest')
    await driver.commit(quiet())
    const now = await treeOf(target)
    for (const name of fresh.keys()) expect(now.get(name), name).toEqual(fresh.get(name))
    expect(now.get('cache/one')).toEqual(old.get('cache/one'))
    expect(await rollbackRestore(host, { ...second, signal: quiet() })).toMatchObject({
      outcome: 'rolled-back',
    })
    expect(compareTrees(old, await treeOf(target))).toEqual([])
  })

  it('keeps its directory next to a target on another file system', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const elsewhere = join(lab.root, 'elsewhere')
    await lab.mount(elsewhere)
    await lab.makeOld(join(elsewhere, 'data'))
    const old = await treeOf(join(elsewhere, 'data'))
    const target = join(elsewhere, 'data')

    const far = await lab.stage(host, { unit: { target } })
    {
      await using driver = await upTo(host, far, 'start')
      const begun = await driver.begin(quiet())
      expect(begun).toMatchObject({ ok: false, reason: expect.stringContaining('not on one file system') })
    }
    const near = await lab.stage(host, { home: `${elsewhere}/.relay-backup`, unit: { target } })
    await using driver = await upTo(host, near, 'swap')
    expect(await readFile(join(target, 'both'), 'utf8')).toBe('the new one')
    await driver.rollback()
    expect(compareTrees(old, await treeOf(target))).toEqual([])
  })

  it('refuses two bind mounts of one file system, where mv would copy', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const bound = join(lab.root, 'bound')
    await mkdir(bound)
    await run('mount', ['--bind', lab.deployment, bound])
    try {
      const placement = await lab.stage(host, { unit: { target: join(bound, 'data') } })
      await using driver = await upTo(host, placement, 'start')
      expect(await driver.begin(quiet())).toMatchObject({ ok: false })
    } finally {
      await run('umount', [bound])
    }
  })

  it('makes what is absent, with its parents, and takes it away again', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    await run('chown', ['555:666', lab.deployment])
    const target = join(lab.deployment, 'not/there/data')
    const first = await lab.stage(host, { unit: { target } })
    {
      await using driver = await upTo(host, first, 'startRest')
      expect(await lstat(join(lab.deployment, 'not/there'))).toMatchObject({ uid: 555, gid: 666 })
      expect(await readFile(join(target, 'new'), 'utf8')).toBe('new')
      await driver.rollback()
    }
    expect(await readdir(lab.deployment)).toEqual(['.relay-backup', 'data'])
    expect(await readdir(`${lab.deployment}/.relay-backup/failed-${first.id}/1`)).toContain('new')
  })

  it('sets aside what has nothing to take its place', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const old = await treeOf(lab.data)
    const placement = await lab.stage(host, { absent: true })
    await using driver = await upTo(host, placement, 'startRest')
    await driver.commit(quiet())
    expect(await readdir(lab.deployment)).toEqual(['.relay-backup'])
    await rollbackRestore(host, { ...placement, signal: quiet() })
    expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
  })

  it('refuses a symlink as target, or on the way to it', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    await mkdir(join(lab.root, 'outside'))
    await symlink(join(lab.root, 'outside'), join(lab.deployment, 'link'))
    for (const target of ['link', 'link/data']) {
      const placement = await lab.stage(host, { unit: { target: join(lab.deployment, target) } })
      await using driver = await upTo(host, placement, 'start')
      expect(await driver.begin(quiet())).toMatchObject({
        ok: false,
        reason: expect.stringContaining('symlink'),
      })
    }
    expect(await readdir(join(lab.root, 'outside'))).toEqual([])
  })

  it('never writes through a symlink of the snapshot when it carries', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const outside = join(lab.root, 'outside')
    await mkdir(outside)
    const old = await treeOf(lab.data)
    const placement = await lab.stage(host, { carry: CARRY })
    const staged = String(placement.units[0]?.staged ?? '')
    await rm(join(staged, 'logs'), { recursive: true })
    await symlink(outside, join(staged, 'logs'))
    await using driver = await upTo(host, placement, 'swap')
    expect(await readdir(outside)).toEqual([])
    await driver.rollback()
    expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
  })

  it('undoes a swap that stopped half-way', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const old = await treeOf(lab.data)
    const placement = await lab.stage(host, { carry: CARRY })
    const other = join(lab.deployment, 'other')
    await mkdir(join(other, 'inside'), { recursive: true })
    const home = `${lab.deployment}/.relay-backup`
    const both: RestorePlacement = {
      ...placement,
      units: [
        ...placement.units,
        {
          kind: 'rename',
          target: join(other, 'inside'),
          staged: `${home}/restore-${placement.id}/data/none`,
          aside: `${home}/rollback-${placement.id}/2`,
        },
      ],
    }
    await using driver = await upTo(host, both, 'stop')
    expect(await driver.swap(quiet())).toMatchObject({
      ok: false,
      reason: expect.stringContaining('is not there'),
    })
    expect((await driver.rollback()).outcome).toBe('rolled-back')
    expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
    expect(await readdir(other)).toEqual(['inside'])
  })

  it('is stuck when the old data can not be put back, and goes on when it can', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    await using service = lab.service()
    await service.begin()
    const elsewhere = join(lab.root, 'elsewhere')
    await lab.mount(elsewhere)
    const target = join(elsewhere, 'data')
    await lab.makeOld(target)
    const old = await treeOf(target)
    const placement = await lab.stage(host, {
      home: `${elsewhere}/.relay-backup`,
      unit: { target },
      services: service.services,
    })
    await using driver = await upTo(host, placement, 'startData')
    await run('mount', ['-o', 'remount,ro', elsewhere])
    expect(await driver.rollback()).toMatchObject({
      outcome: 'stuck',
      reason: expect.stringContaining('Read-only file system'),
    })
    const list = await listJournals(host, {
      deployment: lab.deployment,
      privilege: undefined,
      signal: quiet(),
    })
    expect(list.journals).toMatchObject([{ state: 'undoing', stuck: expect.stringContaining('Read-only') }])
    await run('mount', ['-o', 'remount,rw', elsewhere])
    expect(await rollbackRestore(host, { ...placement, signal: quiet() })).toMatchObject({
      outcome: 'rolled-back',
    })
    expect(compareTrees(old, await treeOf(target))).toEqual([])
    expect(await service.runs()).toBe(true)
  })

  it('undoes on a file system without a free byte', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const small = join(lab.root, 'small')
    await lab.mount(small, '512k')
    const deployment = join(small, 'deployment')
    await mkdir(deployment)
    const target = join(deployment, 'data')
    await lab.makeOld(target)
    const old = await treeOf(target)
    const home = `${deployment}/.relay-backup`
    const staged = await lab.stage(host, { home, unit: { target } })
    await rm(`${lab.deployment}/.relay-backup`, { recursive: true })
    const placement = { ...staged, deployment }
    await using driver = await upTo(host, placement, 'startData')
    await run('sh', ['-c', `cat /dev/zero >'${small}/filler' 2>/dev/null || :`])
    expect((await driver.rollback()).outcome).toBe('rolled-back')
    expect(compareTrees(old, await treeOf(target))).toEqual([])
  })

  it('lets one restore into a deployment at a time, and takes over from a dead one', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const first = await lab.stage(host)
    await using driver = await upTo(host, first, 'begin')
    await expect(RestoreDriver.start(host, await lab.stage(host), quiet())).rejects.toThrow(LockedError)
    await expect(rollbackRestore(host, { ...first, signal: quiet() })).rejects.toThrow(LockedError)
    await expect(
      sweepStaging(host, { deployment: lab.deployment, privilege: undefined, signal: quiet() }),
    ).rejects.toThrow(LockedError)
    await driver.rollback()
    await mkdir(`${lab.deployment}/.relay-backup`, { recursive: true })
    await symlink('1.1.another-boot', `${lab.deployment}/.relay-backup/lock`)
    await using second = await upTo(host, await lab.stage(host), 'begin')
    expect((await second.rollback()).outcome).toBe('abandoned')
  })

  it('sweeps only what has no open journal', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const options = { deployment: lab.deployment, privilege: undefined, signal: quiet() }
    const left = await lab.stage(host)
    await mkdir(`${lab.deployment}/.relay-backup/rollback-of-somebody`)
    const { removed } = await sweepStaging(host, options)
    expect(removed).toEqual([`${lab.deployment}/.relay-backup/restore-${left.id}`])
    expect(await readdir(`${lab.deployment}/.relay-backup`)).toEqual(['rollback-of-somebody'])
  })

  it('keeps the new data when it was in place and only the commit is missing', async () => {
    await using lab = await RestoreLab.make(machine)
    const host = lab.host()
    await using service = lab.service()
    await service.begin()
    const placement = await lab.stage(host, { services: service.services })
    await upTo(host, placement, 'swap')
    await crash(host)
    const again = lab.host()
    await finishRestore(again, { ...placement, signal: quiet() })
    expect(await service.runs()).toBe(true)
    expect(await readFile(join(lab.data, 'new'), 'utf8')).toBe('new')
    const { journals } = await listJournals(again, { ...placement, signal: quiet() })
    expect(journals).toMatchObject([{ state: 'closed', how: 'done' }])
  })

  it('gives lines of sh their secrets as variables, and nothing else shows them', async () => {
    await using lab = await RestoreLab.make(machine)
    const host = lab.host()
    await using service = lab.service()
    await service.begin()
    const old = await treeOf(lab.data)
    const value = "planted 's3cret'\\ \n$(touch pwned)"
    const secrets = [{ name: 'APP_TOKEN', secret: new Secret(value) }]
    const knows = join(lab.root, 'knows')
    const stop = `printf %s "$APP_TOKEN" >'${knows}'; ${service.stop}`
    // The new data is refused, so that the undoing needs the secret once more.
    const start = `if test -e '${lab.data}/new'; then echo "no: $APP_TOKEN" >&2; exit 7; fi; test -n "$APP_TOKEN" && { ${service.start}; }`
    const status = `test -n "$APP_TOKEN" && ${service.status}`
    const services = { manager: 'command', stop, start, status, secrets } as const
    const placement = await lab.stage(host, { services })
    const said: string[] = []
    const scripts: string[] = []
    const seen = await seenSecret("planted 's3cret'", async () => {
      const driver = await upTo(host, placement, 'begin')
      scripts.push(...processesOf(host).map(({ pid }) => `/proc/${pid}/`))
      await driver.stop(quiet())
      expect(await readFile(knows, 'utf8')).toBe(value)
      await driver.swap(quiet())
      const started = await driver.startData(quiet())
      said.push(JSON.stringify(started))
      expect(started).toMatchObject({ ok: false, reason: 'exit status 7: no: [APP_TOKEN]' })
      await crash(host)
    })
    expect(seen.filter((path) => !path.endsWith('/environ'))).toEqual([])
    expect(seen.filter((path) => scripts.some((script) => path.startsWith(script)))).toEqual([])
    const again = lab.host()
    const { journals } = await listJournals(again, { ...placement, signal: quiet() })
    expect(journals).toMatchObject([{ serviceSecrets: ['APP_TOKEN'] }])
    const journal = await readFile(`${lab.deployment}/.relay-backup/restore-${placement.id}/journal`, 'utf8')
    expect(journal + said.join('\n')).not.toContain('planted')

    const options = { ...placement, signal: quiet() }
    await expect(rollbackRestore(again, options)).rejects.toThrow(
      'the secret of services:APP_TOKEN was not sent',
    )
    const undone = await rollbackRestore(again, { ...options, serviceSecrets: secrets })
    expect(undone).toMatchObject({ outcome: 'rolled-back' })
    expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
    expect(await service.runs()).toBe(true)
    await expect(run('grep', ['-r', 'planted', `${lab.deployment}/.relay-backup`])).rejects.toMatchObject({
      code: 1,
    })
  })

  it('does not undo a restore whose data a later one has replaced', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const placements = [await lab.stage(host), await lab.stage(host)]
    for (const placement of placements) {
      await using driver = await upTo(host, placement, 'swap')
      await driver.commit(quiet())
      // The journal counts seconds.
      await new Promise((resolve) => setTimeout(resolve, 1100))
    }
    const [first, second] = placements
    if (first === undefined || second === undefined) throw new Error('no placements')
    await expect(rollbackRestore(host, { ...first, signal: quiet() })).rejects.toThrow(
      'replaced the same data later',
    )
    await rollbackRestore(host, { ...second, signal: quiet() })
    expect(await rollbackRestore(host, { ...first, signal: quiet() })).toMatchObject({
      outcome: 'rolled-back',
    })
  })

  it('tells who still uses the data after the stop', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const user = execFile('sleep', ['1000'], { cwd: join(lab.data, 'logs') })
    try {
      const placement = await lab.stage(host)
      await using driver = await upTo(host, placement, 'begin')
      const stopped = await driver.stop(quiet())
      expect(stopped.users).toEqual([{ unit: 1, pid: user.pid, name: 'sleep' }])
    } finally {
      user.kill()
    }
  })

  it('looks again before it takes somebody who is about to end for a user', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    await using service = lab.service()
    await service.begin()
    const placement = await lab.stage(host, { services: service.services })
    await using driver = await upTo(host, placement, 'begin')
    execFile('sleep', ['1.5'], { cwd: join(lab.data, 'logs') })
    expect((await driver.stop(quiet())).users).toEqual([])
  })

  it('is not fooled by a directory of ours that is a symlink', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    await mkdir(join(lab.root, 'trap'))
    await symlink(join(lab.root, 'trap'), join(lab.deployment, '.relay-backup'))
    await expect(lab.stage(host)).rejects.toThrow('is not a directory')
    await writeFile(join(lab.root, 'trap', 'x'), '')
    await chmod(join(lab.root, 'trap'), 0o700)
    expect(await readdir(join(lab.root, 'trap'))).toEqual(['x'])
  })
})
