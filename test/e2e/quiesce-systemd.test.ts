import { randomBytes } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { descendants } from '../lab/sshd.ts'
import { type LabSystemctl, labSystemctl } from '../lab/systemctl.ts'
import { tempDir } from '../lab/temp.ts'
import { toolsWithout } from '../lab/tools.ts'
import { startWorld, type World } from '../lab/world.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

const stack = new AsyncDisposableStack()
let world: World
let systemd: LabSystemctl

beforeAll(async () => {
  const { path: server } = stack.use(await tempDir('relay-systemd-'))
  const tools = await toolsWithout(join(server, 'tools'), (name) => name === 'systemctl')
  const units = { 'redis.service': 'active', 'app.service': 'active', 'idle.service': 'inactive' }
  systemd = await labSystemctl(tools, units)
  world = stack.use(await startWorld({ sshd: { path: tools } }))
  await writeFile(join(world.deployment, 'data', 'big'), randomBytes(2 * 1024 ** 2))
  const held = ['app.service', 'idle.service', 'redis.service']
  world.config.hosts['prod'] = {
    ...world.config.hosts['prod']!,
    services: { manager: 'systemd', data: ['redis.service'], stop: held },
    sources: {
      data: { kind: 'files', path: 'data', quiesce: { stop: held } },
      logs: { kind: 'files', path: 'logs' },
    },
  }
  await world.writeConfig()
})
afterAll(() => stack.disposeAsync())

const states = () => Promise.all(['redis.service', 'app.service', 'idle.service'].map(systemd.state))
const AS_BEFORE = ['active', 'active', 'inactive']
const HELD = [
  'stop -- app.service',
  'stop -- redis.service',
  'start -- redis.service',
  'start -- app.service',
]

async function until(what: readonly string[]): Promise<void> {
  while ((await states()).join() !== what.join()) await sleep(50)
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended meanwhile, as a \`sleep\` of a script does.
  }
}

test('units are stopped in order while their source is captured, and just those that ran start again', async () => {
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
  expect(await systemd.log()).toEqual(HELD)
  expect(await states()).toEqual(AS_BEFORE)
})

test('they run again when the client is killed in between', async () => {
  const running = world.start('pull', 'prod', '--source', 'data', '--bandwidth', '50KiB/s', '--full')
  await until(['inactive', 'inactive', 'inactive'])
  running.child.kill('SIGKILL')
  await running.result
  await until(AS_BEFORE)
})

test('what a killed script has left stopped is settled by rollback', async () => {
  const running = world.start('pull', 'prod', '--source', 'data', '--bandwidth', '50KiB/s', '--full')
  await until(['inactive', 'inactive', 'inactive'])
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const)
    for (const pid of await descendants(await world.sshd.sessions())) send(pid, signal)
  await running.result
  expect(await states()).toEqual(['inactive', 'inactive', 'inactive'])
  const settled = await world.cli('rollback', '--host', 'prod', '--yes')
  expect(settled.code, settled.stderr + settled.stdout).toBe(0)
  expect(settled.stdout).toContain('an earlier run was cut off and had left')
  expect(await states()).toEqual(AS_BEFORE)
  expect(await readdir(world.deployment)).not.toContain('.relay-backup')
})

test('a unit that refuses to stop fails its source, and all run as before', async () => {
  await systemd.set('redis.service.refuses-stop', '')
  const pulled = await world.cli('pull', 'prod', '--source', 'data')
  await systemd.unset('redis.service.refuses-stop')
  expect(pulled.code).toBe(1)
  expect(pulled.stdout + pulled.stderr).toMatch(/can't be held still: .*Job for redis\.service failed/)
  expect(await states()).toEqual(AS_BEFORE)
})

test('one that does not start again is told, and tried again by the next pull', async () => {
  await systemd.set('app.service.refuses-start', '')
  const pulled = await world.cli('pull', 'prod', '--source', 'data')
  await systemd.unset('app.service.refuses-start')
  expect(pulled.code, pulled.stdout).toBe(3)
  expect(pulled.stdout).toMatch(/do not run again: .*app\.service did not start/)
  expect(await states()).toEqual(['active', 'inactive', 'inactive'])
  const next = await world.cli('pull', 'prod', '--source', 'logs')
  expect(next.code, next.stderr + next.stdout).toBe(0)
  expect(await states()).toEqual(AS_BEFORE)
})
