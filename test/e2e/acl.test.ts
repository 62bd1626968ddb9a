import { execFileSync } from 'node:child_process'
import { appendFile, chmod, mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { busyboxTools } from '../lab/busybox.ts'
import { startSshd } from '../lab/sshd.ts'
import { startWorld, type World } from '../lab/world.ts'

const stack = new AsyncDisposableStack()
let world: World
let data: string
const acl = (...args: string[]): string => execFileSync('setfacl', args).toString()
const acls = (): string => execFileSync('getfacl', ['-R', '-n', 'data'], { cwd: world.deployment }).toString()

beforeAll(async () => {
  world = stack.use(await startWorld())
  data = join(world.deployment, 'data')
  // What is made in here afterwards takes over an ACL that it had not there.
  acl('-d', '-m', 'u:4321:rwx', world.deployment)
  await mkdir(join(data, 'shared/sub'), { recursive: true })
  await mkdir(join(data, 'plain'))
  for (const name of ['shared/named', 'shared/sub/other', 'plain/none', 'shared/masked', 'shared/log'])
    await writeFile(join(data, name), Buffer.alloc(70_000, name))
  acl('-b', '-R', data)
  await chmod(join(data, 'shared/named'), 0o640)
  acl('-m', 'u:1234:rwx,g:55:r', join(data, 'shared/named'))
  acl('-m', 'u:1234:rwx,m::r', join(data, 'shared/masked'))
  acl('-m', 'u:77:rwx', join(data, 'shared'))
  acl('-d', '-m', 'u:1234:rx,g::-,o::-', join(data, 'shared'))
  world.config.hosts['prod']!.sources = { data: { kind: 'files', path: 'data', exclude: ['left'] } }
  await world.writeConfig()
})
afterAll(() => stack.disposeAsync())

async function restored(): Promise<string> {
  await rm(data, { recursive: true })
  const result = await world.cli('restore', '--host', 'prod', '--no-safety', '--yes')
  expect(result.code, result.stderr + result.stdout).toBe(0)
  return acls()
}

test('ACLs come back exactly, by an archive that is passed on and by a tree that is put together (regression: lost, and the mask became the mode of the group)', async () => {
  const before = acls()
  expect(before).toContain('user:1234:rwx')
  expect(before).toContain('default:user:1234:r-x')
  expect((await world.cli('pull')).code).toBe(0)
  expect(await restored()).toBe(before)

  await appendFile(join(data, 'shared/log'), 'a line\n')
  const pulled = await world.cli('pull')
  expect(pulled.code).toBe(0)
  expect(await restored()).toBe(before)
})

test('a directory that only holds what is excluded is carried over with its ACL', async () => {
  await mkdir(join(data, 'shared/new'))
  await writeFile(join(data, 'shared/new/left'), 'x')
  acl('-b', join(data, 'shared/new'))
  acl('-m', 'u:99:rx', join(data, 'shared/new'))
  const before = execFileSync('getfacl', ['-n', 'data/shared/new'], { cwd: world.deployment }).toString()
  const result = await world.cli('restore', '--host', 'prod', '--no-safety', '--yes')
  expect(result.code, result.stderr + result.stdout).toBe(0)
  expect(execFileSync('getfacl', ['-n', 'data/shared/new'], { cwd: world.deployment }).toString()).toBe(
    before,
  )
})

test('a server with busybox alone says before that it has none, and nobody gets more rights for it', async () => {
  const path = await busyboxTools(join(world.home, 'busybox'))
  const sshd = stack.use(await startSshd({ path }))
  const { host, port, user, identityFile, knownHosts } = sshd.sshConfig()
  const deployment = join(world.home, 'small')
  await mkdir(deployment)
  world.config.hosts['small'] = {
    ssh: { host, port, user, identityFile, knownHosts, agent: false },
    deployment,
    sources: { data: { kind: 'files', path: 'data' } },
  }
  await world.writeConfig()
  const plan = await world.cli('restore', '--from', 'prod', '--host', 'small', '--dry-run')
  expect(plan.stdout).toMatch(/[34] of the entries have ACLs/)
  const result = await world.cli('restore', '--from', 'prod', '--host', 'small', '--no-safety', '--yes')
  expect(result.code, result.stderr + result.stdout).toBe(0)
  expect((await stat(join(deployment, 'data/shared/named'))).mode & 0o777).toBe(0o640)
})
