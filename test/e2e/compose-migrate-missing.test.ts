import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { type CliResult, runCli } from '../lab/cli.ts'
import { LAB_IMAGE, type LabDocker, startDocker } from '../lab/docker.ts'
import { startGpg } from '../lab/gpg.ts'
import { freePort } from '../lab/ports.ts'
import { startSshd } from '../lab/sshd.ts'
import { letEveryoneIn, tempDir } from '../lab/temp.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

const stack = new AsyncDisposableStack()
let home: string
let encryption: object
let port: number
let engines: { readonly old: LabDocker; readonly new: LabDocker }
let hosts: Record<string, { deployment: string; services: object; sources: Record<string, object> }>

beforeAll(async () => {
  const temp = stack.use(await tempDir('relay-compose-missing-'))
  home = join(temp.path, 'workstation')
  await mkdir(home)
  const gpg = stack.use(await startGpg(home))
  port = await freePort()
  const server = async (name: string) => {
    const engine = stack.use(await startDocker())
    const sshd = stack.use(await startSshd({ config: [`SetEnv DOCKER_HOST=${engine.env['DOCKER_HOST']}`] }))
    const deployment = join(temp.path, name, 'relay')
    await mkdir(dirname(deployment))
    await letEveryoneIn(dirname(deployment))
    const { host, port: sshPort, user, identityFile, knownHosts } = sshd.sshConfig()
    const config = {
      ssh: { host, port: sshPort, user, identityFile, knownHosts, agent: false },
      deployment,
      services: { manager: 'compose' },
      sources: {
        data: { kind: 'files', path: 'data' },
        config: { kind: 'files', paths: ['docker-compose.yml'] },
      },
    }
    return { engine, config }
  }
  const [old, fresh] = [await server('old'), await server('new')]
  engines = { old: old.engine, new: fresh.engine }
  hosts = { old: old.config, new: fresh.config }
  await writeDeployment(old.config.deployment)
  process.env['GREETING'] = 'of a shell'
  await old.engine.compose(old.config.deployment, 'up', '-d').finally(() => delete process.env['GREETING'])
  encryption = { recipients: [gpg.publicKey], identity: gpg.privateKey }
  await writeConfig()
}, 300_000)
afterAll(() => stack.disposeAsync(), 120_000)

/** An app that is what it is only by files beside its Compose file. */
async function writeDeployment(folder: string): Promise<void> {
  const files = {
    'data/health': 'ok\n',
    'conf/site.conf': 'a setting\n',
    'app.env': 'TOKEN=secret\n',
    'docker-compose.yml': `version: "3.8"
services:
  app:
    image: ${LAB_IMAGE}
    command: httpd -f -p 3000 -h /app/data
    stop_grace_period: 1s
    environment: { GREETING: "\${GREETING:-none}" }
    volumes: ["./data:/app/data"]
`,
    'docker-compose.override.yml': `version: "3.8"
services:
  app:
    env_file: app.env
    ports: ["127.0.0.1:${port}:3000"]
    volumes: ["./conf/site.conf:/etc/site.conf:ro"]
`,
  }
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
}

async function writeConfig(): Promise<void> {
  await writeFile(
    join(home, 'hosts.yaml'),
    stringify({ version: 1, vault: 'vault', encryption, retention: { last: 3 }, hosts }),
  )
}

const cli = (...args: string[]): Promise<CliResult> => runCli(args, { cwd: home })
const up = (engine: LabDocker): Promise<string> => engine.docker('ps', '--format', '{{.Names}}')

test('an override file, its env file and a read-only mount were left behind, and the cutover called good', async () => {
  const refused = await cli('migrate', 'old', 'new', '--cutover', '--yes')
  expect(refused.code, refused.stdout).toBe(1)
  for (const name of ['docker-compose.override.yml', 'app.env', 'site.conf', '--accept-missing'])
    expect(refused.stderr).toContain(name)
  // The ports, mounts and names of variables would be the same.
  expect(refused.stderr).toContain('app does not run on old as Compose there would make it')
  expect(refused.stderr).not.toContain('secret')
  expect(await up(engines.old)).not.toBe('')

  const moved = await cli('migrate', 'old', 'new', '--cutover', '--accept-missing', '--yes')
  expect(moved.code, moved.stderr + moved.stdout).toBe(0)
  expect(moved.stdout).toContain(`3000/tcp at 127.0.0.1:${port}`)
  expect(moved.stdout).toContain('environment of app: without TOKEN')
  const back = await cli('rollback', '--host', 'old', '--yes')
  expect(back.code, back.stderr).toBe(0)
}, 120_000)

test('an app that came up otherwise than it ran was taken for moved: without its port, with no health URL', async () => {
  const all = ['docker-compose.yml', 'docker-compose.override.yml', 'app.env', 'conf']
  for (const host of Object.values(hosts)) host.sources['config'] = { kind: 'files', paths: all }
  await engines.old.compose(hosts['old']!.deployment, 'up', '-d')
  hosts['new']!.services = { manager: 'compose', file: 'docker-compose.yml' }
  await writeConfig()
  const undone = await cli('migrate', 'old', 'new', '--cutover', '--replace', '--yes')
  expect(undone.code, undone.stderr).toBe(1)
  expect(undone.stdout).toContain(`ports of app: without 3000/tcp at 127.0.0.1:${port}`)
  expect(await up(engines.old)).not.toBe('')
  expect(await up(engines.new)).toBe('')

  hosts['new']!.services = { manager: 'compose' }
  await writeConfig()
  const made = (await engines.new.docker('ps', '--all', '--quiet')).split('\n')
  await engines.new.docker('rm', ...made)
  const moved = await cli('migrate', 'old', 'new', '--cutover', '--replace', '--yes')
  expect(moved.code, moved.stderr + moved.stdout).toBe(0)
  expect((await fetch(`http://127.0.0.1:${port}/health`)).ok).toBe(true)
  expect(await up(engines.old)).toBe('')
}, 120_000)
