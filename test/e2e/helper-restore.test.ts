import { execFileSync } from 'node:child_process'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type LabDocker, startDocker } from '../lab/docker.ts'
import { writeDockerDeployment } from '../lab/docker-deployment.ts'
import { everySecond } from '../lab/soak.ts'
import { createUser, descendants, type TestUser } from '../lab/sshd.ts'
import { mountTmpfs } from '../lab/tmpfs.ts'
import { letEveryoneIn } from '../lab/temp.ts'
import { startWorld, type World } from '../lab/world.ts'

everySecond(2)

const stack = new AsyncDisposableStack()
let world: World
let engine: LabDocker
let user: TestUser
let data: string
let volume: string

// A user in the group docker, without sudo; the app's data, in a bind mount and a volume, is of uid 999 and nobody else
// may enter it.
beforeAll(async () => {
  engine = stack.use(await startDocker())
  world = stack.use(
    await startWorld({ sshd: { config: [`SetEnv DOCKER_HOST=${engine.env['DOCKER_HOST']}`] } }),
  )
  user = stack.use(await createUser({ groups: ['docker'] }))
  await letEveryoneIn(world.deployment)
  await writeDockerDeployment(world.deployment, { project: 'helped' })
  data = join(world.deployment, 'data')
  execFileSync('sh', [
    '-euc',
    `cd "$1"; chown -R ${user.uid}:${user.gid} . ; chown -R 999 redis_data; cd data
     mkdir -p deep/er; echo one >deep/er/one; ln -s ../health deep/link; chmod 640 deep/er/one
     printf x >"$(printf 'odd\\nname')"; chown -R 999:998 .; chown -h 999:998 deep/link; chmod 700 . deep`,
    'sh',
    world.deployment,
  ])
  await engine.compose(world.deployment, 'up', '-d', 'app')
  volume = await engine.docker('volume', 'inspect', '--format', '{{.Mountpoint}}', 'helped_cache')
  execFileSync('sh', [
    '-euc',
    'cd "$1"; mkdir sub; echo two >sub/two; chown -R 999:998 .; chmod 700 . sub',
    'sh',
    volume,
  ])
  stack.defer(async () => void (await engine.compose(world.deployment, 'down', '-v')))
  const host = world.config.hosts['prod']!
  world.config.hosts['prod'] = {
    ...host,
    ssh: { ...host.ssh, user: user.name },
    services: { manager: 'compose', file: 'docker-compose.yml' },
    sources: {
      data: { kind: 'files', path: 'data' },
      cache: { kind: 'volume', volume: 'cache', exclude: ['*.lock'] },
      config: { kind: 'files', paths: ['.env', 'docker-compose.yml'] },
    },
  }
  await world.writeConfig()
}, 180_000)
afterAll(() => stack.disposeAsync(), 120_000)

const listing = () =>
  [data, volume]
    .map((path) =>
      execFileSync('sh', [
        '-c',
        'cd "$1" && find . -printf "%p|%y|%m|%U|%G|%T@|%l\\n" | sort',
        'sh',
        path,
      ]).toString(),
    )
    .join('\n')
const left = () => execFileSync('find', [join(world.deployment, '.relay-backup')]).toString()
const health = async () => (await engine.docker('exec', 'helped_app_1', 'cat', '/app/data/health')).trim()
/** No helper is left, nor anything unpacked. */
async function expectClean(): Promise<void> {
  expect(await engine.docker('ps', '--all', '--quiet', '--filter', 'label=relay-backup.helper')).toBe('')
  expect(left()).not.toMatch(/restore-[^/]+\/(data|config)/)
}

test('what the user may not read is pulled as root in a helper container, and only that', async () => {
  const dry = await world.cli('pull', '--dry-run')
  expect(dry.stdout).toMatch(/data .*as root in a helper container of relay-lab:1/)
  expect(dry.stdout).toMatch(/cache .*volume cache, \/.*\/helped_cache\/_data, without \*\.lock/)
  expect(dry.stdout).toMatch(/config .*\(zstd on the server\)/)
  const pulled = await world.cli('pull')
  expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
  await expectClean().catch((error: unknown) => {
    // A pull leaves not even the directory.
    if (!String(error).includes('No such file')) throw error
  })
})

test('it comes back with its owners and modes; rollback and discard find the same way', async () => {
  const before = listing()
  execFileSync('sh', ['-c', 'cd "$1" && rm -r deep && echo damaged >health', 'sh', data])
  execFileSync('sh', ['-c', 'cd "$1" && rm sub/two && echo new >sub/three', 'sh', volume])
  const damaged = listing()
  const dry = await world.cli('restore', '--host', 'prod', '--dry-run')
  expect(dry.stdout).toContain('as root in a helper container of relay-lab:1')
  const restored = await world.cli('restore', '--host', 'prod', '--yes')
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  expect(listing()).toBe(before)
  expect(await health()).toBe('ok')
  await expectClean()

  // The lock and the journals stay the user's to see.
  const pulled = await world.cli('pull')
  expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)

  const undone = await world.cli('rollback', '--host', 'prod', '--yes')
  expect(undone.code, undone.stderr + undone.stdout).toBe(0)
  expect(listing()).toBe(damaged)
  expect(await health()).toBe('damaged')
  const discarded = await world.cli('rollback', '--host', 'prod', '--discard', '--yes')
  expect(discarded.code, discarded.stderr + discarded.stdout).toBe(0)
  expect(await readdir(world.deployment)).not.toContain('.relay-backup')
})

