import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { LAB_IMAGE, type LabDocker, startDocker } from '../lab/docker.ts'
import { everySecond } from '../lab/soak.ts'
import { letEveryoneIn } from '../lab/temp.ts'
import { startWorld, type World } from '../lab/world.ts'

everySecond()

const stack = new AsyncDisposableStack()
let world: World
let engine: LabDocker
let number = 0

beforeAll(async () => {
  engine = stack.use(await startDocker())
  world = stack.use(
    await startWorld({ sshd: { config: [`SetEnv DOCKER_HOST=${engine.env['DOCKER_HOST']}`] } }),
  )
}, 180_000)
afterAll(() => stack.disposeAsync(), 120_000)

/** A service that does nothing, and ends when it is told to. */
const service = (more = ''): string => `
    image: ${LAB_IMAGE}
    command: ["sh", "-c", "trap exit TERM; sleep 86400 & wait"]
    volumes: ["./data:/data"]
    ${more}`

/** Two directories `app` of one server, beside each other: each test has its own. */
async function place(name: string): Promise<string> {
  const directory = join(dirname(world.deployment), `${name}${number}`, 'app')
  await mkdir(join(directory, 'data'), { recursive: true })
  await letEveryoneIn(directory)
  return directory
}

async function write(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
}

function setHost(name: string, deployment: string, more: object = {}): void {
  world.config.hosts[name] = {
    ...world.config.hosts['prod']!,
    deployment,
    services: { manager: 'compose' },
    sources: {
      data: { kind: 'files', path: 'data' },
      config: { kind: 'files', paths: ['.env', 'docker-compose.yml'] },
    },
    ...more,
  }
}

async function up(directory: string, ...args: readonly string[]): Promise<void> {
  await engine.compose(directory, ...args, 'up', '-d')
}

async function downWith(directory: string, ...args: readonly string[]): Promise<void> {
  await engine.compose(directory, ...args, 'down', '-v', '-t', '0', '--remove-orphans')
}

const containers = (): Promise<string> =>
  engine.docker('ps', '--all', '--no-trunc', '--format', '{{.ID}} {{.Names}} {{.State}}')
const inspect = (name: string, format: string): Promise<string> =>
  engine.docker('inspect', '--format', format, name)

beforeEach(() => {
  number += 1
})

test('a restore to staging does not stop production, which has a directory of the same name', async () => {
  const [prod, staging] = [await place('prod'), await place('staging')]
  const compose = `services:\n  app:${service()}\n`
  await write(prod, { '.env': 'STAGE=prod\n', 'docker-compose.yml': compose })
  await write(staging, { '.env': 'COMPOSE_PROJECT_NAME=staging\n', 'docker-compose.yml': compose })
  const services = { manager: 'compose', file: 'docker-compose.yml' }
  setHost('prod', prod, { services })
  setHost('stg', staging, { services })
  await world.writeConfig()
  await up(prod)
  try {
    const pulled = await world.cli('pull', 'stg')
    expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
    expect(pulled.stdout).toContain(`Compose project staging in ${staging}: it is down`)
    const before = await containers()
    const restored = await world.cli(
      ...['restore', 'stg/latest', '--host', 'stg', '--source', 'config', '--source', 'data', '--yes'],
    )
    expect(restored.code, restored.stderr + restored.stdout).toBe(0)
    expect(restored.stderr).toContain(`Compose project staging in ${staging}`)
    expect(restored.stdout + restored.stderr).not.toContain(prod)
    expect(await containers()).toBe(before)
    const other = await world.cli('pull', 'prod', '--dry-run')
    expect(other.stdout).toContain(`Compose project app in ${prod}\n`)
  } finally {
    await downWith(prod)
  }
})

