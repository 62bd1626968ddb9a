import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type CommandServices,
  redisKeys,
  redisNow,
  redisServes,
  shutDownRedis,
  treeListing,
  useCommandServices,
} from '../lab/command-services.ts'
import { runCli } from '../lab/cli.ts'
import { everySecond } from '../lab/soak.ts'
import { createUser } from '../lab/sshd.ts'
import { mountTmpfs } from '../lab/tmpfs.ts'
import { expectClearFailure } from '../lab/unharmed.ts'
import { discardAll } from '../lab/discard.ts'
import { startWorld, type World, type WorldConfig } from '../lab/world.ts'

everySecond()

let world: World
let config: WorldConfig
/** The snapshot that is restored, as an argument. */
let snapshot: string
beforeAll(async () => {
  world = await startWorld()
  await useCommandServices(world)
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr).toBe(0)
  snapshot = `prod/${(await world.snapshots())[0] ?? ''}`
  world.config.retention = { last: 100 }
  config = structuredClone(world.config)
  await chmod(dirname(dirname(world.deployment)), 0o755)
  // What is there now is not what the snapshot has.
  await writeFile(join(world.deployment, 'data', 'since'), 'since')
  redisNow(world, 'set', 'since', 'now')
})
afterAll(async () => {
  shutDownRedis(world)
  await world[Symbol.asyncDispose]()
})
beforeEach(async () => {
  Object.assign(world.config, structuredClone(config))
  await world.writeConfig()
})

const restore = (...args: string[]) => world.cli('restore', snapshot, '--host', 'prod', '--yes', ...args)
const rollback = (...args: string[]) => world.cli('rollback', '--host', 'prod', '--yes', ...args)

function services(): CommandServices {
  return world.config.hosts['prod']!['services'] as CommandServices
}

/** The files, the keys and the process that serves them; our own directory is left out. */
function server() {
  const info = redisNow(world, 'info', 'server')
  return {
    files: treeListing(world.deployment)
      .split('\n')
      // The deployment's own time changes when ours is made in it.
      .filter((line) => !line.startsWith('.relay-backup') && !line.startsWith('|'))
      .join('\n'),
    keys: redisKeys(world),
    run: /run_id:(\w+)/.exec(info)?.[1],
  }
}

/** A restore is refused before the stop: the very same process of Redis serves the very same data. */
async function expectRefused(
  expected: { readonly code?: number; readonly says: RegExp; readonly next: RegExp },
  ...args: string[]
): Promise<void> {
  const before = server()
  const result = await restore(...args)
  expectClearFailure(result, { code: 1, ...expected })
  expect(result.stdout + result.stderr).not.toContain('stopping services')
  expect(server()).toEqual(before)
  const open = execFileSync('find', [world.deployment, '-path', '*/.relay-backup/restore-*'])
  expect(open.toString()).toBe('')
}

/** A restore fails behind the stop: the old data is back and a Redis serves it. */
async function expectRolledBack(
  expected: { readonly says: RegExp; readonly next: RegExp },
  ...args: string[]
): Promise<void> {
  const before = server()
  const result = await restore(...args)
  expectClearFailure(result, { code: 1, ...expected })
  expect(result.stdout).toContain('rolled back')
  expect({ ...server(), run: before.run }).toEqual(before)
}

async function expectGood(...args: string[]): Promise<void> {
  const result = await restore(...args)
  expect(result.code, result.stdout + result.stderr).toBe(0)
}

/** Undoes the last restore and lets nothing of it lie about. */
async function undoAll(): Promise<void> {
  const undone = await rollback()
  expect(undone.code, undone.stdout + undone.stderr).toBe(0)
  await discardAll(world.cli)
}

