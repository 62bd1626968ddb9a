import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { redisNow } from '../lab/command-services.ts'
import { startWorld, type World } from '../lab/world.ts'

// Redis is stopped and started by lines of sh, as the manager `command` does it; the server itself is the lab's.
async function commandServices(world: World): Promise<void> {
  const pidFile = join(world.home, 'redis.pid')
  const log = join(world.home, 'redis.log')
  const start = `redis-server --port ${world.redis.port} --bind 127.0.0.1 --dir ${world.deployment}/redis_data --save "" --daemonize yes --pidfile ${pidFile} --logfile ${log}`
  world.config.hosts['prod']!['services'] = {
    manager: 'command',
    stop: `redis-cli -p ${world.redis.port} shutdown nosave || true`,
    start,
    status: `redis-cli -p ${world.redis.port} ping`,
  }
  await world.writeConfig()
}

let world: World
let copy: string
beforeAll(async () => {
  world = await startWorld()
  await commandServices(world)
  const odd = join(world.deployment, 'data', 'odd')
  await mkdir(odd, { mode: 0o750 })
  await writeFile(join(odd, 'setuid'), 'x', { mode: 0o4755 })
  execFileSync('chmod', ['4755', join(odd, 'setuid')])
  execFileSync('chown', ['1234:2345', join(odd, 'setuid')])
  execFileSync('ln', [join(odd, 'setuid'), join(odd, 'hard')])
  execFileSync('ln', ['-s', '../dangling', join(odd, 'link')])
  await utimes(join(odd, 'setuid'), 1_600_000_000.123456, 1_600_000_000.123456)
  await writeFile(Buffer.concat([Buffer.from(`${odd}/`), Buffer.from([0x66, 0xff, 0x0a, 0x67])]), 'bytes')
  copy = await mkdtemp(join(tmpdir(), 'restore-copy-'))
  execFileSync('cp', ['-a', `${world.deployment}/.`, copy])
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr).toBe(0)
})
afterAll(async () => {
  try {
    redisNow(world, 'shutdown', 'nosave')
  } catch {
    // It was stopped already.
  }
  await rm(copy, { recursive: true, force: true })
  await world[Symbol.asyncDispose]()
})

/** Names, types, modes, owners, times and link targets of a tree, sorted. */
function listing(root: string): string {
  return execFileSync('sh', [
    '-c',
    'cd "$1" && find . -printf "%P|%y|%m|%U|%G|%T@|%l|%n\\n" | sort',
    'sh',
    root,
  ]).toString()
}

