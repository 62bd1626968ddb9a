import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { UsageReport } from '../../src/model/usage-report.ts'
import { treeListing } from '../lab/command-services.ts'
import { startWorld, type World, type WorldConfig } from '../lab/world.ts'

let world: World
let config: WorldConfig
beforeAll(async () => {
  world = await startWorld()
  await world.redis.cli('config', 'set', 'save', '3600 1')
  config = structuredClone(world.config)
  await world.writeConfig()
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(async () => {
  Object.assign(world.config, structuredClone(config))
  await world.writeConfig()
})

interface Told {
  readonly ok: boolean
  readonly checks: readonly {
    readonly check: string
    readonly host?: string
    readonly source?: string
    readonly outcome: string
    readonly message: string
    readonly next?: string
  }[]
}

/** The checks that are not ok, `outcome host check source: message → next`, and the exit code. */
async function troubles(...args: string[]): Promise<{ readonly code: number; readonly lines: string[] }> {
  const { code, stdout } = await world.cli('check', ...args, '--json')
  const { checks } = JSON.parse(stdout) as Told
  const lines = checks
    .filter(({ outcome }) => outcome !== 'ok')
    .map(({ outcome, host = 'here', check, source = '', message, next = '' }) =>
      `${outcome} ${host} ${check} ${source}: ${message} → ${next}`.replace(' :', ':'),
    )
  return { code, lines }
}

test('before the first pull only warnings are told, and nothing is changed anywhere', async () => {
  const here = await readdir(world.home)
  const before = treeListing(world.deployment)
  const { code, lines } = await troubles()
  expect(code).toBe(0)
  expect(lines).toEqual([
    expect.stringMatching(/^warning here keys: The identity lies unencrypted/),
    expect.stringMatching(/^warning here keys: No copy of the identity was exported/),
    'warning prod backup: there is no complete backup yet → Make the first with: relay-backup pull prod',
  ])
  expect(treeListing(world.deployment)).toEqual(before)
  expect((await readdir(world.home)).filter((name) => name !== 'state')).toEqual(
    here.filter((name) => name !== 'state'),
  )
})

test('after a pull every check is ok, in a line each, and --quiet says nothing', async () => {
  world.config.hosts['prod']!['services'] = { manager: 'none', health: undefined }
  delete world.config.encryption['identity']
  await world.writeConfig()
  expect((await world.cli('pull', 'prod', '--quiet')).code).toBe(0)
  const vault = treeListing(world.vault)
  const told = await world.cli('check', 'prod')
  expect(told.code, told.stdout).toBe(0)
  expect(told.stdout).toMatch(/^ {2}ok {7}connection +Debian.*as root \(uid 0\)/m)
  expect(told.stdout).toMatch(/^ {2}ok {7}source redis_data +redis_data, as rdb, from Redis at/m)
  expect(told.stdout).toMatch(/^ {2}ok {7}backup +prod\/\d{8}T\d{6}Z, /m)
  expect(told.stdout).toMatch(/^ {2}ok {7}clock /m)
  expect(told.stdout).toMatch(/^ {2}ok {7}health redis_data +.*of memory/m)
  expect(told.stdout).toMatch(/^ {2}warning {2}keys +the config names no identity: this machine can back up/m)
  expect(told.stdout).toContain('\n\n15 checks: 1 warning\n')
  expect(treeListing(world.vault)).toEqual(vault)
  const quiet = await world.cli('check', '--quiet')
  expect(quiet.stdout).toMatch(
    /^warning: keys: the config names no identity.*Next: Where it is to restore.*\n$/,
  )
})

test('usage: what lies there, what the vault holds of it; a server that is not reached has only that', async () => {
  const told = await world.cli('usage', 'prod')
  expect(told.code, told.stderr).toBe(0)
  expect(told.stdout).toMatch(/^logs +\d\S* \w+ +\d\S* \w+ +\d\S* \w+ +-$/m)
  expect(told.stdout).toMatch(/^server: .* free$/m)
  expect(told.stdout).toMatch(/^vault: .* free$/m)
  world.config.hosts['prod']!.ssh.port = 1
  await world.writeConfig()
  const { code, stdout } = await world.cli('usage', '--json')
  expect(code).toBe(1)
  const [prod] = (JSON.parse(stdout) as UsageReport).hosts
  expect(prod).toMatchObject({ error: { message: expect.stringMatching(/Nothing listens/) as string } })
  expect(prod?.sources.find(({ source }) => source === 'logs')?.stored).toBeGreaterThan(0)
})

describe('trouble is told with the next step, and costs nothing else its check:', () => {
  test('a host that refuses the login, one that is not there, and a good one', async () => {
    const { prod } = world.config.hosts
    world.config.hosts = {
      gone: { ...prod!, ssh: { ...prod!.ssh, port: 1 } },
      stranger: { ...prod!, ssh: { ...prod!.ssh, knownHosts: join(world.home, 'nobody') } },
      prod: prod!,
    }
    await world.writeConfig()
    const { code, lines } = await troubles()
    expect(code).toBe(4)
    expect(lines).toContainEqual(expect.stringMatching(/^failed gone connection: Nothing listens at/))
    expect(lines).toContainEqual(expect.stringMatching(/^failed stranger connection: .*hosts trust stranger/))
    expect(lines.filter((line) => line.includes(' prod '))).toEqual([])
  })

  test('sources: a path that is gone, a Redis that wants a password', async () => {
    const { prod } = world.config.hosts
    prod!.sources['gone'] = { kind: 'files', path: 'not-there' }
    await world.writeConfig()
    await world.redis.cli('config', 'set', 'requirepass', 'hidden')
    try {
      const { code, lines } = await troubles('prod')
      expect(code).toBe(4)
      expect(lines).toContainEqual(
        expect.stringMatching(/^failed prod source gone: .*not-there does not exist/),
      )
      expect(lines).toContainEqual(expect.stringMatching(/^failed prod source redis_data: .*password.* → \S/))
      expect(lines.filter((line) => line.includes('source'))).toHaveLength(2)
    } finally {
      await world.redis.cli('-a', 'hidden', 'config', 'set', 'requirepass', '')
    }
  })

  test('secrets: a file that others may read, a variable that is not set, and no value is shown', async () => {
    const { prod } = world.config.hosts
    const file = join(world.home, 'open-secret')
    await writeFile(file, 'planted-secret\n', { mode: 0o644 })
    await chmod(file, 0o644)
    prod!.sources['redis_data']!['password'] = { env: 'NOT_SET_AT_ALL' }
    prod!.ssh['password'] = { file }
    await world.writeConfig()
    const { code, lines } = await troubles('prod')
    expect(code).toBe(4)
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^failed here secrets: hosts\.prod\.ssh\.password: .*can be read by others.*chmod 600/,
      ),
    )
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^failed here secrets: hosts\.prod\.sources\.redis_data\.password: .*NOT_SET_AT_ALL/,
      ),
    )
    expect(lines.join()).not.toContain('planted-secret')
  })

  test('keys that are gone, and a vault that others may write to', async () => {
    world.config.encryption['recipients'] = ['gone.pub.asc']
    await world.writeConfig()
    await chmod(world.vault, 0o777)
    try {
      const { code, lines } = await troubles('prod')
      expect(code).toBe(4)
      expect(lines).toContainEqual(
        expect.stringMatching(/^failed here keys: .*gone\.pub\.asc does not exist/),
      )
      expect(lines).toContainEqual(
        expect.stringMatching(/^warning here vault: .*written to by every user.*chmod/),
      )
    } finally {
      await chmod(world.vault, 0o700)
    }
  })

  test('a vault in a synced folder', async () => {
    world.config.vault = join(world.home, 'Dropbox', 'vault')
    await world.writeConfig()
    await mkdir(join(world.home, 'Dropbox'))
    const { lines } = await troubles('prod')
    expect(lines).toContainEqual(expect.stringMatching(/^warning here vault: Dropbox syncs .*→ Set `vault`/))
    await rm(join(world.home, 'Dropbox'), { recursive: true })
  })

  test('services that are not answering, a restore that is not settled', async () => {
    world.config.hosts['prod']!['services'] = {
      manager: 'none',
      health: { url: 'http://127.0.0.1:1/health', timeout: '1s' },
    }
    await world.writeConfig()
    const journal = join(world.deployment, '.relay-backup', 'restore-20260101T000000Z')
    await mkdir(journal, { recursive: true })
    await writeFile(join(journal, 'journal'), 'begun\n')
    try {
      const { code, lines } = await troubles('prod')
      expect(code).toBe(4)
      expect(lines).toContainEqual(expect.stringMatching(/^warning prod services: the health check is red/))
      expect(lines).toContainEqual(
        expect.stringMatching(/^failed prod leftovers: a restore is not settled: .*rollback --host prod/),
      )
    } finally {
      await rm(join(world.deployment, '.relay-backup'), { recursive: true })
    }
  })

  test('a config that is wrong: each problem with its line', async () => {
    await writeFile(join(world.home, 'hosts.yaml'), 'version: 1\nvalut: x\n')
    const { code, lines } = await troubles()
    expect(code).toBe(4)
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^failed here config: \S+hosts\.yaml:2:1: valut: unknown key → Did you mean "vault"/,
      ),
    )
  })

  test('a host that the config does not have is wrong usage', async () => {
    expect((await world.cli('check', 'prodd')).code).toBe(2)
  })
})