describe('an identity', () => {
  const makeIdentity = async (name: string, passphrase: string) => {
    const home = join(world.home, `gnupg-${name}`)
    await mkdir(home, { mode: 0o700 })
    const gpg = (...args: string[]) =>
      execFileSync(
        'gpg',
        [
          '--homedir',
          home,
          '--batch',
          '--quiet',
          '--pinentry-mode',
          'loopback',
          '--passphrase',
          passphrase,
        ].concat(args),
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
      )
    gpg('--quick-generate-key', name, 'ed25519', 'cert,sign', 'never')
    const fingerprint = /^fpr:+([0-9A-F]+):/m.exec(gpg('--list-keys', '--with-colons'))?.[1] ?? ''
    gpg('--quick-add-key', fingerprint, 'cv25519', 'encr', 'never')
    const file = join(world.home, `${name}.key.asc`)
    await writeFile(file, gpg('--armor', '--export-secret-keys'), { mode: 0o600 })
    execFileSync('gpgconf', ['--homedir', home, '--kill', 'all'])
    return file
  }

  test('that is another one does not open the archives', async () => {
    world.config.encryption['identity'] = await makeIdentity('other', '')
    await world.writeConfig()
    await expectRefused({ says: /other\.key\.asc does not open this archive/, next: /./ })
  })

  test('with another passphrase stays locked', async () => {
    const wrong = join(world.home, 'wrong.txt')
    await writeFile(wrong, 'wrong-passphrase\n', { mode: 0o600 })
    world.config.encryption['identity'] = await makeIdentity('locked', 'right')
    world.config.encryption['identityPassphrase'] = { file: wrong }
    await world.writeConfig()
    await expectRefused({ says: /passphrase/, next: /./ })
  })

  test('that is not on this machine', async () => {
    world.config.encryption['identity'] = join(world.home, 'nowhere.asc')
    await world.writeConfig()
    await expectRefused({ says: /nowhere\.asc/, next: /./ })
  })
})

describe('a snapshot', () => {
  const files = () => join(world.vault, snapshot)

  test.each(['data.tar', 'data.index', 'redis_data'])('with a flipped bit in %s is refused', async (name) => {
    const found = (await readdir(files())).find((file) => file.startsWith(name)) ?? ''
    const path = join(files(), found)
    const bytes = await readFile(path)
    try {
      for (const at of [10, Math.floor(bytes.length / 2)]) {
        const flipped = Buffer.from(bytes)
        flipped[at] = (flipped[at] ?? 0) ^ 4
        await writeFile(path, flipped)
        await expectRefused({
          says: new RegExp(`${found}: The content is not what was written`),
          next: /list prod/,
        })
      }
    } finally {
      await writeFile(path, bytes)
    }
  })

  test.each(['data.tar', 'data.index'])('without its %s is refused', async (name) => {
    const found = (await readdir(files())).find((file) => file.startsWith(name)) ?? ''
    const aside = join(world.home, 'aside')
    await rename(join(files(), found), aside)
    try {
      await expectRefused({ says: new RegExp(`${found}: The file is gone`), next: /list prod/ })
    } finally {
      await rename(aside, join(files(), found))
    }
  })

  test('that is damaged elsewhere still gives the sources that are whole', async () => {
    const found = (await readdir(files())).find((file) => file.startsWith('logs.tar')) ?? ''
    const bytes = await readFile(join(files(), found))
    await writeFile(join(files(), found), Buffer.alloc(bytes.length))
    try {
      await expectGood('--source', 'data')
      await undoAll()
    } finally {
      await writeFile(join(files(), found), bytes)
    }
  })

  test('of another host whose sources are of other kinds is refused', async () => {
    world.config.hosts['prod']!.sources['data'] = {
      kind: 'redis',
      path: 'data',
      address: `127.0.0.1:${world.redis.port}`,
    }
    await world.writeConfig()
    await expectRefused({ says: /files in the snapshot and redis on prod/, next: /sources\.data/ })
  })

  test('that is not there, a source and a path that it does not have', async () => {
    const before = server()
    const missing = await world.cli('restore', 'prod/20200101T000000Z', '--host', 'prod', '--yes')
    expectClearFailure(missing, { code: 2, says: /no snapshot/, next: /list prod/ })
    await expectRefused({ code: 2, says: /no source nosuch/, next: /data/ }, '--source', 'nosuch')
    await expectRefused({ code: 2, says: /nosuch/, next: /./ }, '--path', 'data:data/nosuch')
    expect(server()).toEqual(before)
  })
})

