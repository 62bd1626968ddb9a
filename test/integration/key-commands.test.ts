import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { CommandContext, CommandOutcome } from '../../src/commands/context.ts'
import { keyCheck } from '../../src/commands/key-check.ts'
import { keyExport } from '../../src/commands/key-export.ts'
import { keyGenerate } from '../../src/commands/key-generate.ts'
import { keyImport } from '../../src/commands/key-import.ts'
import { keyList } from '../../src/commands/key-list.ts'
import { keyShow } from '../../src/commands/key-show.ts'
import { secretDelete } from '../../src/commands/secret-delete.ts'
import { secretGet } from '../../src/commands/secret-get.ts'
import { createDecryptor } from '../../src/crypto/decryptor.ts'
import { exportWarning } from '../../src/crypto/export-record.ts'
import { KeyError, SecretError, UsageError } from '../../src/errors.ts'
import type { EncryptionConfig } from '../../src/model/config.ts'
import { Secret } from '../../src/model/secret.ts'
import { commandContext } from '../lab/command-context.ts'
import { Gpg } from './crypto-gpg.ts'

const PASSPHRASE = 'tr0ub4dor and 3'
let dir: string
let context: CommandContext

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'keys-'))
  vi.stubEnv('TEST_PASSPHRASE', PASSPHRASE)
  context = commandContext('', dir, {
    globals: { json: false, quiet: false, verbose: false, color: false },
    env: { HOME: dir, XDG_STATE_HOME: join(dir, 'state') },
  })
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(dir, { recursive: true })
})

const generate = (flags: object = { passphraseEnv: 'TEST_PASSPHRASE' }) =>
  keyGenerate(context, [], { name: 'relay-backup', ...flags })

async function writeConfig(encryption: string): Promise<void> {
  const hosts = 'hosts:\n  prod: { ssh: u@example.com, deployment: ~/app }\n'
  await writeFile(join(dir, 'hosts.yaml'), `version: 1\nvault: ./vault\nencryption: ${encryption}\n${hosts}`)
}
const STANDARD =
  '{ recipients: [keys/backup.pub.asc], identity: keys/backup.key.asc, identityPassphrase: { env: TEST_PASSPHRASE } }'

async function failure(action: Promise<unknown>): Promise<KeyError> {
  return await action.then(
    () => expect.unreachable('it should have failed'),
    (error: unknown) => error as KeyError,
  )
}
const outcomes = ({ json }: CommandOutcome) =>
  Object.fromEntries(
    (json as { findings: { check: string; outcome: string }[] }).findings.map((one) => [
      one.check,
      one.outcome,
    ]),
  )
const mode = async (file: string) => (await stat(join(dir, file))).mode & 0o777

test('gpg 2.2 imports a generated pair, encrypts to it and opens with it', async () => {
  await generate()
  await using gpg = await Gpg.create()
  await gpg.run(['--passphrase', PASSPHRASE, '--import', join(dir, 'keys/backup.key.asc')])
  const details = (await gpg.run(['--with-colons', '--list-keys'])).toString()
  expect(details).toMatch(/^pub:.*:ed25519:/m)
  expect(details).toMatch(/^sub:.*:cv25519:/m)
  // No expiry.
  expect(details).toMatch(/^pub:[^:]*:[^:]*:22:[^:]*:\d+:::/m)
  const message = await gpg.run(['--trust-model', 'always', '-r', 'relay-backup', '--encrypt'], 'to the pair')
  expect((await gpg.run(['--passphrase', PASSPHRASE, '--decrypt'], message)).toString()).toBe('to the pair')

  const config = {
    mode: 'recipients',
    recipients: [],
    identity: { file: join(dir, 'keys/backup.key.asc') },
    identityPassphrase: { env: 'X' },
  } as unknown as EncryptionConfig
  const resolveSecret = async () => new Secret(PASSPHRASE)
  const decryptor = await createDecryptor(config, { resolveSecret, signal: context.signal })
  expect((await buffer(await decryptor.decrypt(Readable.from([message])))).toString()).toBe('to the pair')
})

test('the private file is locked and private; nothing of the passphrase is shown', async () => {
  const outcome = await generate()
  expect(await mode('keys/backup.key.asc')).toBe(0o600)
  expect(await mode('keys')).toBe(0o700)
  expect(outcome.text).toContain('identityPassphrase: { env: "TEST_PASSPHRASE" }')
  expect(JSON.stringify(outcome)).not.toContain(PASSPHRASE)
  const shown = await keyShow(context, ['keys/backup.key.asc'])
  expect(shown.text).toContain('locked by a passphrase')
})

test('keys are never overwritten, and a pair is written whole or not at all', async () => {
  await generate()
  const before = await readFile(join(dir, 'keys/backup.key.asc'), 'utf8')
  expect((await failure(generate())).message).toContain('exists already')
  expect(await readFile(join(dir, 'keys/backup.key.asc'), 'utf8')).toBe(before)
  await rm(join(dir, 'keys/backup.key.asc'))
  expect(await failure(generate())).toBeInstanceOf(KeyError)
  await expect(stat(join(dir, 'keys/backup.key.asc'))).rejects.toThrow('ENOENT')
})

test('without a terminal and a flag the error names the flags', async () => {
  const error = await failure(generate({}))
  expect(error).toBeInstanceOf(UsageError)
  expect(error.details.next).toContain('--passphrase-file')
  const both = { passphraseEnv: 'TEST_PASSPHRASE', passphrase: false }
  expect(await failure(generate(both))).toBeInstanceOf(UsageError)
})

