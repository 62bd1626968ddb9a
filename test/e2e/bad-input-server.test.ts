import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { busyboxTools } from '../lab/busybox.ts'
import type { RunningCli } from '../lab/cli.ts'
import { createUser, startSshd } from '../lab/sshd.ts'
import { mountTmpfs } from '../lab/tmpfs.ts'
import {
  expectCleanServer,
  expectClearFailure,
  expectGoodPull,
  vaultState,
  vaultTree,
} from '../lab/unharmed.ts'
import { startWorld, type World, type WorldConfig } from '../lab/world.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

const LOGS = { kind: 'files', path: 'logs' }
const BIG = { kind: 'files', path: 'big' }

let world: World
let config: WorldConfig
let before: Awaited<ReturnType<typeof vaultState>>
beforeAll(async () => {
  world = await startWorld()
  world.config.hosts['prod']!.sources = { logs: LOGS }
  config = structuredClone(world.config)
  await world.writeConfig()
  await expectGoodPull(world)
  before = await vaultState(world)
  // The unprivileged user has to get through to the deployment.
  await chmod(dirname(dirname(world.deployment)), 0o755)
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(() => restoreConfig())

async function restoreConfig(): Promise<void> {
  Object.assign(world.config, structuredClone(config))
  await world.writeConfig()
}

/** Pulls with the host's config changed. */
async function pullWith(change: Record<string, unknown>, ...args: string[]) {
  Object.assign(world.config.hosts['prod']!, change)
  await world.writeConfig()
  return world.cli('pull', 'prod', ...args)
}

/** Nothing came, nothing went, and what is undone on the server is undone. */
async function expectUnharmed(): Promise<void> {
  expect(vaultTree(world)).toEqual(before.tree)
  await expectCleanServer(world)
}

/** The complete snapshots from before are as they were (rotation may take others); what was added is whole. */
async function expectOnlyAdded(): Promise<void> {
  const tree = vaultTree(world)
  for (const [file, hash] of before.tree) {
    const id = /^prod\/(\d{8}T\d{6}Z)\//.exec(file)?.[1]
    if (id !== undefined && before.complete.has(id)) expect(tree.get(file)).toBe(hash)
  }
  expect((await world.cli('verify', '--all')).code).toBe(0)
  await expectCleanServer(world)
  before = await vaultState(world)
}

/** Starts a pull of `big` that is slow enough to be hit, and waits until its bytes flow. */
async function startBig(...args: string[]): Promise<RunningCli> {
  const big = join(world.deployment, 'big')
  await mkdir(big, { recursive: true })
  for (let file = 0; file < 24; file += 1) await writeFile(join(big, `${file}`), randomBytes(1_000_000))
  world.config.hosts['prod']!.sources = { logs: LOGS, big: BIG }
  await world.writeConfig()
  const run = world.start('pull', 'prod', '--bandwidth', '4MiB/s', ...args)
  const flows = () => {
    const partial = execFileSync('find', [
      world.vault,
      '-path',
      '*.partial-*',
      '-name',
      'big.tar*',
      '-size',
      '+64k',
    ])
    return partial.length > 0 || run.child.exitCode !== null
  }
  while (!flows()) await sleep(50)
  expect(run.child.exitCode).toBe(null)
  return run
}

describe('a path', () => {
  test('that is not there: what is there is listed', async () => {
    const result = await pullWith({ sources: { logs: LOGS, gone: { kind: 'files', path: 'lgos' } } })
    expectClearFailure(result, {
      code: 3,
      says: /gone +failed\n +lgos does not exist on the server; \S+\/app has .*logs/,
      next: /Correct the source's path/,
    })
    expect(result.stdout).not.toContain('.relay-backup')
    await expectOnlyAdded()
  })

  test('that is not there, and nothing else asked for, is told once and exits 1', async () => {
    const result = await pullWith({ sources: { gone: { kind: 'files', path: 'lgos' } } })
    expectClearFailure(result, { code: 1, says: /lgos does not exist/, next: /Correct the source's path/ })
    expect(result.stdout.match(/lgos does not exist/g)).toHaveLength(1)
    await expectUnharmed()
  })

  test('of the deployment that is not there', async () => {
    const result = await pullWith({ deployment: `${world.deployment}x` })
    expectClearFailure(result, {
      code: 1,
      says: /there is no directory \S+appx/,
      next: /hosts\.prod\.deployment/,
    })
    await expectUnharmed()
  })

  test('that we may not read: says who we are and whose it is', async () => {
    await using user = await createUser()
    const logs = join(world.deployment, 'logs')
    await chmod(logs, 0o700)
    const ssh = { ...config.hosts['prod']!.ssh, user: user.name }
    const files = { kind: 'files', path: '.env' }
    const result = await pullWith({ ssh, sources: { logs: LOGS, files } })
    const next = new RegExp(`Set \`sudo: true\` .*connect as uid 0, or give ${user.name} read access`)
    expectClearFailure(result, { code: 1, says: new RegExp(`\\.env can't be read by uid ${user.uid}`), next })
    expect(result.stdout).toMatch(new RegExp(`logs can't be read by uid ${user.uid} .*belongs to uid 0`))
    await chmod(logs, 0o755)
    await expectUnharmed()
  })
})

test('a server without tar is told what to install', async () => {
  const path = await busyboxTools(join(world.home, 'no-tar'), { without: ['tar'] })
  await using sshd = await startSshd({ path })
  const { port, identityFile, knownHosts } = sshd
  const ssh = { ...config.hosts['prod']!.ssh, port, identityFile, knownHosts }
  const result = await pullWith({ ssh })
  expectClearFailure(result, { code: 1, says: /The server has no tar/, next: /apt-get install tar/ })
  await expectUnharmed()
})

test('a full disk of the vault fails the run and leaves nothing half written', async () => {
  await using small = await mountTmpfs(join(world.home, 'small'), '1m')
  await writeFile(join(world.deployment, 'logs', 'large.log'), randomBytes(3_000_000))
  const vault = join(small.path, 'vault')
  world.config['vault'] = vault
  const result = await pullWith({})
  expectClearFailure(result, {
    code: 1,
    says: /disk full: .*small\/vault.* \(the vault\) has 0 B free/,
    next: /Free some space/,
  })
  await rm(join(world.deployment, 'logs', 'large.log'))
  expect(execFileSync('find', [vault, '-name', '*.gpg']).toString()).toBe('')
  expect((await world.cli('pull', 'prod')).code).toBe(0)
  expect((await world.cli('verify', '--all')).code).toBe(0)
  await expectUnharmed()
})

test("a full disk of the server does not keep its data from being pulled, and the next pull isn't locked out", async () => {
  await using small = await mountTmpfs(join(world.home, 'server-disk'), '1m')
  const deployment = join(small.path, 'app')
  await mkdir(join(deployment, 'logs'), { recursive: true })
  await writeFile(join(deployment, 'logs', 'app.log'), 'the last words')
  await writeFile(join(deployment, 'filler'), Buffer.alloc(2_000_000)).catch(() => undefined)
  for (const _ of ['first', 'second']) {
    const result = await pullWith({ deployment })
    expect(result.stdout + result.stderr).not.toMatch(/failed/)
    expect(result.code).toBe(0)
    expect(execFileSync('find', [small.path, '-name', '.relay-backup*']).toString()).toBe('')
  }
  await expectOnlyAdded()
})

describe('while a source streams', () => {
  test('it vanishes: the source fails, the others stay', async () => {
    const run = await startBig()
    await rm(join(world.deployment, 'big'), { recursive: true })
    expectClearFailure(await run.result, {
      code: 3,
      says: /big vanished while it was read/,
      next: /moved or removed/,
    })
    await restoreConfig()
    await expectOnlyAdded()
  })

  test('the connection is cut: that is what is told', async () => {
    // Alone: another source might have come through before.
    const run = await startBig('--source', 'big')
    await world.sshd.killSessions()
    const result = await run.result
    expectClearFailure(result, {
      code: 1,
      says: /big +failed\n +The connection was lost/,
      next: /Check the network/,
    })
    expect(result.stdout + result.stderr).not.toContain('zstd')
    await expectOnlyAdded()
    await restoreConfig()
    await expectGoodPull(world)
    before = await vaultState(world)
  })

  test('another run finds it locked, here and on the server', async () => {
    const run = await startBig()
    // It holds its locks while the others look, however long these take.
    run.child.kill('SIGSTOP')
    const locked = {
      code: 5,
      says: /prod is locked by relay-backup pull \(process \d+/,
      next: /Wait until that run/,
    }
    expectClearFailure(await world.cli('pull', 'prod'), locked)
    const json = await world.cli('pull', 'prod', '--json')
    expect(json.code).toBe(5)
    expect(JSON.parse(json.stdout)).toMatchObject({
      hosts: [{ outcome: 'locked', error: { code: 'locked' } }],
    })
    world.config['vault'] = join(world.home, 'other-vault')
    const elsewhere = { code: 5, says: /app is locked by \S+ \(pid \d+\)/, next: /Wait until that run/ }
    expectClearFailure(await pullWith({}), elsewhere)
    await restoreConfig()
    run.child.kill('SIGCONT')
    expect((await run.result).code).toBe(0)
    await expectOnlyAdded()
  })

  test('Ctrl-C ends it in order', async () => {
    const run = await startBig()
    run.child.kill('SIGINT')
    expectClearFailure(await run.result, { code: 130, says: /prod: interrupted/, next: /run it again/ })
    expect(execFileSync('find', [world.vault, '-name', '.partial-*']).toString()).toBe('')
    await expectUnharmed()
  })

  test('Ctrl-C twice ends it at once, and the next run cleans up', async () => {
    const run = await startBig('--json')
    run.child.kill('SIGINT')
    run.child.kill('SIGTERM')
    const result = await run.result
    expect(result.code).toBe(130)
    expect(result.stdout).toContain('"interrupted"')
    expect(() => JSON.parse(result.stdout) as unknown).not.toThrow()
    await expectUnharmed()
    await restoreConfig()
    await expectGoodPull(world)
  })
})
