import { execFile, execFileSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { RestoreDriver, type RestorePlacement } from '../../src/restore/server/driver.ts'
import { findLateWrites, listJournals } from '../../src/restore/server/journals.ts'
import { rollbackRestore } from '../../src/restore/server/settle.ts'
import { compareTrees } from '../lab/hostile-tree.ts'
import type { LocalHost } from '../lab/local-host.ts'
import { MACHINES, quiet, RestoreLab, treeOf } from './restore-scripts-lab.ts'

async function swapped(
  host: LocalHost,
  placement: RestorePlacement,
  commit: boolean,
): Promise<RestoreDriver> {
  const driver = await RestoreDriver.start(host, placement, quiet())
  const steps = [
    'begin',
    'stop',
    'swap',
    'startData',
    'startRest',
    ...(commit ? (['commit'] as const) : []),
  ] as const
  for (const step of steps) expect(await driver[step](quiet()), step).toMatchObject({ ok: true })
  return driver
}

/** As files of a snapshot are: some finds know only the times of contents, in seconds. */
function makeOld(path: string): void {
  execFileSync('find', [path, '-exec', 'touch', '-h', '-d', '2020-01-01', '{}', '+'])
}

async function stage(lab: RestoreLab, host: LocalHost, options: Parameters<RestoreLab['stage']>[1]) {
  const placement = await lab.stage(host, options)
  for (const { staged } of placement.units) makeOld(String(staged))
  return placement
}

/** A process that works in the data, and writes to it. */
async function writerIn(data: string): Promise<ChildProcess & AsyncDisposable> {
  const child = execFile('sh', ['-c', 'echo new >late; echo ready; exec sleep 1000'], { cwd: data })
  await once(child.stdout!, 'data')
  return Object.assign(child, {
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill()
      await once(child, 'exit')
    },
  })
}

describe.each(MACHINES)('who uses what a rollback moves aside (%s)', (machine) => {
  it('keeps it from being undone, and then all runs as before', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    makeOld(lab.data)
    await using service = lab.service()
    await service.begin()
    const old = await treeOf(lab.data)
    const placement = await stage(lab, host, { services: service.services })
    await using _driver = await swapped(host, placement, true)
    const options = { ...placement, signal: quiet() }
    {
      await using writer = await writerIn(lab.data)
      await expect(rollbackRestore(host, options)).rejects.toThrow(
        `sleep (process ${writer.pid}) still uses what would be moved aside; stop it first`,
      )
    }
    expect(await service.runs()).toBe(true)
    expect(await readFile(join(lab.data, 'late'), 'utf8')).toBe('new\n')
    const [journal] = (await listJournals(host, options)).journals
    expect(journal).toMatchObject({ state: 'closed', how: 'done' })

    const undone = await rollbackRestore(host, options)
    expect(undone.outcome).toBe('rolled-back')
    expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
    const told = undone.notes.find((note) => note.startsWith(`written to ${lab.data} after the restore`))
    expect(told).toMatch(/: 1 file \(late\)$/)
    const [late] = await findLateWrites(host, { ...options, ids: [placement.id] })
    expect(late).toMatchObject({ id: placement.id, files: 1 })
    expect(await readFile(join(late?.path ?? '', 'late'), 'utf8')).toBe('new\n')
    expect(await service.runs()).toBe(true)
  })

  it('is told by one that a failure has begun, which loses no write', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    makeOld(lab.data)
    const old = await treeOf(lab.data)
    const placement = await stage(lab, host, {})
    await using driver = await swapped(host, placement, false)
    await using writer = await writerIn(lab.data)
    const undone = await driver.rollback()
    expect(undone.outcome).toBe('rolled-back')
    expect(undone.notes.join('\n')).toContain(`goes on in what is set aside: sleep (process ${writer.pid})`)
    expect(undone.notes.join('\n')).toMatch(
      /written to \S+ after the restore, and kept in (\S+): 1 file \(late\)/,
    )
    expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
    const options = { ...placement, signal: quiet() }
    const [late] = await findLateWrites(host, { ...options, ids: [] })
    expect(await readFile(join(late?.path ?? '', 'late'), 'utf8')).toBe('new\n')
  })

  it('is seen in what was set aside, too, when somebody goes on writing there', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    makeOld(lab.data)
    const placement = await stage(lab, host, {})
    await using _driver = await swapped(host, placement, true)
    const options = { ...placement, signal: quiet(), ids: [placement.id] }
    expect(await findLateWrites(host, options)).toEqual([])
    const aside = placement.units[0]?.aside ?? ''
    await writeFile(join(aside, 'goes on'), 'x')
    expect(await findLateWrites(host, options)).toMatchObject([{ files: 1, path: aside, names: 'goes on' }])
  })
})