test('keys go beside the config, wherever that is', async () => {
  await writeFile(join(dir, 'other.yaml'), '')
  const elsewhere = { ...context, cwd: '/', globals: { ...context.globals, config: join(dir, 'other.yaml') } }
  await keyGenerate(elsewhere, [], { name: 'x', passphrase: false })
  expect(await mode('keys/backup.pub.asc')).toBe(0o644)
})

test('check: a good pair is all ok once it was exported', async () => {
  await generate()
  await writeConfig(STANDARD)
  const before = await keyCheck(context)
  expect(before.exitCode).toBe(0)
  expect(outcomes(before)['identity-exported']).toBe('warning')
  await keyExport(context, [], { to: 'copy.asc' })
  const after = await keyCheck(context)
  expect(new Set(Object.values(outcomes(after)))).toEqual(new Set(['ok']))
})

test('check: each thing that is wrong is found', async () => {
  await generate()
  await writeConfig(STANDARD)
  vi.stubEnv('TEST_PASSPHRASE', 'wrong one')
  const locked = await keyCheck(context)
  expect(locked.exitCode).toBe(1)
  expect(outcomes(locked)['identity-opens']).toBe('failed')
  expect(locked.text).not.toContain('wrong one')
  vi.stubEnv('TEST_PASSPHRASE', PASSPHRASE)

  await chmod(join(dir, 'keys/backup.key.asc'), 0o644)
  expect(outcomes(await keyCheck(context))['identity-private']).toBe('failed')
  await chmod(join(dir, 'keys/backup.key.asc'), 0o600)

  await keyGenerate(context, [], { name: 'other', passphrase: false, out: 'other' })
  await writeConfig('{ recipients: [keys/backup.pub.asc], identity: other/backup.key.asc }')
  const foreign = outcomes(await keyCheck(context))
  expect(foreign).toMatchObject({ 'identity-locked': 'warning', 'identity-opens': 'failed' })

  await writeFile(join(dir, 'keys/backup.pub.asc'), 'nonsense')
  expect(outcomes(await keyCheck(context))['recipients-usable']).toBe('failed')
})

test('check: passphrase mode', async () => {
  await writeConfig('{ passphrase: { env: TEST_PASSPHRASE } }')
  expect(outcomes(await keyCheck(context))).toEqual({ 'identity-opens': 'ok' })
  await writeConfig('{ passphrase: { env: NOT_SET } }')
  expect((await keyCheck(context)).exitCode).toBe(1)
})

test('list shows recipients and identity, and a broken file does not hide the others', async () => {
  await generate()
  await writeConfig(STANDARD)
  const rows = (await keyList(context)).text.split('\n')
  expect(rows).toHaveLength(3)
  expect(rows[1]).toMatch(/^recipient {2}[0-9A-F]{40} {2}ed25519 \/ cv25519 .* never +yes/)
  await writeFile(join(dir, 'keys/backup.pub.asc'), 'nonsense')
  const broken = await keyList(context)
  expect(broken.exitCode).toBe(0)
  expect(broken.text).toContain('holds no OpenPGP key')
  expect(broken.text).toMatch(/^identity/m)
})

test('export copies the identity once, privately, and ends the warning', async () => {
  const { json } = await generate()
  const { fingerprint } = json as { fingerprint: string }
  await writeConfig(STANDARD)
  await keyExport(context, [], { to: 'copy.asc' })
  expect(await mode('copy.asc')).toBe(0o600)
  expect(await readFile(join(dir, 'copy.asc'))).toEqual(await readFile(join(dir, 'keys/backup.key.asc')))
  expect(await exportWarning(context.env, [fingerprint])).toBeUndefined()
  expect((await failure(keyExport(context, [], { to: 'copy.asc' }))).message).toContain('exists already')
})

test('import takes what gpg exports, public and private, and says how to configure it', async () => {
  await using gpg = await Gpg.create()
  const fingerprint = await gpg.makeKey('from gpg')
  await writeFile(join(dir, 'cert.gpg'), await gpg.run(['--export', fingerprint]))
  await writeFile(join(dir, 'private.asc'), await gpg.run(['--armor', '--export-secret-keys', fingerprint]))
  const name = fingerprint.slice(-16)

  const publicOnly = await keyImport(context, ['cert.gpg'], {})
  expect(publicOnly.text).toContain(`recipients: ["keys/${name}.pub.asc"]`)
  expect(publicOnly.text).not.toContain('identity:')
  expect((await failure(keyImport(context, ['private.asc'], {}))).message).toContain('exists already')
  await keyImport(context, ['private.asc'], { out: 'pair' })
  expect(await mode(`pair/${name}.key.asc`)).toBe(0o600)
  await writeConfig(`{ recipients: [keys/${name}.pub.asc], identity: pair/${name}.key.asc }`)
  expect(outcomes(await keyCheck(context))['identity-opens']).toBe('ok')
})

test('secret commands without a keychain name the other ways', async () => {
  vi.stubEnv('DBUS_SESSION_BUS_ADDRESS', 'unix:path=/nonexistent/bus')
  for (const command of [secretGet, secretDelete]) {
    const error = await failure(command(context, ['relay-backup/x']))
    expect(error).toBeInstanceOf(SecretError)
    expect(error.details.next).toContain('file: PATH')
  }
})
