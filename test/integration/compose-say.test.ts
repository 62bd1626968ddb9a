import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { changedServices } from '../../src/restore/compose-check.ts'
import { findContainerServices } from '../../src/services/container-services.ts'
import { askCompose } from '../../src/services/compose-say.ts'
import { LAB_IMAGE, startDocker, type LabDocker } from '../lab/docker.ts'
import { LocalHost } from '../lab/local-host.ts'
import { tempDir } from '../lab/temp.ts'

let engine: LabDocker
beforeAll(async () => {
  engine = await startDocker()
  process.env['DOCKER_HOST'] = engine.env.DOCKER_HOST
}, 120_000)
afterAll(async () => {
  delete process.env['DOCKER_HOST']
  await engine[Symbol.asyncDispose]()
}, 60_000)

it('Compose names the project of a directory, and takes none of the directory above', async () => {
  await using temp = await tempDir('relay-say-')
  await using host = new LocalHost()
  const ask = (directory: string, ...args: readonly string[]) =>
    askCompose(
      host,
      { directory, project: undefined, args },
      { privilege: undefined, signal: new AbortController().signal },
    )
  const app = join(temp.path, 'My.App')
  const below = join(app, 'below')
  await mkdir(below, { recursive: true })
  const file = join(app, 'docker-compose.yml')
  expect(await ask(app)).toBeUndefined()
  expect(await ask(app, '--file', file)).toBeUndefined()
  await writeFile(file, 'services:\n  app:\n    image: x\nvolumes:\n  up:\n')
  expect(await ask(app)).toEqual({
    project: 'myapp',
    volumes: new Map([['up', 'myapp_up']]),
    dependsOn: new Map([['app', []]]),
  })
  expect(await ask(below)).toBeUndefined()
  await writeFile(join(below, '.env'), 'COMPOSE_FILE=more.yml\nCOMPOSE_PROJECT_NAME=Named\n')
  await writeFile(join(below, 'more.yml'), 'services:\n  app:\n    image: x\n')
  expect(await ask(below)).toMatchObject({ project: 'named' })
  await writeFile(file, 'services: [')
  expect(await ask(app)).toBe('unreadable')
  expect(await ask('')).toBeUndefined()
})

it('a Compose file that names PWD is read as by a person in its directory; any other value is a change', async () => {
  await using temp = await tempDir('relay-pwd-')
  await using host = new LocalHost()
  const file = join(temp.path, 'docker-compose.yml')
  await writeFile(
    file,
    'version: "3"\nservices:\n  app:\n    image: x\n    environment:\n      WHERE: ${PWD}\n      WHO: ${HOME}\n',
  )
  const args = ['--project-name', 'app', '--project-directory', temp.path, '--file', file]
  const hashOf = (env: Record<string, string>): string =>
    execFileSync('docker-compose', [...args, 'config', '--hash', 'app'], {
      cwd: temp.path,
      env: { ...process.env, PWD: temp.path, ...env },
      encoding: 'utf8',
    })
      .trim()
      .split(' ')[1] ?? ''
  const changed = (hash: string): Promise<readonly string[]> =>
    changedServices(
      host,
      { manager: 'compose', project: 'app', args, renew: false, data: [], rest: ['app'] },
      { services: [{ name: 'app', image: 'x', hashes: [hash] }], unseen: [] },
      { privilege: undefined, signal: new AbortController().signal },
    )
  expect(await changed(hashOf({}))).toEqual([])
  expect(await changed(hashOf({ PWD: '/elsewhere' }))).toEqual(['app'])
  expect(await changed(hashOf({ HOME: '/root/of/sudo' }))).toEqual(['app'])
})

it('containers that version 1 has made were started by name, and not behind what they depend on', async () => {
  await using temp = await tempDir('relay-chain-')
  await using host = new LocalHost()
  const deployment = join(temp.path, 'chain')
  await mkdir(deployment)
  const service = `image: ${LAB_IMAGE}, network_mode: none`
  await writeFile(
    join(deployment, 'docker-compose.yml'),
    `version: "3.8"\nservices:\n  app: { ${service}, depends_on: [queue] }\n  queue: { ${service} }\n`,
  )
  await engine.compose(deployment, 'up', '--no-start')
  const options = {
    deployment,
    paths: [deployment],
    privilege: undefined,
    signal: new AbortController().signal,
  }
  const { services } = await findContainerServices(host, { manager: 'compose', data: [] }, options)
  expect(services?.rest).toEqual(['queue', 'app'])
})
