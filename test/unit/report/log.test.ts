import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { closeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RemoteError } from '../../../src/errors.ts'
import { Secret } from '../../../src/model/secret.ts'
import { logDirectory, openLog } from '../../../src/report/log.ts'
import { createReporter } from '../../../src/report/reporter.ts'
import { RUN } from './events.ts'
import { fakeStream } from './fake-stream.ts'

let root: string
let env: NodeJS.ProcessEnv
let file: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'relay-backup-log-'))
  env = { XDG_STATE_HOME: root }
  file = join(root, 'relay-backup/log/relay-backup.log')
})

afterEach(async () => {
  await rm(root, { recursive: true })
})

async function lines(): Promise<Record<string, unknown>[]> {
  const text = await readFile(file, 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('a line is on disk when the call returns, only for us to read', async () => {
  using log = await openLog(env, false)
  log.info('hello', { host: 'prod' })
  expect(await lines()).toMatchObject([{ level: 'info', msg: 'hello', host: 'prod' }])
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect((await stat(join(root, 'relay-backup/log'))).mode & 0o777).toBe(0o700)
})

test('a log that others could read is closed to them', async () => {
  await mkdir(join(file, '..'), { recursive: true })
  await writeFile(file, '')
  await chmod(file, 0o644)
  using _log = await openLog(env, false)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
})

test('debug lines only with --verbose', async () => {
  for (const verbose of [false, true]) {
    using log = await openLog(env, verbose)
    log.debug(`debug ${verbose}`)
    log.info(`info ${verbose}`)
  }
  expect((await lines()).map((line) => line['msg'])).toEqual(['info false', 'debug true', 'info true'])
})

test('secrets are masked by type and by key, however deep; errors keep their causes', async () => {
  using log = await openLog(env, false)
  const cause = Object.assign(new Error('inner'), { password: 'hunter2' })
  log.error('bad', {
    password: 'hunter2',
    ssh: { user: 'me', identityPassphrase: 'hunter2', list: [{ apiToken: 'hunter2' }] },
    value: new Secret('hunter2'),
    bytes: Buffer.from('hunter2'),
    error: new RemoteError('x', 'outer', { cause }),
  })
  const text = await readFile(file, 'utf8')
  expect(text).not.toContain('hunter2')
  expect((await lines())[0]).toMatchObject({
    password: '[secret]',
    ssh: { user: 'me', identityPassphrase: '[secret]', list: [{ apiToken: '[secret]' }] },
    value: '[secret]',
    bytes: '[7 bytes]',
    error: { code: 'x', message: 'outer', cause: { message: 'inner', password: '[secret]' } },
  })
})

test('what goes in a circle does not end the run', async () => {
  using log = await openLog(env, false)
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  log.info('round', circle)
  expect(await lines()).toHaveLength(1)
})

test('a large log moves aside; three old ones stay', async () => {
  await mkdir(join(file, '..'), { recursive: true })
  for (let run = 0; run < 5; run += 1) {
    await writeFile(file, `run ${run}\n`)
    await truncate(file, 5 * 1024 * 1024)
    using log = await openLog(env, false)
    log.info('new')
  }
  expect((await readdir(join(file, '..'))).sort()).toEqual(
    ['', '.1', '.2', '.3'].map((suffix) => `relay-backup.log${suffix}`),
  )
  expect((await readFile(`${file}.1`, 'utf8')).slice(0, 5)).toBe('run 4')
  expect((await readFile(`${file}.3`, 'utf8')).slice(0, 5)).toBe('run 2')
  expect(await lines()).toHaveLength(1)
})

test('a log that can’t be written fails nothing', async () => {
  await writeFile(join(root, 'relay-backup'), 'a file where the directory should be')
  using log = await openLog(env, false)
  expect(log.file).toBeUndefined()
  expect(() => log.error('lost')).not.toThrow()
})

test('a log that breaks while we run fails nothing', async () => {
  using log = await openLog(env, false)
  // As a full disk or a lost mount would, this makes every write fail.
  for (const descriptor of await readdir('/proc/self/fd')) {
    const target = await readlink(`/proc/self/fd/${descriptor}`).catch(() => '')
    if (target === file) closeSync(Number(descriptor))
  }
  expect(() => {
    log.error('lost')
    log.error('lost too')
  }).not.toThrow()
  await new Promise((resolve) => setImmediate(resolve))
  expect(await readFile(file, 'utf8')).toBe('')
})

test('after it was closed nothing is written to whatever has its descriptor then', async () => {
  const log = await openLog(env, false)
  log[Symbol.dispose]()
  log.info('late')
  expect(await readFile(file, 'utf8')).toBe('')
})

test('where it is', () => {
  expect(logDirectory({ HOME: '/home/me' })).toBe('/home/me/.local/state/relay-backup/log')
})

test('the reporter logs a run’s events but not the progress of bytes', async () => {
  using logger = await openLog(env, false)
  {
    const stream = fakeStream({ tty: false })
    await using reporter = createReporter({
      mode: 'quiet',
      stream,
      verbose: false,
      color: false,
      logger,
    })
    for (const event of RUN) reporter.event(event)
  }
  const logged = await lines()
  expect(logged.map((line) => line['msg'])).toEqual(
    RUN.map((event) => event.type).filter((type) => type !== 'archive-progress' && !type.endsWith('-step')),
  )
  expect(logged.find((line) => line['msg'] === 'source-failed')).toMatchObject({
    level: 'error',
    error: { code: 'redis-auth', details: { next: 'Correct it' } },
  })
})
