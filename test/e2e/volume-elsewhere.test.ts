import { execFileSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type LabDocker, startDocker } from '../lab/docker.ts'
import { writeDockerDeployment } from '../lab/docker-deployment.ts'
import { startSshd } from '../lab/sshd.ts'
import { letEveryoneIn } from '../lab/temp.ts'
import { startWorld, type World } from '../lab/world.ts'

const stack = new AsyncDisposableStack()
let world: World
let [from, to]: LabDocker[] = []
/** The place of the volume `cache` on each server. */
let [source, target] = ['', '']

// Two servers whose engines keep their volumes in different places, with the deployment in different directories.
beforeAll(async () => {
  const engines = [stack.use(await startDocker()), stack.use(await startDocker())] as const
  ;[from, to] = engines
  const environments = engines.map(({ env }) => [`SetEnv DOCKER_HOST=${env.DOCKER_HOST}`])
  world = stack.use(await startWorld({ sshd: { config: environments[0] ?? [] } }))
  const other = stack.use(await startSshd({ config: environments[1] ?? [] }))
  const places: string[] = []
  for (const [at, name] of ['here', 'there'].entries()) {
    const engine = engines[at]!
    const deployment = join(dirname(world.deployment), name)
    await mkdir(deployment)
    await letEveryoneIn(deployment)
    await writeDockerDeployment(deployment)
    await engine.compose(deployment, 'up', '-d', 'app')
    stack.defer(async () => void (await engine.compose(deployment, 'down', '-v', '-t', '1')))
    places.push(await engine.docker('volume', 'inspect', '--format', '{{.Mountpoint}}', `${name}_cache`))
  }
  ;[source = '', target = ''] = places
  const host = {
    ...world.config.hosts['prod']!,
    deployment: join(dirname(world.deployment), 'here'),
    services: { manager: 'compose' },
    sources: { cache: { kind: 'volume', volume: 'cache' } },
  }
  const { port, knownHosts, identityFile } = other.sshConfig()
  world.config.hosts = {
    prod: host,
    other: {
      ...host,
      ssh: { ...host.ssh, port, knownHosts, identityFile },
      deployment: join(dirname(world.deployment), 'there'),
    },
  }
  await world.writeConfig()
}, 300_000)
afterAll(() => stack.disposeAsync(), 180_000)

const listing = (path: string) =>
  execFileSync('sh', [
    '-c',
    'cd "$1" && find . ! -path "*/.relay-backup*" -printf "%p|%y|%m|%U|%G|%l\\n" | sort',
    'sh',
    path,
  ]).toString()

test('a volume is restored to where the engine of another server keeps it, and back', async () => {
  expect(dirname(dirname(target))).not.toBe(dirname(dirname(source)))
  execFileSync('sh', [
    '-euc',
    'cd "$1"; mkdir a; echo one >a/one; ln -s a b; chown -R 999:998 a',
    'sh',
    source,
  ])
  await writeFile(join(target, 'own'), 'own')
  const [wanted, before] = [listing(source), listing(target)]
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)

  const restored = await world.cli('restore', '--from', 'prod', '--host', 'other', '--yes')
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  expect(restored.stderr).toContain(`${target}: replaces`)
  expect(listing(target)).toBe(wanted)
  expect(await to!.docker('exec', 'there_app_1', 'cat', '/app/cache/a/one')).toBe('one')
  expect(await readFile(join(source, 'a/one'), 'utf8')).toBe('one\n')
  expect(await from!.docker('inspect', '--format', '{{.State.Running}}', 'here_app_1')).toBe('true')

  const undone = await world.cli('rollback', '--host', 'other', '--yes')
  expect(undone.code, undone.stderr + undone.stdout).toBe(0)
  expect(listing(target)).toBe(before)
  expect(await to!.docker('exec', 'there_app_1', 'cat', '/app/cache/own')).toBe('own')
})