test('two directories whose projects Compose calls alike stay apart, whatever the config stops', async () => {
  const [prod, staging] = [await place('prod'), await place('staging')]
  const compose = `services:\n  app:${service()}\n`
  for (const directory of [prod, staging])
    await write(directory, { '.env': '', 'docker-compose.yml': compose })
  setHost('stg', staging, { services: { manager: 'compose', project: 'app', data: ['app'], stop: ['app'] } })
  await world.writeConfig()
  await up(prod)
  try {
    expect((await world.cli('pull', 'stg')).code).toBe(0)
    const before = await containers()
    for (const args of [
      ['restore', '--host', 'stg', '--yes'],
      ['rollback', '--host', 'stg', '--yes'],
    ]) {
      const done = await world.cli(...args)
      expect(done.code, done.stderr + done.stdout).toBe(0)
      expect(await containers()).toBe(before)
    }
  } finally {
    await downWith(prod)
  }
})

test('what an override file adds is there after a restore, and after its rollback', async () => {
  const app = await place('over')
  await write(app, {
    '.env': 'A=1\n',
    'docker-compose.yml': `services:\n  app:${service()}\n`,
    'docker-compose.override.yml':
      'services:\n  app:\n    environment: { EXTRA: "yes" }\n    volumes: ["./more:/more"]\n',
  })
  setHost('prod', app, { services: { manager: 'compose', file: 'docker-compose.yml' } })
  await world.writeConfig()
  await up(app)
  const added = () => inspect('app_app_1', '{{.Config.Env}} {{range .Mounts}}{{.Destination}} {{end}}')
  try {
    expect((await world.cli('pull', 'prod')).code).toBe(0)
    for (const args of [
      ['restore', '--host', 'prod', '--yes'],
      ['rollback', '--host', 'prod', '--yes'],
    ]) {
      const done = await world.cli(...args)
      expect(done.code, done.stderr + done.stdout).toBe(0)
      expect(await added()).toMatch(/EXTRA=yes.*\/more/)
      expect(await inspect('app_app_1', '{{.State.Status}}')).toBe('running')
    }
  } finally {
    await downWith(app)
  }
})

test('a configured file that is not what runs is refused before anything stops', async () => {
  const app = await place('other')
  await write(app, {
    '.env': 'A=1\n',
    'docker-compose.yml': `services:\n  app:${service()}\n`,
    'more.yml': 'services:\n  app:\n    environment: { EXTRA: "yes" }\n',
  })
  const files = ['-f', 'docker-compose.yml', '-f', 'more.yml']
  setHost('prod', app, { services: { manager: 'compose', file: 'docker-compose.yml' } })
  await world.writeConfig()
  await up(app, ...files)
  try {
    expect((await world.cli('pull', 'prod')).code).toBe(0)
    const before = await containers()
    const refused = await world.cli('restore', '--host', 'prod', '--yes')
    expect(refused.code, refused.stderr + refused.stdout).toBe(1)
    expect(refused.stderr).toMatch(
      /what runs was made from \S+\/docker-compose\.yml, \S+\/more\.yml, and the config says/,
    )
    expect(refused.stderr).toContain('Remove hosts.prod.services.file')
    expect(await containers()).toBe(before)

    setHost('prod', app)
    await world.writeConfig()
    const restored = await world.cli('restore', '--host', 'prod', '--yes')
    expect(restored.code, restored.stderr + restored.stdout).toBe(0)
    expect(await inspect('app_app_1', '{{.Config.Env}}')).toContain('EXTRA=yes')
    expect(await readFile(join(app, 'docker-compose.yml'), 'utf8')).toContain('services')
  } finally {
    await downWith(app, ...files)
  }
})