describe('restore', () => {
  test('without a terminal needs --yes, and --dry-run touches nothing', async () => {
    const before = listing(world.deployment)
    const refused = await world.cli('restore', '--host', 'prod')
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('--yes')
    const dry = await world.cli('restore', '--host', 'prod', '--dry-run')
    expect(dry.code, dry.stderr).toBe(0)
    expect(dry.stdout).toContain(join(world.deployment, 'logs'))
    expect(listing(world.deployment)).toBe(before)
  })

  test('brings everything back as it was: content, modes, owners, times, links, keys', async () => {
    await rm(join(world.deployment, 'data'), { recursive: true })
    await writeFile(join(world.deployment, 'logs', 'app.log'), 'damaged')
    await writeFile(join(world.deployment, 'logs', 'new.log'), 'made since')
    redisNow(world, 'FLUSHALL')
    const result = await world.cli('restore', '--host', 'prod', '--yes')
    expect(result.code, result.stderr + result.stdout).toBe(0)
    for (const name of ['logs', 'data']) {
      execFileSync('diff', ['-r', '--no-dereference', join(copy, name), join(world.deployment, name)])
      expect(listing(join(world.deployment, name))).toBe(listing(join(copy, name)))
    }
    expect(redisNow(world, 'MGET', 'alpha', 'beta', 'gamma').split('\n')).toEqual(['1', '2', '3'])
    const snapshots = await world.snapshots()
    expect(await world.manifest(snapshots.at(-1) ?? '')).toMatchObject({ purpose: 'safety' })
  })

  test('keeps what was there, and rollback brings it back', async () => {
    const undone = await world.cli('rollback', '--host', 'prod', '--yes')
    expect(undone.code, undone.stderr + undone.stdout).toBe(0)
    expect(await readFile(join(world.deployment, 'logs', 'app.log'), 'utf8')).toBe('damaged')
    expect(await readFile(join(world.deployment, 'logs', 'new.log'), 'utf8')).toBe('made since')
    await expect(stat(join(world.deployment, 'data'))).rejects.toThrow()
    expect(redisNow(world, 'DBSIZE')).toBe('0')
  })

  test('takes the good snapshot again, not the safety copy of the damage', async () => {
    const result = await world.cli('restore', '--host', 'prod', '--yes')
    expect(result.code, result.stderr + result.stdout).toBe(0)
    expect(redisNow(world, 'DBSIZE')).toBe('3')
    const discarded = await world.cli('rollback', '--host', 'prod', '--discard', '--yes')
    expect(discarded.code, discarded.stderr + discarded.stdout).toBe(0)
    expect(execFileSync('find', [world.deployment, '-name', 'rollback-*']).toString()).toBe('')
  })

  test('of one path leaves the rest alone', async () => {
    await writeFile(join(world.deployment, 'logs', 'app.log'), 'damaged')
    await writeFile(join(world.deployment, 'logs', 'new.log'), 'made since')
    const result = await world.cli('restore', '--host', 'prod', '--path', 'logs:logs/app.log', '--yes')
    expect(result.code, result.stderr + result.stdout).toBe(0)
    expect(await readFile(join(world.deployment, 'logs', 'app.log'), 'utf8')).toBe('line one\nline two\n')
    expect(await readFile(join(world.deployment, 'logs', 'new.log'), 'utf8')).toBe('made since')
    const missing = await world.cli('restore', '--host', 'prod', '--path', 'logs:logs/none.log', '--yes')
    expect(missing.code).toBe(2)
  })

  test('of the same path again removes what the first one had set aside, and nothing of another', async () => {
    const kept = () =>
      execFileSync('sh', [
        '-c',
        'cd "$1" && ls -d rollback-* 2>/dev/null | wc -l',
        'sh',
        join(world.deployment, '.relay-backup'),
      ])
        .toString()
        .trim()
    const again = (source: string) => world.cli('restore', '--host', 'prod', '--source', source, '--yes')
    expect((await again('config')).code).toBe(0)
    expect((await again('logs')).code).toBe(0)
    const before = Number(kept())
    expect((await again('logs')).code).toBe(0)
    expect(Number(kept())).toBe(before)
  })

  test('carries over what the source excludes', async () => {
    world.config.hosts['prod']!.sources['logs'] = { kind: 'files', path: 'logs', exclude: ['*.tmp'] }
    await world.writeConfig()
    await writeFile(join(world.deployment, 'logs', 'keep.tmp'), 'excluded')
    const pulled = await world.cli('pull', 'prod')
    expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
    const result = await world.cli('restore', '--host', 'prod', '--source', 'logs', '--yes')
    expect(result.code, result.stderr + result.stdout).toBe(0)
    expect(await readFile(join(world.deployment, 'logs', 'keep.tmp'), 'utf8')).toBe('excluded')
  })

  test('rolls back by itself when the service does not come up, and exits 1', async () => {
    const services = world.config.hosts['prod']!['services'] as Record<string, string>
    const good = { ...services }
    // Starts only on the old data.
    services['start'] = `test -e ${world.deployment}/data/marker-of-now && ${good['start']}`
    await world.writeConfig()
    await writeFile(join(world.deployment, 'data', 'marker-of-now'), 'now')
    const before = listing(join(world.deployment, 'data'))
    const result = await world.cli('restore', '--host', 'prod', '--yes')
    expect(result.code, result.stdout).toBe(1)
    expect(result.stdout).toContain('rolled back')
    expect(listing(join(world.deployment, 'data'))).toBe(before)
    expect(redisNow(world, 'PING')).toBe('PONG')
    world.config.hosts['prod']!['services'] = good
    await world.writeConfig()
    const pulled = await world.cli('pull', 'prod')
    expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
  })

  test('that undid itself is not taken for the one before it by rollback', async () => {
    const logs = join(world.deployment, 'logs')
    await writeFile(join(logs, 'since'), 'since')
    const before = listing(logs)
    let named = ''
    for (const yes of [['--yes'], []]) {
      const refused = await world.cli('rollback', '--host', 'prod', ...yes)
      expect(refused.code, refused.stdout).toBe(1)
      expect(refused.stderr).toMatch(/The last restore, \S+, is undone already \(rolled-back\)/)
      named = /Next: .*older restore .*\/logs\. .*--restore (\S+)/.exec(refused.stderr)?.[1] ?? ''
      expect(named, refused.stderr).not.toBe('')
    }
    expect(listing(logs)).toBe(before)
    const undone = await world.cli('rollback', '--host', 'prod', '--restore', named, '--yes')
    expect(undone.code, undone.stderr + undone.stdout).toBe(0)
    await expect(stat(join(logs, 'since'))).rejects.toThrow()
  })

  test('onto an empty new server makes its directories', async () => {
    const fresh = join(world.home, 'fresh', 'app')
    world.config.hosts['fresh'] = {
      ...world.config.hosts['prod']!,
      deployment: fresh,
      services: { manager: 'none' },
      sources: { data: { kind: 'files', path: 'data' }, logs: { kind: 'files', path: 'logs' } },
    }
    await world.writeConfig()
    const result = await world.cli(
      'restore',
      '--from',
      'prod',
      '--host',
      'fresh',
      '--source',
      'data',
      'logs',
      '--yes',
    )
    expect(result.code, result.stderr + result.stdout).toBe(0)
    expect(listing(join(fresh, 'data', 'odd'))).toBe(listing(join(copy, 'data', 'odd')))
  })

  test('refuses a damaged archive before anything is stopped', async () => {
    const newest = (await world.snapshots()).findLast((id) => id !== undefined) ?? ''
    const file = join(world.vault, 'prod', newest, 'data.tar.zst.gpg')
    const bytes = await readFile(file)
    const flipped = Buffer.from(bytes)
    flipped[100] = (flipped[100] ?? 0) ^ 1
    await writeFile(file, flipped)
    const result = await world.cli('restore', `prod/${newest}`, '--host', 'prod', '--source', 'data', '--yes')
    expect(result.code).toBe(1)
    expect(result.stderr).toContain('data.tar.zst.gpg')
    expect(redisNow(world, 'PING')).toBe('PONG')
    await writeFile(file, bytes)
  })
})