test('an app that stays red is rolled back by itself', async () => {
  const before = listing()
  const services = world.config.hosts['prod']!['services'] as Record<string, unknown>
  services['health'] = { url: 'http://127.0.0.1:1/health', timeout: '2s' }
  await world.writeConfig()
  const result = await world.cli('restore', '--host', 'prod', '--source', 'data', '--yes')
  delete services['health']
  await world.writeConfig()
  expect(result.code, result.stdout).toBe(1)
  expect(result.stdout).toContain('rolled back')
  expect(listing()).toBe(before)
  await expectClean()
})

test.each(['our own process', 'Docker’s client on the server'])(
  'when %s is killed in the middle, the server puts everything back',
  async (who) => {
    const before = listing()
    const run = world.start('restore', '--host', 'prod', '--source', 'data', '--yes')
    await until(() => Promise.resolve(run.stderr().includes('starting data services')))
    if (who.startsWith('our')) run.child.kill('SIGKILL')
    else
      for (const pid of await descendants(await world.sshd.sessions()))
        if ((await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')) === 'docker\n')
          process.kill(pid, 'SIGKILL')
    await run.result
    await until(
      async () => (await engine.docker('ps', '-aq', '--filter', 'label=relay-backup.helper')) === '',
    )
    const settled = await world.cli('rollback', '--host', 'prod', '--yes')
    expect(settled.code, settled.stderr + settled.stdout).toBe(0)
    expect(listing()).toBe(before)
    expect(await health()).toBe('damaged')
    await expectClean()
  },
)

test('a volume that a container outside of the deployment uses is refused before anything stops', async () => {
  const stranger = await engine.docker(
    'run',
    '-d',
    '-v',
    'helped_cache:/elsewhere',
    'relay-lab:1',
    'sleep',
    '1000',
  )
  const result = await world.cli('restore', '--host', 'prod', '--source', 'cache', '--yes')
  await engine.docker('rm', '--force', stranger)
  expect(result.code).toBe(1)
  expect(result.stderr).toMatch(/runs, uses what is to be replaced, and would not be stopped/)
})

test('a volume that is not there, or not here, is refused with what to do', async () => {
  const cache = world.config.hosts['prod']!.sources['cache']!
  const label = 'com.docker.compose.project=helped'
  const elsewhere = [
    'volume',
    'create',
    '--label',
    label,
    '--opt',
    'type=tmpfs',
    '--opt',
    'device=tmpfs',
    'elsewhere',
  ]
  await engine.docker(...elsewhere)
  for (const [name, says] of [
    ['cach', /no volume cach on prod; did you mean helped_cache\?|no volume cach on prod.*up --no-start/s],
    ['elsewhere', /is mounted from elsewhere \(device, type\)/],
  ] as const) {
    cache['volume'] = name
    await world.writeConfig()
    for (const args of [['pull'], ['restore', '--host', 'prod', '--yes']] as const) {
      const result = await world.cli(...args, '--source', 'cache')
      expect(result.stderr + result.stdout).toMatch(says)
      expect(result.code).toBe(1)
    }
  }
  cache['volume'] = 'helped_cache'
  await world.writeConfig()
  await engine.docker('volume', 'rm', 'elsewhere')
})

test('a mount point is put back child by child, and a read-only one is refused', async () => {
  await using mount = await mountTmpfs(join(world.deployment, 'mounted'), '8m')
  const shell = (script: string) => execFileSync('sh', ['-euc', script, 'sh', mount.path]).toString()
  shell('cd "$1"; mkdir a; echo one >a/one; echo two >.two; chown -R 999:998 .; chmod 700 . a')
  const look = () => shell('cd "$1" && find . ! -path "*/.relay-backup*" -printf "%p|%m|%U|%G\\n" | sort')
  const before = look()
  world.config.hosts['prod']!.sources['mounted'] = { kind: 'files', path: 'mounted' }
  await world.writeConfig()
  const only = ['--source', 'mounted'] as const
  expect((await world.cli('pull', ...only)).code).toBe(0)
  const [snapshot = ''] = (await world.snapshots()).slice(-1)
  shell('rm -r "$1/a" "$1/.two"; touch "$1/three"')
  const damaged = look()

  const restore = ['restore', `prod/${snapshot}`, '--host', 'prod', ...only, '--no-safety', '--yes']
  const restored = await world.cli(...restore)
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  expect(look()).toBe(before)
  const undone = await world.cli('rollback', '--host', 'prod', '--yes')
  expect(undone.code, undone.stderr + undone.stdout).toBe(0)
  expect(look()).toBe(damaged)
  await expectClean()

  shell('mount -o remount,ro "$1"')
  const refused = await world.cli(...restore)
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/not writable for root.*read-only/s)
})

test('with the engine down, a restore and a rollback say so and touch nothing', async () => {
  const restored = await world.cli('restore', '--host', 'prod', '--source', 'data', '--yes')
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  const before = listing()
  await engine.stop()
  try {
    for (const args of [['restore', '--no-safety', '--source', 'data'], ['rollback']] as const) {
      const result = await world.cli(args[0], '--host', 'prod', ...args.slice(1), '--yes')
      expect(result.code, result.stdout).toBe(1)
      expect(result.stderr + result.stdout).toMatch(/does not answer/)
      expect(result.stderr + result.stdout).toMatch(/systemctl start docker/)
    }
    expect(listing()).toBe(before)
  } finally {
    await engine.start()
  }
})

test('who is not in the group docker hears of both ways', async () => {
  await using outsider = await createUser()
  const host = world.config.hosts['prod']!
  host.ssh['user'] = outsider.name
  await world.writeConfig()
  const result = await world.cli('pull', '--source', 'data')
  host.ssh['user'] = user.name
  await world.writeConfig()
  expect(result.code).toBe(1)
  expect(result.stderr + result.stdout).toMatch(/sudo: true.*usermod -aG docker/s)
})

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(100)
}