test('profiles, COMPOSE_FILE and a named env file are what the restored app is made from again', async () => {
  const app = await place('named')
  await write(app, {
    '.env': 'COMPOSE_FILE=base.yml:more.yml\nCOMPOSE_PROFILES=extra\nGREETING=no\n',
    'named.env': 'COMPOSE_FILE=base.yml:more.yml\nCOMPOSE_PROFILES=extra\nGREETING=yes\n',
    'base.yml': `services:\n  app:${service('profiles: [extra]')}\n`,
    'more.yml': 'services:\n  app:\n    environment: { GREETING: "${GREETING}" }\n',
  })
  setHost('prod', app, {
    sources: { config: { kind: 'files', paths: ['.env', 'named.env', 'base.yml', 'more.yml'] } },
  })
  await world.writeConfig()
  await up(app, '--env-file', 'named.env')
  try {
    const pulled = await world.cli('pull', 'prod')
    expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
    await writeFile(join(app, 'named.env'), 'damaged\n')
    const restored = await world.cli('restore', '--host', 'prod', '--yes')
    expect(restored.code, restored.stderr + restored.stdout).toBe(0)
    expect(await inspect('app_app_1', '{{.State.Status}} {{.Config.Env}}')).toMatch(/^running .*GREETING=yes/)
  } finally {
    await downWith(app, '--env-file', 'named.env')
  }
})

test('a volume is the own project’s, and never that of another one by the same name', async () => {
  const [appa, appb] = [await place('appa'), await place('appb')]
  const names = [`appa${number}`, `appb${number}`]
  for (const [at, directory] of [appa, appb].entries()) {
    await write(directory, {
      '.env': `COMPOSE_PROJECT_NAME=${names[at]}\n`,
      'docker-compose.yml':
        `services:\n  app:${service()}\n    volumes: ["uploads:/uploads"]\nvolumes:\n  uploads:\n`.replace(
          '    volumes: ["./data:/data"]\n',
          '',
        ),
    })
    await up(directory)
  }
  const other = await inspectVolume(`${names[0]}_uploads`)
  await writeFile(join(other, 'of-appa'), 'a')
  setHost('prod', appb, { sources: { uploads: { kind: 'volume', volume: 'uploads' } } })
  await world.writeConfig()
  try {
    const own = await inspectVolume(`${names[1]}_uploads`)
    await writeFile(join(own, 'of-appb'), 'b')
    const pulled = await world.cli('pull', 'prod')
    expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
    await downWith(appb)
    for (const args of [
      ['pull', 'prod'],
      ['restore', '--host', 'prod', '--yes'],
    ]) {
      const refused = await world.cli(...args)
      expect(refused.code).toBe(1)
      const said = refused.stdout + refused.stderr
      expect(said).toContain(`There is no volume uploads (${names[1]}_uploads) on prod`)
      expect(said).not.toContain(names[0])
    }
    expect(await readFile(join(other, 'of-appa'), 'utf8')).toBe('a')

    // A literal one beside the project's own: nobody can tell which is meant.
    await engine.compose(appb, 'up', '--no-start')
    await engine.docker('volume', 'create', 'uploads')
    const ambiguous = await world.cli('restore', '--host', 'prod', '--yes')
    expect(ambiguous.code).toBe(1)
    expect(ambiguous.stderr).toContain(`uploads may be ${names[1]}_uploads and uploads on prod`)
    await engine.docker('volume', 'rm', 'uploads')
    const restored = await world.cli('restore', '--host', 'prod', '--yes')
    expect(restored.code, restored.stderr + restored.stdout).toBe(0)
    expect(await readFile(join(await inspectVolume(`${names[1]}_uploads`), 'of-appb'), 'utf8')).toBe('b')
  } finally {
    for (const directory of [appa, appb]) await downWith(directory)
  }
})

const inspectVolume = (name: string): Promise<string> =>
  engine.docker('volume', 'inspect', '--format', '{{.Mountpoint}}', name)

