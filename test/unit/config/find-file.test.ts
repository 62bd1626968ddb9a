import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findConfigFile } from '../../../src/config/find-file.ts'
import { loadConfig } from '../../../src/config/load.ts'
import type { RelayError } from '../../../src/errors.ts'
import { ConfigError, UsageError } from '../../../src/errors.ts'

let root: string
let cwd: string
let env: NodeJS.ProcessEnv

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'relay-backup-config-'))
  cwd = join(root, 'cwd')
  env = { HOME: join(root, 'home') }
  await mkdir(cwd)
})

afterEach(async () => {
  await rm(root, { recursive: true })
})

async function put(path: string, text: string | Buffer = ''): Promise<string> {
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, text)
  return path
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

test('the first of --config, the environment, the directory, XDG and ~/.config', async () => {
  const home = await put(join(root, 'home/.config/relay-backup/hosts.yaml'))
  expect(await findConfigFile({ cwd, env })).toBe(home)
  env['XDG_CONFIG_HOME'] = join(root, 'xdg')
  const xdg = await put(join(root, 'xdg/relay-backup/hosts.yaml'))
  expect(await findConfigFile({ cwd, env })).toBe(xdg)
  const here = await put(join(cwd, 'hosts.yaml'))
  expect(await findConfigFile({ cwd, env })).toBe(here)
  env['RELAY_BACKUP_CONFIG'] = await put(join(root, 'env.yaml'))
  expect(await findConfigFile({ cwd, env })).toBe(env['RELAY_BACKUP_CONFIG'])
  const flag = await put(join(cwd, 'flag.yaml'))
  expect(await findConfigFile({ file: 'flag.yaml', cwd, env })).toBe(flag)
})

test('without any file it says where it looked and what to do', async () => {
  const error = await failureOf(findConfigFile({ cwd, env }))
  expect(error).toBeInstanceOf(UsageError)
  const { message, details } = error as RelayError
  expect(message).toContain(join(cwd, 'hosts.yaml'))
  expect(message).toContain(join(root, 'home/.config/relay-backup/hosts.yaml'))
  expect(details.next).toMatch(/hosts\.example\.yaml.*key generate/)
})

test('a place that was named must have the file: no other is taken instead', async () => {
  await put(join(cwd, 'hosts.yaml'))
  expect(await failureOf(findConfigFile({ file: 'no.yaml', cwd, env }))).toMatchObject({
    message: `No config file at ${join(cwd, 'no.yaml')} (from --config)`,
  })
  env['RELAY_BACKUP_CONFIG'] = join(root, 'gone.yaml')
  expect(await failureOf(findConfigFile({ cwd, env }))).toMatchObject({
    message: `No config file at ${join(root, 'gone.yaml')} (from $RELAY_BACKUP_CONFIG)`,
  })
})

test('a directory of that name is no config', async () => {
  await mkdir(join(cwd, 'hosts.yaml'))
  expect(await failureOf(findConfigFile({ cwd, env }))).toBeInstanceOf(UsageError)
})

test('bytes that are no UTF-8 are refused', async () => {
  await put(join(cwd, 'hosts.yaml'), Buffer.from([0x76, 0xff, 0xfe]))
  const error = await failureOf(loadConfig({ cwd, env }))
  expect(error).toBeInstanceOf(ConfigError)
  expect((error as ConfigError).problems[0]?.message).toBe('The file is not UTF-8 text')
})

test('paths are relative to the file, not to where the command runs', async () => {
  await put(
    join(root, 'elsewhere/hosts.yaml'),
    'version: 1\nvault: vault\nencryption: { recipients: [../k.asc] }\nhosts: { a: { ssh: b } }\n',
  )
  const config = await loadConfig({ file: '../elsewhere/hosts.yaml', cwd, env })
  expect(config).toMatchObject({
    file: join(root, 'elsewhere/hosts.yaml'),
    vault: join(root, 'elsewhere/vault'),
    encryption: { recipients: [join(root, 'k.asc')] },
  })
})