describe('a target', () => {
  const data = () => join(world.deployment, 'data')
  const onlyData = ['--source', 'data']

  test('that is a symbolic link is refused', async () => {
    const real = join(world.home, 'real')
    await rename(data(), real)
    await symlink(real, data())
    const before = treeListing(real)
    try {
      await expectRefused({ says: /symbolic link/, next: /points to/ }, ...onlyData)
      expect(treeListing(real)).toBe(before)
    } finally {
      await rm(data())
      await rename(real, data())
    }
  })

  test('without space is refused', async () => {
    const big = join(world.deployment, 'big')
    await mkdir(big)
    await writeFile(join(big, 'noise'), randomBytes(4_000_000))
    world.config.hosts['prod']!.sources = { big: { kind: 'files', path: 'big' } }
    await world.writeConfig()
    const pulled = await world.cli('pull', 'prod')
    expect(pulled.code, pulled.stderr).toBe(0)
    await rm(big, { recursive: true })
    await using small = await mountTmpfs(join(world.home, 'small'), '2m')
    world.config.hosts['small'] = { ...world.config.hosts['prod']!, deployment: small.path }
    await world.writeConfig()
    const before = server()
    const result = await world.cli('restore', 'prod/latest', '--host', 'small', '--yes')
    expectClearFailure(result, { code: 1, says: /are free on the target/, next: /Free space/ })
    expect(await readdir(small.path)).toEqual([])
    expect(server()).toEqual(before)
  })

  test('that is a mount point has its children moved, and rollback moves them back', async () => {
    await rename(data(), join(world.home, 'real'))
    {
      await using mounted = await mountTmpfs(data(), '4m')
      await writeFile(join(mounted.path, 'on the mount'), 'old')
      await mkdir(join(mounted.path, 'sub'), { mode: 0o711 })
      await chmod(mounted.path, 0o751)
      const before = treeListing(mounted.path)
      await expectGood(...onlyData)
      expect(await readdir(mounted.path)).toEqual(['.relay-backup', 'data.bin'])
      const undone = await rollback()
      expect(undone.code, undone.stdout + undone.stderr).toBe(0)
      const discarded = await rollback('--discard')
      expect(discarded.code, discarded.stdout + discarded.stderr).toBe(0)
      expect(treeListing(mounted.path)).toBe(before)
    }
    await rename(join(world.home, 'real'), data())
  })

  test('on another file system than .relay-backup is replaced there, and rollback brings it back', async () => {
    const volume = join(world.deployment, 'volume')
    {
      await using mounted = await mountTmpfs(volume, '4m')
      await mkdir(join(volume, 'data'), { mode: 0o700 })
      await writeFile(join(volume, 'data', 'old'), 'old')
      world.config.hosts['prod']!.sources['data'] = { kind: 'files', path: 'volume/data' }
      await world.writeConfig()
      const before = treeListing(join(mounted.path, 'data'))
      await expectGood(...onlyData)
      expect(await readdir(join(volume, 'data'))).toEqual(['data.bin'])
      expect((await readdir(join(volume, '.relay-backup'))).join()).toMatch(/rollback-/)
      await undoAll()
      expect(treeListing(join(mounted.path, 'data'))).toBe(before)
      expect(await readdir(volume)).toEqual(['data'])
    }
  })

  test('named by --target takes the one source, and the others stay', async () => {
    const elsewhere = join(world.deployment, 'elsewhere')
    world.config.hosts['prod']!.sources['elsewhere'] = { kind: 'files', path: 'elsewhere' }
    await world.writeConfig()
    const usage = await restore('--target', 'elsewhere')
    expectClearFailure(usage, { code: 2, says: /--target/, next: /--source/ })
    const before = server()
    await expectGood(...onlyData, '--target', 'elsewhere')
    expect(await readdir(elsewhere)).toEqual(['data.bin'])
    expect(await readdir(data())).toContain('since')
    await undoAll()
    expect({ ...server(), run: before.run }).toEqual(before)
  })

  test('of a user without sudo: what is lost is said before the restore begins', async () => {
    await using user = await createUser()
    const app = join(user.home, 'app')
    await mkdir(join(app, 'data'), { recursive: true })
    await writeFile(join(app, 'data', 'old'), 'old')
    execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, app])
    world.config.hosts['plain'] = {
      ssh: { ...world.config.hosts['prod']!.ssh, user: user.name },
      deployment: app,
      services: { manager: 'none' },
      sources: { data: { kind: 'files', path: 'data' } },
    }
    await world.writeConfig()
    const args = ['restore', snapshot, '--host', 'plain', ...onlyData]
    const dry = await world.cli(...args, '--dry-run')
    expect(dry.code, dry.stderr).toBe(0)
    expect(dry.stdout).toMatch(/warning: without root all files will belong to .*\n +Next: .*sudo: true/)
    const result = await world.cli(...args, '--yes')
    expect(result.code, result.stdout + result.stderr).toBe(0)
    const { stderr } = result
    expect(stderr.indexOf('without root')).toBeGreaterThan(-1)
    expect(stderr.indexOf('without root')).toBeLessThan(stderr.indexOf('unpacking'))
    expect(execFileSync('stat', ['-c', '%u', join(app, 'data', 'data.bin')]).toString()).toBe(`${user.uid}\n`)

    // Where even the directory is somebody else's, nothing begins.
    execFileSync('chown', ['root:root', app])
    await chmod(app, 0o755)
    const refused = await world.cli(...args, '--yes')
    expectClearFailure(refused, { code: 1, says: /not writable|can't be replaced/, next: /sudo: true/ })
    expect(await readdir(join(app, 'data'))).toEqual(['data.bin'])
  })
})