test('a restore of unchanged files does not change what a variable of the shell made, unless that is accepted', async () => {
  const app = await place('tag')
  await engine.docker('tag', LAB_IMAGE, 'tagged:v42')
  await engine.docker('tag', LAB_IMAGE, 'tagged:latest')
  await write(app, {
    'notes.txt': 'then\n',
    '.env': 'A=1\n',
    'docker-compose.yml': `services:\n  app:${service().replace(LAB_IMAGE, 'tagged:${TAG:-latest}')}\n`,
  })
  setHost('prod', app, {
    sources: {
      data: { kind: 'files', path: 'data' },
      config: { kind: 'files', paths: ['.env', 'docker-compose.yml', 'notes.txt'] },
    },
  })
  await world.writeConfig()
  process.env['TAG'] = 'v42'
  await up(app).finally(() => delete process.env['TAG'])
  try {
    expect(await inspect('app_app_1', '{{.Config.Image}}')).toBe('tagged:v42')
    expect((await world.cli('pull', 'prod')).code).toBe(0)
    const before = await containers()
    // What Compose does not read explains nothing.
    await write(app, { 'notes.txt': 'now\n' })
    const planned = await world.cli('restore', '--host', 'prod', '--dry-run')
    expect(planned.stdout).toContain('app does not run as Compose would make it')
    const refused = await world.cli('restore', '--host', 'prod', '--yes')
    expect(refused.code, refused.stdout + refused.stderr).toBe(1)
    expect(refused.stderr).toContain('app (of tagged:v42) would not be made as it runs on prod')
    expect(refused.stderr).toContain('--accept-changes')
    expect(refused.stderr).not.toContain('stopping services')
    expect(await containers()).toBe(before)
    // What is not made by Compose's files is not made anew.
    const data = await world.cli('restore', '--host', 'prod', '--source', 'data', '--yes')
    expect(data.code, data.stdout + data.stderr).toBe(0)
    expect(await inspect('app_app_1', '{{.Config.Image}}')).toBe('tagged:v42')

    const accepted = await world.cli('restore', '--host', 'prod', '--yes', '--accept-changes')
    expect(accepted.code, accepted.stdout + accepted.stderr).toBe(0)
    expect(accepted.stdout).toContain('app (of tagged:v42) would not be made as it runs')
    expect(await inspect('app_app_1', '{{.Config.Image}}')).toBe('tagged:latest')
  } finally {
    await downWith(app)
  }
})

test('a .env that was damaged after the start is explained by the snapshot, which has what runs', async () => {
  const app = await place('env')
  const compose = `services:\n  app:${service('environment: { GREETING: "${GREETING}", FILE: "${FILE:-}" }\n    env_file: [app.env]')}\n`
  await write(app, { '.env': 'GREETING=hello\n', 'app.env': 'MORE=then\n', 'docker-compose.yml': compose })
  setHost('prod', app, {
    sources: { config: { kind: 'files', paths: ['.env', 'app.env', 'docker-compose.yml'] } },
  })
  await world.writeConfig()
  await up(app)
  try {
    expect((await world.cli('pull', 'prod')).code).toBe(0)
    const started = await inspect('app_app_1', '{{.Id}}')
    await write(app, { '.env': 'GREETING=damaged\n', 'app.env': 'MORE=damaged\n' })
    const restored = await world.cli('restore', '--host', 'prod', '--yes')
    expect(restored.code, restored.stdout + restored.stderr).toBe(0)
    expect(await inspect('app_app_1', '{{.Id}}')).toBe(started)
    expect(await inspect('app_app_1', '{{.Config.Env}}')).toMatch(
      /GREETING=hello.*MORE=then|MORE=then.*GREETING=hello/,
    )
  } finally {
    await downWith(app)
  }
})

