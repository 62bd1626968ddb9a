import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { RestoreDriver } from '../../src/restore/server/driver.ts'
import type { RestorePlacement } from '../../src/restore/server/driver.ts'
import { listJournals, sweepStaging } from '../../src/restore/server/journals.ts'
import { rollbackRestore } from '../../src/restore/server/settle.ts'
import { compareTrees } from '../lab/hostile-tree.ts'
import type { LocalHost } from '../lab/local-host.ts'
import { share, tally } from '../lab/soak.ts'
import { crash, MACHINES, processesOf, quiet, RestoreLab, treeOf } from './restore-scripts-lab.ts'
import type { Running } from './restore-scripts-lab.ts'

const STEPS = ['begin', 'stop', 'swap', 'startData', 'startRest'] as const

/** A whole restore; ends early, without an error, when the server's side is gone. */
async function restoreAll(host: LocalHost, placement: RestorePlacement): Promise<void> {
  try {
    await using driver = await RestoreDriver.start(host, placement, quiet())
    for (const step of STEPS) {
      const result = await driver[step](quiet())
      if (!result.ok) throw new Error(`${step}: ${result.reason}`)
    }
    await driver.commit(quiet())
  } catch (error) {
    if ((error as { code?: string }).code !== 'connection-lost') throw error
  }
}

/** The journal's lines by now. */
async function linesOf(journal: string): Promise<number> {
  return (await readFile(journal, 'latin1').catch(() => '')).split('\n').length - 1
}

/** Halts the server as soon as the journal has this many lines. */
async function crashAt(host: LocalHost, journal: string, lines: number, ended: () => boolean): Promise<void> {
  let known: readonly Running[] = []
  for (;;) {
    const now = await linesOf(journal)
    if (now >= lines || ended()) break
    if (now > 0 && known.length === 0) known = processesOf(host)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await crash(host, known)
}

describe.concurrent.each(MACHINES)('a server with %s that goes down in a restore', (machine) => {
  it.each(['rename', 'children'] as const)(
    'is settled to the old or the new tree, whole (%s)',
    async (kind) => {
      await using lab = await RestoreLab.make(machine)
      await using service = lab.service()
      const target = kind === 'children' ? join(lab.root, 'mounted') : lab.data
      if (kind === 'children') {
        await lab.mount(target)
        await lab.makeOld(target)
      }
      const home = kind === 'children' ? `${target}/.relay-backup` : `${lab.deployment}/.relay-backup`
      const seen = new Set<string>()
      // The first goes through, and says how many lines there are to be cut at.
      const points = [0]
      for (const point of points) {
        await service[Symbol.asyncDispose]()
        await service.begin()
        const host = lab.host()
        const placement = await lab.stage(host, {
          home,
          unit: { kind, target },
          carry: { member: 'data', patterns: ['*.tmp', 'cache'] },
          services: service.services,
        })
        const journal = `${lab.deployment}/.relay-backup/restore-${placement.id}/journal`
        const old = await treeOf(target)
        let ended = false
        const restoring = restoreAll(host, placement).finally(() => (ended = true))
        if (point === 0) {
          await restoring
          const lines = Array.from({ length: await linesOf(journal) }, (_, at) => at + 1)
          points.push(...share(lines, 8))
          tally(`restores cut at a line of the journal (${kind})`, points.length - 1)
        } else {
          await crashAt(host, journal, point, () => ended)
          await restoring
        }
        const after = lab.host()
        const options = { deployment: lab.deployment, privilege: undefined, signal: quiet() }
        const open = (await listJournals(after, options)).journals.filter(({ state }) => state !== 'closed')
        for (const { id, state } of open) {
          seen.add(state)
          expect(id).toBe(placement.id)
          // The undoing goes down too, now and then.
          if (point % 3 === 0) {
            const dying = lab.host()
            const undoing = rollbackRestore(dying, { ...placement, signal: quiet() }).catch(() => {})
            await new Promise((resolve) => setTimeout(resolve, point * 40))
            await crash(dying)
            await undoing
          }
          // One that had stopped nothing leaves no journal.
          const left = (await listJournals(after, options)).journals.some((journal) => journal.id === id)
          if (!left) continue
          expect(await rollbackRestore(after, { ...placement, signal: quiet() })).not.toMatchObject({
            outcome: 'stuck',
          })
        }
        const { journals } = await listJournals(after, options)
        const found = journals.find(({ id }) => id === placement.id)
        if (found?.how === 'done') {
          expect(await readFile(join(target, 'both'), 'utf8')).toBe('the new one')
          expect(await readFile(join(target, 'cache/one'), 'utf8')).toBe('cached')
          await rollbackRestore(after, { ...placement, signal: quiet() })
        }
        expect(compareTrees(old, await treeOf(target)), `point ${point}, ${found?.state}`).toEqual([])
        expect(await service.runs()).toBe(true)
        await sweepStaging(after, { ...options, homes: [home] })
      }
      // Else nothing was tried.
      expect(seen.size).toBeGreaterThan(2)
    },
  )

  it('abandons a journal that was just opened', async () => {
    await using lab = await RestoreLab.make(machine)
    const host = lab.host()
    const placement = await lab.stage(host)
    const driver = await RestoreDriver.start(host, placement, quiet())
    await driver.begin(quiet())
    await crash(host)
    expect(await rollbackRestore(lab.host(), { ...placement, signal: quiet() })).toMatchObject({
      outcome: 'abandoned',
    })
    expect(await readdir(lab.deployment)).toEqual(['data'])
  })

  it('ignores a line of the journal that was cut off', async () => {
    await using lab = await RestoreLab.make(machine)
    const host = lab.host()
    const old = await treeOf(lab.data)
    const placement = await lab.stage(host)
    const driver = await RestoreDriver.start(host, placement, quiet())
    for (const step of ['begin', 'stop', 'swap'] as const) await driver[step](quiet())
    await crash(host)
    const journal = `${lab.deployment}/.relay-backup/restore-${placement.id}/journal`
    await writeFile(journal, 'closed\tdo', { flag: 'a' })
    expect(await rollbackRestore(lab.host(), { ...placement, signal: quiet() })).toMatchObject({
      outcome: 'rolled-back',
    })
    expect(compareTrees(old, await treeOf(lab.data))).toEqual([])
  })
})
