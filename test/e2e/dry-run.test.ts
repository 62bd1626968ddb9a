import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openVault } from '../../src/vault/open-vault.ts'
import { treeListing } from '../lab/command-services.ts'
import { mountTmpfs } from '../lab/tmpfs.ts'
import { expectClearFailure } from '../lab/unharmed.ts'
import { startWorld, type World, type WorldConfig } from '../lab/world.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

let world: World
let config: WorldConfig
beforeAll(async () => {
  world = await startWorld()
  const { prod } = world.config.hosts
  delete prod!.sources['redis_data']
  world.config.hosts['new'] = { ...prod!, deployment: join(dirname(world.deployment), 'new') }
  config = structuredClone(world.config)
  await world.writeConfig()
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr).toBe(0)
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(async () => {
  Object.assign(world.config, structuredClone(config))
  await world.writeConfig()
})

/** What lies on the server and in the vault. That damage was found is remembered, also by a look. */
async function everything(): Promise<unknown> {
  const vault = await readdir(world.vault, { recursive: true })
  return [treeListing(world.deployment), vault.filter((name) => !name.endsWith('/damage.jsonl'))]
}

/** The dry run says what the run says, ends as it does, and changes nothing. */
async function expectSameEnd(
  args: readonly string[],
  expected: { readonly code: number; readonly says: RegExp; readonly next: RegExp },
): Promise<void> {
  const before = await everything()
  const dry = await world.cli(...args, '--dry-run')
  expectClearFailure(dry, expected)
  expect(await everything()).toEqual(before)
  const run = await world.cli(...args, ...(['pull', 'prune'].includes(args[0] ?? '') ? [] : ['--yes']))
  expectClearFailure(run, expected)
}

describe('a dry run ends as the run would, when', () => {
  test('a pull lacks a source: in part', async () => {
    world.config.hosts['prod']!.sources['gone'] = { kind: 'files', path: 'not-there' }
    await world.writeConfig()
    await expectSameEnd(['pull', 'prod'], { code: 3, says: /not-there does not exist/, next: /Correct/ })
  })

  test('a pull lacks one path of a source: in part', async () => {
    world.config.hosts['prod']!.sources = { config: { kind: 'files', paths: ['.env', 'not-there'] } }
    await world.writeConfig()
    const dry = await world.cli('pull', 'prod', '--dry-run')
    expect(dry.code).toBe(3)
    expect(dry.stdout).toMatch(/1 path of the source not there: not-there/)
    expect((await world.cli('pull', 'prod')).code).toBe(3)
  })

  test('a pull is not due', async () => {
    expect((await world.cli('pull', 'prod')).code).toBe(0)
    const before = await everything()
    const dry = await world.cli('pull', 'prod', '--if-older-than', '1h', '--dry-run')
    expect(dry.code).toBe(0)
    expect(dry.stdout).toMatch(/^prod: would be skipped, the last snapshot was made .* ago$/m)
    expect(await everything()).toEqual(before)
    const due = await world.cli('pull', 'prod', '--if-older-than', '0s', '--dry-run')
    expect(due.stdout).toContain('prod: would capture')
  })

  test('another run works on the host', async () => {
    const locked = { code: 5, says: /prod is locked by relay-backup test \(process/, next: /Wait until/ }
    const vault = await openVault(world.vault, { command: 'relay-backup test' })
    await using _lock = await vault.lock('prod')
    for (const args of [
      ['pull', 'prod'],
      ['restore', '--host', 'prod'],
      ['migrate', 'prod', 'new'],
      ['prune', 'prod'],
    ])
      await expectSameEnd(args, locked)
  })

  test('another run works on its server', async () => {
    const home = join(world.deployment, '.relay-backup')
    await mkdir(home, { mode: 0o700 })
    const started = (await readFile('/proc/self/stat', 'utf8')).replace(/.*\) /s, '').split(' ')[19]
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
    await symlink(`${process.pid}.${started}.${boot}`, join(home, 'lock'))
    await writeFile(join(home, 'lock-note'), '1 somebody@elsewhere (pid 7)\n')
    try {
      const says = /locked by somebody@elsewhere \(pid 7\) since 1970/
      await expectSameEnd(['pull', 'prod'], { code: 5, says, next: /Wait until/ })
      const works = { code: 5, says: /another run works/, next: /Wait until/ }
      await expectSameEnd(['restore', '--host', 'prod'], works)
      await expectSameEnd(['migrate', 'prod', 'new'], works)
    } finally {
      await rm(home, { recursive: true })
    }
  })

  test('a pull lacks every source', async () => {
    world.config.hosts['prod']!.sources = { gone: { kind: 'files', path: 'not-there' } }
    await world.writeConfig()
    await expectSameEnd(['pull', 'prod'], { code: 1, says: /not-there does not exist/, next: /Correct/ })
  })

  test('one host of several is not there, and the other is told all the same', async () => {
    await expectSameEnd(['pull', '--all'], {
      code: 3,
      says: /no directory \S+new/,
      next: /Correct hosts.new/,
    })
    expect((await world.cli('pull', '--all', '--dry-run')).stdout).toContain('prod: would capture')
  })

  test('the vault has no room left', async () => {
    await using disk = await mountTmpfs(join(world.home, 'small'), '64k')
    world.config.vault = join(disk.path, 'vault')
    await world.writeConfig()
    await writeFile(join(disk.path, 'ballast'), Buffer.alloc(65_536))
    await expectSameEnd(['pull', 'prod'], {
      code: 1,
      says: /disk full: .*has 0 B free/,
      next: /Free some space/,
    })
  })

  test('a Redis wants a password that is not configured', async () => {
    const { prod } = world.config.hosts
    await world.redis.cli('config', 'set', 'requirepass', 'secret')
    prod!.sources['redis_data'] = {
      kind: 'redis',
      path: 'redis_data',
      address: `127.0.0.1:${world.redis.port}`,
    }
    await world.writeConfig()
    try {
      await expectSameEnd(['pull', 'prod'], { code: 3, says: /password/, next: /password/ })
      const migrated = await world.cli('migrate', 'prod', 'new', '--dry-run')
      expectClearFailure(migrated, {
        code: 1,
        says: /failed: redis_data of prod can't be captured/,
        next: /./,
      })
    } finally {
      await world.redis.cli('-a', 'secret', 'config', 'set', 'requirepass', '')
    }
  })

  test('a restore is refused', async () => {
    world.config.hosts['new']!.sources = { data: { kind: 'files', path: '/proc/self/x' } }
    await world.writeConfig()
    const args = ['restore', '--host', 'new', '--from', 'prod', '--source', 'data']
    await expectSameEnd(args, { code: 1, says: /can't be replaced/, next: /./ })
    const told = await world.cli(...args, '--dry-run', '--json')
    const events = told.stderr.split('\n').filter((line) => line.includes('"host-failed"'))
    expect(events.map((line) => JSON.parse(line) as unknown)).toMatchObject([{ host: 'new', ends: true }])
    const quiet = await world.cli(...args, '--yes', '--quiet')
    expect(`${quiet.stdout}${quiet.stderr}`.match(/can't be replaced/g)).toHaveLength(1)
  })

  test('an archive is damaged', async () => {
    const [id = ''] = await world.snapshots()
    const directory = join(world.vault, 'prod', id)
    const name = (await readdir(directory)).find((file) => file.startsWith('data.tar')) ?? ''
    const good = await readFile(join(directory, name))
    const bad = Buffer.from(good)
    bad[100] = (bad[100] ?? 0) ^ 1
    await writeFile(join(directory, name), bad)
    try {
      const args = ['restore', `prod/${id}`, '--host', 'new']
      await expectSameEnd(args, { code: 1, says: /data\.tar.* content is not what/, next: /list prod/ })
    } finally {
      await writeFile(join(directory, name), good)
    }
  })

  test('a migration is refused', async () => {
    const { deployment } = world.config.hosts['new']!
    await mkdir(join(deployment, 'data'), { recursive: true })
    await writeFile(join(deployment, 'data', 'own'), 'own')
    await expectSameEnd(['migrate', 'prod', 'new'], { code: 1, says: /new is not empty/, next: /--replace/ })
    await rm(deployment, { recursive: true })
  })
})
