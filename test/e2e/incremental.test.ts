import { appendFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { cutAt, phasesOfWhole } from '../lab/cuts.ts'
import { everySecond, share, soaking, tally } from '../lab/soak.ts'
import { treeOf } from '../lab/tree-of.ts'
import { startWorld, type World } from '../lab/world.ts'

everySecond()

let world: World
beforeEach(async () => {
  world = await startWorld()
  const { data } = world.config.hosts['prod']!.sources
  world.config.hosts['prod']!.sources = { data: data! }
  await world.writeConfig()
  await mkdir(at('logs'))
  await writeFile(at('logs/app.log'), Buffer.alloc(200_000, 'x'))
  await writeFile(at('ballast'), Buffer.alloc(3_000_000, 'b'))
  // What is younger than two seconds when it is listed is sent again, and this much of it would make a full.
  await sleep(2500)
})
afterEach(() => world[Symbol.asyncDispose]())

function at(name: string): string {
  return join(world.deployment, 'data', name)
}

interface Source {
  readonly mode: string
  readonly parents: readonly string[]
}

async function pulled(...more: string[]): Promise<{ readonly id: string; readonly source: Source }> {
  const result = await world.cli('pull', 'prod', '--quiet', '--json', ...more)
  expect(result.code, result.stderr).toBe(0)
  const id = (await world.snapshots()).at(-1) ?? ''
  const [source] = (await world.manifest(id))['sources'] as [Source]
  return { id, source }
}

function treeNow(): Promise<Map<string, string>> {
  return treeOf(world.deployment)
}

/** A day in the life of a deployment. */
async function live(day: number): Promise<void> {
  await appendFile(at('logs/app.log'), `day ${day}\n`)
  await writeFile(at(`of day ${day} \n`), String(day))
  await rm(at(`of day ${day - 2} \n`), { force: true })
  await writeFile(at('plain'), String(day))
  if (day % 5 === 0) await symlink(`to ${day}`, at(`link-${day}`))
  if (day % 7 === 0) await rename(at('logs/app.log'), at('logs/app.log.1'))
}

describe('a chain of pulls', () => {
  test('restores at any link, in whole and in part, with a missing parent by name, and opens by hand after 30', async () => {
    const trees: Map<string, string>[] = []
    const ids: string[] = []
    const modes: string[] = []
    for (let day = 0; day <= 30; day += 1) {
      await live(day)
      const { id, source } = await pulled('--no-rotate')
      trees.push(await treeNow())
      ids.push(id)
      modes.push(source.mode)
    }
    expect(modes).toEqual(['full', ...Array<string>(30).fill('incremental')])
    expect((await pulled('--no-rotate')).source.mode).toBe('full')

    const out = join(world.home, 'by-hand')
    await mkdir(out)
    await world.extract(ids[30]!, out)
    expect(await treeOf(out)).toEqual(trees[30])

    for (const n of [16, 30]) {
      await rm(at('logs'), { recursive: true })
      const restored = await world.cli('restore', `prod/${ids[n]}`, '--host', 'prod', '--yes', '--no-safety')
      expect(restored.code, restored.stderr + restored.stdout).toBe(0)
      expect(await treeNow()).toEqual(trees[n])
    }

    const verified = await world.cli('verify', '--all')
    expect(verified.code, verified.stdout).toBe(0)
    await rm(join(world.vault, 'prod', ids[0]!, 'data.tar.zst.gpg'))
    const before = await treeNow()
    const refused = await world.cli('restore', `prod/${ids[30]}`, '--host', 'prod', '--yes', '--no-safety')
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain(`prod/${ids[0]}: data.tar.zst.gpg: The file is gone`)
    expect(await treeNow()).toEqual(before)
    // What needs nothing of it comes back all the same.
    const part = ['--path', 'data:data/plain', '--no-safety']
    await rm(at('plain'))
    const partly = await world.cli('restore', `prod/${ids[30]}`, '--host', 'prod', '--yes', ...part)
    expect(partly.code, partly.stderr + partly.stdout).toBe(0)
    expect(await readFile(at('plain'), 'utf8')).toBe('30')
    const damaged = await world.cli('verify', `prod/${ids[30]}`)
    expect(damaged.code).toBe(4)
    expect(damaged.stdout).toContain(
      `prod/${ids[30]}: data needs ${ids[0]}/data.tar.zst.gpg: The file is gone`,
    )
  })

  test('goes on after key rotate, and comes back with the new key alone', async () => {
    await pulled()
    await appendFile(at('logs/app.log'), 'before\n')
    expect((await pulled()).source.mode).toBe('incremental')
    const keys = join(world.home, 'other')
    const made = await world.cli('key', 'generate', '--out', keys, '--no-passphrase')
    expect(made.code, made.stderr).toBe(0)
    world.config.encryption = {
      recipients: [join(keys, 'backup.pub.asc')],
      identity: world.config.encryption.identity ?? '',
    }
    await world.writeConfig()
    const rotated = await world.cli('key', 'rotate', '--yes')
    expect(rotated.code, rotated.stderr + rotated.stdout).toBe(0)
    world.config.encryption.identity = join(keys, 'backup.key.asc')
    await world.writeConfig()
    await appendFile(at('logs/app.log'), 'after\n')
    const { id, source } = await pulled()
    expect(source.mode).toBe('incremental')
    const tree = await treeNow()
    await rm(at('logs'), { recursive: true })
    const restored = await world.cli('restore', `prod/${id}`, '--host', 'prod', '--yes', '--no-safety')
    expect(restored.code, restored.stderr + restored.stdout).toBe(0)
    expect(await treeNow()).toEqual(tree)
    expect((await world.cli('verify', '--all')).code).toBe(0)
  })

  test('what retention drops is hidden and kept as long as it is needed', async () => {
    world.config.retention = { last: 2 }
    await world.writeConfig()
    const ids: string[] = []
    for (let day = 0; day < 4; day += 1) {
      await live(day)
      ids.push((await pulled()).id)
    }
    const list = await world.cli('list')
    expect(list.stdout.match(/prod\/\w+/g)).toEqual(ids.slice(2).map((id) => `prod/${id}`))
    const dry = await world.cli('prune', '--dry-run')
    expect(dry.stdout).toMatch(new RegExp(`${ids[0]}.*retire.*needed by ${ids[2]} and 1 more`))
    const kept = await world.snapshots()
    expect((await world.cli('prune')).code).toBe(0)
    expect(await world.snapshots()).toEqual(kept)
    await pulled('--full')
    await pulled('--full')
    expect(await world.snapshots()).toHaveLength(2)
  })

  test('a pull that is killed at any moment costs nothing that was there', async () => {
    await pulled()
    await live(1)
    const phases = await phasesOfWhole(world.start('pull', 'prod', '--json'))
    const all = share(phases, 2)
    let cut = 0
    for (const [round, place] of all.entries()) {
      await live(round + 2)
      const before = await world.snapshots()
      const running = world.start('pull', 'prod', '--json', '--no-rotate')
      await cutAt(running, place, () => running.child.kill('SIGKILL'))
      if ((await running.result).code === 137) cut += 1
      const verified = await world.cli('verify', '--all')
      // A crash right before the ledger's line leaves a directory that the next run takes in.
      if (verified.code !== 0) expect(verified.stdout).toContain('The ledger does not know this directory')
      expect((await world.snapshots()).slice(0, before.length)).toEqual(before)
    }
    if (soaking) expect(cut).toBeGreaterThan(all.length / 3)
    tally('cut incremental pulls', all.length)
    const { id, source } = await pulled('--no-rotate')
    expect(source.mode).toBe('incremental')
    const tree = await treeNow()
    const verified = await world.cli('verify', '--all')
    expect(verified.code, verified.stdout).toBe(0)
    await rm(at('logs'), { recursive: true })
    const restored = await world.cli('restore', `prod/${id}`, '--host', 'prod', '--yes', '--no-safety')
    expect(restored.code, restored.stderr + restored.stdout).toBe(0)
    expect(await treeNow()).toEqual(tree)
  })
})
