import { createHash, randomBytes } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunningCli } from '../lab/cli.ts'
import { startWorld, type World } from '../lab/world.ts'

/** The lease goes at end of file; this is for a loaded machine. ms */
const UNDONE_WITHIN = 20_000

let world: World
/** How long an undisturbed pull takes. ms */
let whole: number

beforeAll(async () => {
  world = await startWorld({ redis: { args: ['--appendonly', 'yes', '--enable-debug-command', 'yes'] } })
  world.config.hosts['prod']!.sources['redis_data']!['capture'] = 'aof'
  world.config.retention = { last: 3 }
  await world.writeConfig()
  await world.redis.cli('debug', 'populate', '20000', 'key', '100')
  await world.redis.cli('set', 'noise', randomBytes(1024 ** 2))
  await world.redis.cli('config', 'set', 'auto-aof-rewrite-percentage', '73')
  await pulled()
  const started = performance.now()
  await pulled()
  whole = performance.now() - started
})
afterAll(() => world[Symbol.asyncDispose]())

async function pulled(): Promise<void> {
  const result = await world.cli('pull', 'prod', '--quiet')
  expect(result.code, result.stderr).toBe(0)
}

/** What the vault says of itself, as a user hears it. */
async function vaultSays(): Promise<{ readonly ids: readonly string[]; readonly verify: string }> {
  const [list, verify] = [await world.cli('list', '--json'), await world.cli('verify', '--all')]
  expect(list.code, list.stderr).toBe(0)
  expect(verify.code, verify.stdout + verify.stderr).toBe(0)
  return { ids: [...new Set(list.stdout.match(/prod\/\d{8}T\d{6}Z/g))].sort(), verify: verify.stdout }
}

/** The deployment's files by name, without what Redis itself is writing. */
async function serverFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  const entries = await readdir(world.deployment, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    const hash = entry.isFile()
      ? createHash('sha256')
          .update(await readFile(path))
          .digest('hex')
      : ''
    files.set(path, hash)
  }
  return files
}

async function rewritePercentage(): Promise<string> {
  return (await world.redis.cli('config', 'get', 'auto-aof-rewrite-percentage')).split('\n')[1] ?? ''
}

/** Starts a slow pull and returns it when Redis has its setting changed. */
async function whileSettingIsChanged(): Promise<RunningCli> {
  const running = world.start('pull', 'prod', '--quiet', '--source', 'redis_data', '--bandwidth', '100KiB/s')
  while ((await rewritePercentage()) !== '0') {
    expect(running.child.exitCode, running.stderr()).toBeNull()
    await sleep(10)
  }
  return running
}

/** Waits until the server is as it was before the pull that was cut off. */
async function serverIsAsBefore(before: ReadonlyMap<string, string>): Promise<void> {
  const until = performance.now() + UNDONE_WITHIN
  for (;;) {
    const [percentage, files] = [await rewritePercentage(), await serverFiles().catch(() => undefined)]
    const same = files !== undefined && percentage === '73' && sameFiles(before, files)
    if (same) return
    if (performance.now() > until) {
      expect(percentage).toBe('73')
      expect(files).toEqual(before)
    }
    await sleep(100)
  }
}

function sameFiles(left: ReadonlyMap<string, string>, right: ReadonlyMap<string, string>): boolean {
  return left.size === right.size && [...left].every(([name, hash]) => right.get(name) === hash)
}

/** After a cut the vault holds what it held, or a whole new snapshot besides. */
function expectNothingLost(
  before: { readonly ids: readonly string[]; readonly verify: string },
  after: { readonly ids: readonly string[]; readonly verify: string },
): void {
  const added = after.ids.filter((id) => !before.ids.includes(id))
  if (added.length === 0) expect(after).toEqual(before)
  expect(added.length).toBeLessThanOrEqual(1)
  // Rotation may have gone on to its end when the new one was there.
  const lost = before.ids.filter((id) => !after.ids.includes(id))
  expect(lost.length).toBeLessThanOrEqual(added.length)
  expect(lost).toEqual(before.ids.slice(0, lost.length))
}

describe('a pull that is cut off at a random moment leaves everything as it was', () => {
  test('when the client is killed', async () => {
    let before = await vaultSays()
    const server = await serverFiles()
    let cut = 0
    for (let round = 0; round < 30; round += 1) {
      const running = world.start('pull', 'prod', '--quiet')
      await sleep(((round + Math.random()) / 30) * whole)
      running.child.kill('SIGKILL')
      if ((await running.result).code === 137) cut += 1
      const after = await vaultSays()
      expectNothingLost(before, after)
      await serverIsAsBefore(server)
      before = after
    }
    expect(cut).toBeGreaterThan(20)
    await pulled()
    const after = await vaultSays()
    expect(after.ids.at(-1)).not.toBe(before.ids.at(-1))
    const left = await readdir(join(world.vault, 'prod'))
    expect(left.filter((name) => name.startsWith('.partial') || name.startsWith('.removing'))).toEqual([])
  })

  test("when the session's sshd is killed", async () => {
    let before = await vaultSays()
    const server = await serverFiles()
    let cut = 0
    for (let round = 0; round < 10; round += 1) {
      const running = world.start('pull', 'prod', '--quiet')
      await sleep(((round + Math.random()) / 10) * whole)
      await world.sshd.killSessions()
      const { code, stdout, stderr } = await running.result
      // Cut off: nothing was done, or what was done before is kept as done in part.
      if (code !== 0) {
        cut += 1
        expect([1, 3]).toContain(code)
        expect(stdout + stderr).toContain('Next:')
      }
      const after = await vaultSays()
      if (code === 1) expect(after).toEqual(before)
      await serverIsAsBefore(server)
      before = after
    }
    expect(cut).toBeGreaterThan(3)
    await pulled()
  })
})

describe('while a setting of Redis is changed', () => {
  test.each(['the client', "the session's sshd"])(
    '%s is killed, and the setting is put back',
    async (who) => {
      const server = await serverFiles()
      const before = await vaultSays()
      const running = await whileSettingIsChanged()
      if (who === 'the client') running.child.kill('SIGKILL')
      else await world.sshd.killSessions()
      expect((await running.result).code).not.toBe(0)
      await serverIsAsBefore(server)
      expect(await vaultSays()).toEqual(before)
      await pulled()
    },
  )
})
