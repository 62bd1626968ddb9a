import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateKey } from 'openpgp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tempDir } from '../lab/temp.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const START =
  'const [file, ...args] = process.argv.slice(1); const { main } = await import(file); await main(["node", "relay-backup", ...args])'

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'relay-backup-config-commands-'))
})

afterAll(async () => {
  await rm(directory, { recursive: true })
})

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line from its source, in a process of its own. */
function relayBackup(...args: string[]): Promise<Outcome> {
  const { RELAY_BACKUP_CONFIG: _, ...env } = process.env
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--input-type=module', '-e', START, join(project, 'src/main.ts'), ...args],
      { cwd: directory, env: { ...env, HOME: directory, XDG_CONFIG_HOME: '' } },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    )
  })
}

test('without a config file: exit 2, and where it looked', async () => {
  const { code, stdout, stderr } = await relayBackup('config', 'check')
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(
    `looked for ${directory}/hosts.yaml and ${directory}/.config/relay-backup/hosts.yaml`,
  )
  expect(stderr).toMatch(/\nNext: .*key generate/)
})

test('a config whose key files are not there was called ok', async () => {
  await copyFile(join(project, 'hosts.example.yaml'), join(directory, 'keyless.yaml'))
  const { code, stdout, stderr } = await relayBackup('config', 'check', '--config', 'keyless.yaml')
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(
    `encryption.recipients: The key file ${directory}/keys/backup.pub.asc does not exist`,
  )
  expect(stderr).toContain(
    `encryption.identity: The key file ${directory}/keys/backup.key.asc does not exist`,
  )
  // What opens the backups that are there is the copy of the old key.
  expect(stderr).toMatch(
    /backup\.key\.asc does not exist\n +Bring back the copy .* a new key opens none of them/,
  )
  expect(stderr).toMatch(/backup\.pub\.asc does not exist\n +Put the key back there.*no backup was made yet/)
})

test('the example is good: exit 0, and what it means', async () => {
  await using temp = await tempDir('relay-backup-config-example-')
  const file = join(temp.path, 'hosts.example.yaml')
  await copyFile(join(project, 'hosts.example.yaml'), file)
  const key = await generateKey({ type: 'ecc', userIDs: [{ name: 'example' }], format: 'armored' })
  await mkdir(join(temp.path, 'keys'))
  await writeFile(join(temp.path, 'keys/backup.pub.asc'), key.publicKey)
  await writeFile(join(temp.path, 'keys/backup.key.asc'), key.privateKey, { mode: 0o600 })
  const { code, stdout, stderr } = await relayBackup('config', 'check', '--config', file)
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain('hosts.example.yaml: ok\n')
  expect(stdout).toContain(
    'staging: deploy@192.0.2.10:2222, /srv/relay\n  sources: redis (redis), cache (redis), data (files)\n',
  )
})

test('a broken config: exit 2, every problem with its line, and no escape codes into a pipe', async () => {
  await writeFile(
    join(directory, 'broken.yaml'),
    'version: 1\nvualt: x\nencryption: { passphrase: hunter2 }\nhosts: {}\n',
  )
  const text = await relayBackup('config', 'check', '--config', 'broken.yaml')
  expect([text.code, text.stdout]).toEqual([2, ''])
  expect(text.stderr).toContain(
    `${directory}/broken.yaml:2:1: vualt: unknown key\n    Did you mean "vault"?\n`,
  )
  expect(text.stderr).not.toMatch(/\x1b|hunter2/)

  const json = await relayBackup('config', 'check', '--config', 'broken.yaml', '--json')
  expect(json.code).toBe(2)
  const { error } = JSON.parse(json.stdout) as { error: { code: string; problems: { path: string }[] } }
  expect(error.code).toBe('config')
  expect(error.problems.map((problem) => problem.path)).toEqual([
    'vault',
    'vualt',
    'encryption.passphrase',
    'hosts',
  ])
})

test('the schema, with no config at all, is the committed file', async () => {
  const { code, stdout } = await relayBackup('config', 'schema')
  expect(code).toBe(0)
  expect(stdout).toBe(await readFile(join(project, 'hosts.schema.json'), 'utf8'))
})