test('a rollback does not take data away from a container that was started on it since, and loses no write', async () => {
  const app = await place('since')
  await write(app, { '.env': 'A=1\n', 'docker-compose.yml': `services:\n  app:${service()}\n` })
  setHost('prod', app, { sources: { data: { kind: 'files', path: 'data' } } })
  await world.writeConfig()
  await writeFile(join(app, 'data', 'old'), 'old')
  await up(app)
  const writer = [
    'run',
    '-d',
    '--name',
    `writer${number}`,
    '--network',
    'none',
    '-v',
    `${join(app, 'data')}:/in`,
  ]
  try {
    expect((await world.cli('pull', 'prod')).code).toBe(0)
    const restored = await world.cli('restore', '--host', 'prod', '--yes')
    expect(restored.code, restored.stderr + restored.stdout).toBe(0)
    await engine.docker(
      ...writer,
      LAB_IMAGE,
      'sh',
      '-c',
      'trap exit TERM; echo new >/in/acknowledged; sleep 86400 & wait',
    )
    const before = await containers()
    const refused = await world.cli('rollback', '--host', 'prod', '--yes')
    expect(refused.code, refused.stderr + refused.stdout).toBe(1)
    expect(refused.stderr).toContain(`writer${number} runs on prod, uses what would be moved aside`)
    expect(await containers()).toBe(before)

    await engine
      .docker('rm', '-f', '-t', '0', `writer${number}`)
      .catch(() => engine.docker('rm', '-f', `writer${number}`))
    const undone = await world.cli('rollback', '--host', 'prod', '--yes')
    expect(undone.code, undone.stderr + undone.stdout).toBe(0)
    const [, kept = ''] =
      /written to \S+\/data after the restore, and kept in (\S+): 1 file \(acknowledged\)/.exec(
        undone.stdout,
      ) ?? []
    expect(await readFile(join(kept, 'acknowledged'), 'utf8')).toBe('new\n')

    const spared = await world.cli('rollback', '--host', 'prod', '--discard', '--yes')
    expect(spared.stdout).toMatch(/left: 1 file written after restore \S+, and nowhere else/)
    expect(spared.code).toBe(1)
    expect(await readFile(join(kept, 'acknowledged'), 'utf8')).toBe('new\n')
    const [, id = ''] = /--discard --restore (\S+)/.exec(spared.stdout) ?? []
    const removed = await world.cli('rollback', '--host', 'prod', '--discard', '--restore', id, '--yes')
    expect(removed.code, removed.stderr + removed.stdout).toBe(0)
    expect(removed.stdout).toContain('with it: 1 file written after restore')
    await expect(readFile(join(kept, 'acknowledged'))).rejects.toThrow('ENOENT')
  } finally {
    await engine.docker('rm', '-f', `writer${number}`).catch(() => undefined)
    await downWith(app)
  }
})

test('a rollback does not change what a variable of the shell made since, unless that is accepted', async () => {
  const app = await place('later')
  await engine.docker('tag', LAB_IMAGE, 'tagged:v43')
  await engine.docker('tag', LAB_IMAGE, 'tagged:latest')
  const compose = `services:\n  app:${service().replace(LAB_IMAGE, 'tagged:${TAG:-latest}')}\n`
  await write(app, { '.env': 'A=1\n', 'docker-compose.yml': compose })
  setHost('prod', app)
  await world.writeConfig()
  await up(app)
  try {
    expect((await world.cli('pull', 'prod')).code).toBe(0)
    expect((await world.cli('restore', '--host', 'prod', '--yes')).code).toBe(0)
    process.env['TAG'] = 'v43'
    await up(app).finally(() => delete process.env['TAG'])
    const before = await containers()
    const refused = await world.cli('rollback', '--host', 'prod', '--yes')
    expect(refused.code, refused.stderr + refused.stdout).toBe(1)
    expect(refused.stderr).toContain('app (of tagged:v43) would not be made as it runs on prod')
    expect(await containers()).toBe(before)
    const accepted = await world.cli('rollback', '--host', 'prod', '--yes', '--accept-changes')
    expect(accepted.code, accepted.stderr + accepted.stdout).toBe(0)
    expect(await inspect('app_app_1', '{{.Config.Image}} {{.State.Status}}')).toBe('tagged:latest running')
  } finally {
    await downWith(app)
  }
})
