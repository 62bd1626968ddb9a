import { execFileSync } from 'node:child_process'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCli } from '../lab/cli.ts'
import { createUser, type TestUser } from '../lab/sshd.ts'
import { letEveryoneIn } from '../lab/temp.ts'
import { startWorld, type World } from '../lab/world.ts'

const stack = new AsyncDisposableStack()
let world: World
let user: TestUser
beforeAll(async () => {
  user = stack.use(await createUser())
  world = stack.use(await startWorld())
  await letEveryoneIn(world.deployment)
  const data = join(world.deployment, 'data')
  await mkdir(join(data, 'private'))
  await writeFile(join(data, 'private', 'file'), 'secret', { mode: 0o600 })
  execFileSync('chown', ['-R', '999:999', join(data, 'private')])
  await chmod(join(data, 'private'), 0o700)
  const { identityFile } = world.sshd.sshConfig()
  world.config.hosts['prod'] = {
    ...world.config.hosts['prod']!,
    ssh: { ...world.config.hosts['prod']!.ssh, user: user.name, identityFile },
    sources: { data: { kind: 'files', path: 'data' } },
  }
  await world.writeConfig()
})
afterAll(() => stack.disposeAsync())

const listing = () =>
  execFileSync('sh', [
    '-c',
    'cd "$1" && find data -printf "%p|%y|%m|%U|%G|%T@|%l\\n" | sort',
    'sh',
    world.deployment,
  ]).toString()

test('what the user may not read is left out and told, with its uid and sudo as the way out', async () => {
  const result = await world.cli('pull')
  expect(result.code).toBe(3)
  expect(result.stderr + result.stdout).toContain(String(user.uid))
  expect(result.stderr + result.stdout).toContain('sudo')
})

test('sudo that asks for a password says so', async () => {
  world.config.hosts['prod']!['sudo'] = true
  await world.writeConfig()
  const result = await world.cli('pull')
  expect(result.code).toBe(1)
  expect(result.stderr + result.stdout).toContain('sudo on the server refused to run without a password')
  expect(result.stderr + result.stdout).toContain('Allow this user passwordless sudo')
})

test('with sudo everything is captured and comes back with its owners', async () => {
  const rule = `/etc/sudoers.d/${user.name}`
  await writeFile(rule, `${user.name} ALL=(ALL) NOPASSWD: ALL\n`, { mode: 0o440 })
  stack.defer(() => rm(rule, { force: true }))
  const before = listing()
  const pulled = await world.cli('pull')
  expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
  await rm(join(world.deployment, 'data', 'private'), { recursive: true })
  const restored = await world.cli('restore', '--host', 'prod', '--yes')
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  expect(listing()).toBe(before)
  const undone = await world.cli('rollback', '--host', 'prod', '--yes')
  expect(undone.code, undone.stderr + undone.stdout).toBe(0)
  expect(listing()).not.toContain('private')
})

test('an ad-hoc host that is not in the config is restored to', async () => {
  const home = join(world.home, 'ad-hoc-home')
  await mkdir(join(home, '.ssh'), { recursive: true, mode: 0o700 })
  const { identityFile, knownHosts, port } = world.sshd.sshConfig() as {
    identityFile: string
    knownHosts: string
    port: number
  }
  execFileSync('cp', ['-p', identityFile, join(home, '.ssh', 'id_ed25519')])
  execFileSync('cp', ['-p', knownHosts, join(home, '.ssh', 'known_hosts')])
  const fresh = join(world.home, 'ad-hoc-app')
  const target = `root@127.0.0.1:${port}`
  const args = [
    'restore',
    'prod/latest',
    '--host',
    target,
    '--deployment',
    fresh,
    '--source',
    'data',
    '--yes',
  ]
  const result = await runCli(args, { cwd: world.home, env: { HOME: home, SSH_AUTH_SOCK: '' } })
  expect(result.code, result.stderr + result.stdout).toBe(0)
  expect(execFileSync('find', [join(fresh, 'data', 'private', 'file'), '-printf', '%m %U']).toString()).toBe(
    '600 999',
  )
})

test('a deployment that only root can enter is found, locked, and its open restore seen', async () => {
  await chmod(world.deployment, 0o700)
  const journal = join(world.deployment, '.relay-backup', 'restore-20251120T020000Z', 'journal')
  try {
    const pulled = await world.cli('pull')
    expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
    await mkdir(dirname(journal), { recursive: true, mode: 0o700 })
    await writeFile(journal, '')
    const refused = await world.cli('pull')
    expect(refused.code).toBe(1)
    expect(refused.stderr + refused.stdout).toContain('rollback --host prod')
  } finally {
    await rm(dirname(journal), { recursive: true, force: true })
    await chmod(world.deployment, 0o755)
  }
})

test("with sudo another user's database is copied, listed, extracted, and comes back as his", async () => {
  const database = join(world.deployment, 'prisma/dev.db')
  await mkdir(dirname(database))
  const sql = (path: string, text: string) => execFileSync('sqlite3', [path, text]).toString().trim()
  sql(database, 'PRAGMA journal_mode=WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2);')
  execFileSync('chown', ['-R', '999:998', dirname(database)])
  await chmod(database, 0o600)
  await chmod(dirname(database), 0o700)
  world.config.hosts['prod']!.sources = { db: { kind: 'sqlite', paths: ['prisma/*.db'] } }
  await world.writeConfig()
  const check = await world.cli('check', 'prod', '--verbose')
  expect(check.stdout).toMatch(
    /source db +SQLite prisma\/\*\.db, as root by sudo, 1 database: prisma\/dev\.db/,
  )
  const pulled = await world.cli('pull', '--json')
  expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
  const listed = await world.cli('ls', 'prod/latest', 'db:')
  expect(listed.stdout + listed.stderr).toContain('dev.db')
  const out = join(world.home, 'extracted')
  const extracted = await world.cli('extract', 'prod/latest', 'db', '--to', out)
  expect(extracted.code, extracted.stderr + extracted.stdout).toBe(0)
  expect(sql(execFileSync('find', [out, '-name', 'dev.db']).toString().trim(), 'SELECT sum(x) FROM t')).toBe(
    '3',
  )
  sql(database, 'DELETE FROM t')
  const restored = await world.cli('restore', '--host', 'prod', '--source', 'db', '--yes')
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  expect(execFileSync('stat', ['-c', '%u:%g %a', database]).toString().trim()).toBe('999:998 600')
  expect(sql(database, 'SELECT sum(x) FROM t; PRAGMA journal_mode')).toBe('3\nwal')
})