describe('services', () => {
  test('whose stop fails: nothing was replaced, and they run as before', async () => {
    services().stop = 'echo no permission to stop >&2; exit 7'
    await world.writeConfig()
    const before = server()
    const result = await restore()
    expectClearFailure(result, { code: 1, says: /no permission to stop/, next: /./ })
    expect(server()).toEqual(before)
    await rollback('--discard')
  })

  test('that start and die at once are a failure, and the old data is back', async () => {
    const good = services().start
    // The new data kills it a moment later; the old data does not.
    services().start = `${good}; test -e ${world.deployment}/data/since || { (sleep 1; redis-cli -p ${world.redis.port} shutdown nosave) >/dev/null 2>&1 & }`
    await world.writeConfig()
    await expectRolledBack({ says: /not running any more/, next: /./ })
    await rollback('--discard')
  })

  test('that never become healthy: rolled back', async () => {
    let asked = 0
    const http = createServer((_request, response) => {
      asked += 1
      response.writeHead(503).end()
    }).listen(0, '127.0.0.1')
    await once(http, 'listening')
    const { port } = http.address() as AddressInfo
    Object.assign(services(), { health: { url: `http://127.0.0.1:${port}/health`, timeout: '3s' } })
    await world.writeConfig()
    try {
      await expectRolledBack({ says: /health check failed: .*\/health answers 503/, next: /logs/ })
    } finally {
      http.close()
    }
    expect(asked).toBeGreaterThan(1)
    await rollback('--discard')
  })

  test('stay stopped with --no-start', async () => {
    const before = server()
    await expectGood('--no-start')
    expect(redisServes(world)).toBe(false)
    expect(await readdir(join(world.deployment, 'data'))).toEqual(['data.bin'])
    await undoAll()
    // What did not run before stays stopped, and is not waited for.
    const again = await restore()
    expect(again.code, again.stdout + again.stderr).toBe(0)
    expect(again.stdout).toContain('its service did not run before')
    await undoAll()
    expect(redisServes(world)).toBe(false)
    execFileSync('sh', ['-c', services().start])
    expect({ ...server(), run: before.run }).toEqual(before)
  })
})

test('--no-safety takes no safety snapshot', async () => {
  const before = await world.snapshots()
  await expectGood('--no-safety')
  expect(await world.snapshots()).toEqual(before)
  await undoAll()
})

test('rollback with nothing to roll back says so', async () => {
  const before = server()
  await discardAll(world.cli)
  const result = await rollback()
  expect(result.code).toBe(0)
  expect(result.stdout).toContain('no restore to roll back')
  const named = await rollback('--restore', '20200101T000000Z')
  expectClearFailure(named, { code: 2, says: /no restore 20200101T000000Z/, next: /./ })
  const discarded = await rollback('--discard')
  expect(discarded.code).toBe(0)
  expect(discarded.stdout).toContain('nothing was set aside')
  expect(server()).toEqual(before)
})

test('while a restore runs no other begins, from here or from another workstation', async () => {
  const elsewhere = join(dirname(world.home), 'elsewhere')
  execFileSync('cp', ['-a', world.home, elsewhere])
  const before = server()
  services().stop = `sleep 8; ${services().stop}`
  await world.writeConfig()
  const first = world.start('restore', snapshot, '--host', 'prod', '--yes')
  while (!first.stderr().includes('stopping services')) {
    expect(first.child.exitCode, first.stderr()).toBeNull()
    await sleep(20)
  }
  const here = await restore()
  const there = await runCli(['restore', snapshot, '--host', 'prod', '--yes'], { cwd: elsewhere })
  const undo = await runCli(['rollback', '--host', 'prod', '--yes'], { cwd: elsewhere })
  expect(server()).toEqual(before)
  const { code, stdout, stderr } = await first.result
  expect(code, stdout + stderr).toBe(0)
  expectClearFailure(here, { code: 5, says: /./, next: /./ })
  expectClearFailure(there, { code: 5, says: /another run works|A restore runs/, next: /Wait/ })
  expectClearFailure(undo, { code: 5, says: /still runs/, next: /Wait/ })
  await undoAll()
  expect({ ...server(), run: before.run }).toEqual(before)
  await rm(elsewhere, { recursive: true })
})
