import { createHash, randomBytes } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openVault } from '../../src/vault/open-vault.ts'
import type { CliResult, RunningCli } from '../lab/cli.ts'
import { cutAt, phasesOfWhole } from '../lab/cuts.ts'
import { random, rounds, share, soaking, tally } from '../lab/soak.ts'
import { startWorld, type World } from '../lab/world.ts'

/** The lease goes at end of file; this is for a loaded machine. ms */
const UNDONE_WITHIN = 20_000

let world: World
/** How long an undisturbed pull takes. ms */
let whole: number
/** What it tells meanwhile. */
let phases: readonly string[]

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
  phases = await phasesOfWhole(world.start('pull', 'prod', '--json'))
  whole = performance.now() - started
})
afterAll(() => world[Symbol.asyncDispose]())

async function pulled(): Promise<void> {
  const result = await world.cli('pull', 'prod', '--quiet')
  expect(result.code, result.stderr).toBe(0)
}

interface Said {
  readonly ids: readonly string[]
  readonly problems: readonly string[]
}

/** What the vault says of itself: its complete snapshots, oldest first, and what is wrong. */
async function vaultSays(): Promise<Said> {
  const vault = await openVault(world.vault)
  const [snapshots, problems] = [
    await vault.snapshots('prod'),
    await vault.check('prod', { hashes: true, signal: AbortSignal.timeout(60_000) }),
  ]
  // A crash right before the ledger's line leaves a directory that the next run takes in.
  const bad = problems.filter(({ code }) => code !== 'unknown-snapshot')
  expect(bad).toEqual([])
  return { ids: snapshots.filter(({ manifest }) => manifest.complete).map(({ id }) => id), problems: [] }
}

/** The same as a user hears it. */
async function saidByTheCommands(): Promise<void> {
  const [list, verify] = [await world.cli('list', '--json'), await world.cli('verify', '--all')]
  expect(list.code, list.stderr).toBe(0)
  expect(verify.code, verify.stdout + verify.stderr).toBe(0)
  const { ids } = await vaultSays()
  expect([...new Set(list.stdout.match(/\d{8}T\d{6}Z/g))].sort()).toEqual(ids)
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
function expectNothingLost(before: Said, after: Said): void {
  const added = after.ids.filter((id) => !before.ids.includes(id))
  if (added.length === 0) expect(after).toEqual(before)
  expect(added.length).toBeLessThanOrEqual(1)
  // Rotation may have gone on to its end when the new one was there.
  const lost = before.ids.filter((id) => !after.ids.includes(id))
  expect(lost.length).toBeLessThanOrEqual(added.length)
  expect(lost).toEqual(before.ids.slice(0, lost.length))
}

/** Starts a pull and cuts it at each of these phases, then at random moments; what was is still there each time. */
async function cutPulls(
  at: readonly string[],
  moments: number,
  cut: (running: RunningCli) => unknown,
  look: (result: CliResult, before: Said, after: Said) => void,
): Promise<void> {
  const server = await serverFiles()
  const next = random('pull')
  let before = await vaultSays()
  let seen = 0
  const cuts: readonly (string | number)[] = [...at, ...Array.from({ length: moments }, () => next() * whole)]
  for (const place of cuts) {
    const running = world.start('pull', 'prod', '--json')
    if (typeof place === 'number') await sleep(place).then(() => cut(running))
    else await cutAt(running, place, () => cut(running))
    const result = await running.result
    if (result.code !== 0) seen += 1
    const after = await vaultSays()
    look(result, before, after)
    await serverIsAsBefore(server)
    before = after
  }
  // The last phases may be over before the cut arrives: in a few, that may be most.
  if (soaking) expect(seen).toBeGreaterThan(cuts.length / 3)
  tally('cut pulls', cuts.length)
}

describe('a pull that is cut off leaves everything as it was', () => {
  test('when the client is killed', async () => {
    const kill = ({ child }: RunningCli) => child.kill('SIGKILL')
    await cutPulls(share(phases, 2), rounds(2, 60), kill, (_, before, after) =>
      expectNothingLost(before, after),
    )
    const before = await vaultSays()
    await pulled()
    expect((await vaultSays()).ids.at(-1)).not.toBe(before.ids.at(-1))
    const left = await readdir(join(world.vault, 'prod'))
    expect(left.filter((name) => name.startsWith('.partial') || name.startsWith('.removing'))).toEqual([])
    await saidByTheCommands()
  })

  test("when the session's sshd is killed", async () => {
    await cutPulls(
      share(phases, 2),
      rounds(1, 30),
      () => world.sshd.killSessions(),
      (result, before, after) => {
        // Cut off: nothing was done, or what was done before is kept as done in part.
        if (result.code === 0) return
        expect([1, 3]).toContain(result.code)
        expect(result.stdout + result.stderr).toMatch(/"next":|Next:/)
        if (result.code === 1) expect(after).toEqual(before)
      },
    )
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
