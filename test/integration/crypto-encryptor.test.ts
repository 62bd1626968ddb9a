import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { generateKey } from 'openpgp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEncryptor } from '../../src/crypto/encryptor.ts'
import { KeyError } from '../../src/errors.ts'
import type { EncryptionConfig } from '../../src/model/config.ts'
import { Secret } from '../../src/model/secret.ts'
import { Gpg } from './crypto-gpg.ts'

let gpg: Gpg
let dir: string
beforeAll(async () => {
  gpg = await Gpg.create()
  dir = await mkdtemp(join(tmpdir(), 'crypto-'))
})
afterAll(async () => {
  await gpg[Symbol.asyncDispose]()
  await rm(dir, { recursive: true })
})

const make = (encryption: object, now = new Date()) =>
  createEncryptor(
    { aead: false, allowUnauthenticatedStream: false, ...encryption } as unknown as EncryptionConfig,
    { resolveSecret: async () => new Secret('open sesame'), now, signal: new AbortController().signal },
  )
const toFiles = (...recipients: string[]) => ({ mode: 'recipients', recipients })

async function encryptAll(encryption: object, plain: Buffer, chunk = 65_536): Promise<Buffer> {
  const { encryptor } = await make(encryption)
  const pieces = function* () {
    for (let at = 0; at < plain.length; at += chunk) yield plain.subarray(at, at + chunk)
  }
  return await buffer(Readable.from(pieces()).pipe((await encryptor.encrypt()).stream))
}

async function exportTo(file: string, ...fingerprints: string[]): Promise<string> {
  const path = join(dir, file)
  const parts = file.endsWith('.gpg')
    ? [await gpg.run(['--export', ...fingerprints])]
    : await Promise.all(fingerprints.map((each) => gpg.run(['--armor', '--export', each])))
  await writeFile(path, Buffer.concat(parts))
  return path
}

test.each([0, 1, 511, 512, 513, 65_535, 65_536, 65_537, 1_048_575, 1_048_577, 10_485_760])(
  'gpg opens a message of %i bytes',
  async (size) => {
    const file = await exportTo(`size.asc`, await gpg.makeKey(`size ${size}`))
    const plain = randomBytes(size)
    const opened = await gpg.run(['--decrypt'], await encryptAll(toFiles(file), plain, 1 + (size % 99_991)))
    expect(opened.equals(plain)).toBe(true)
  },
)

test('the message is what stock gpg 2.2 expects: MDC, AES-256, uncompressed, binary', async () => {
  const file = await exportTo('form.asc', await gpg.makeKey('form'))
  const message = await encryptAll(toFiles(file), randomBytes(100_000))
  const path = await save('form.gpg', message)
  const packets = (await gpg.run(['--list-packets', path])).toString()
  const opened = await gpg.run(['--status-fd', '1', '--output', join(dir, 'form'), '--decrypt', path])
  // MDC, AES-256.
  expect(opened.toString()).toContain('[GNUPG:] DECRYPTION_INFO 2 9')
  expect(packets).toContain('mdc_method: 2')
  expect(packets).toMatch(/literal data packet:\n\s+mode b /)
  expect(packets).not.toContain('compressed')
})

test('every recipient of several files and of several blocks in one file opens the message', async () => {
  const names = ['ann', 'bob', 'cleo']
  const keys = [await gpg.makeKey('ann'), await gpg.makeKey('bob'), await gpg.makeKey('cleo')] as const
  const both = await exportTo('both.asc', keys[0], keys[1])
  const binary = await exportTo('one.gpg', keys[2])
  const { encryptor, findings } = await make(toFiles(both, binary))
  expect(encryptor.recipients).toEqual(keys)
  expect(findings).toEqual([])
  const message = await encryptAll(toFiles(both, binary), Buffer.from('for three'))
  for (const [at, name] of names.entries()) {
    await using other = await Gpg.create()
    await other.run(['--import'], await gpg.run(['--export-secret-keys', keys[at]!]))
    expect((await other.run(['--decrypt'], message)).toString(), name).toBe('for three')
  }
})

test('gpg opens a passphrase message, and its key derivation is slow', async () => {
  const message = await encryptAll({ mode: 'passphrase', passphrase: { env: 'X' } }, Buffer.from('hello'))
  const opened = await gpg.run(
    ['--passphrase-fd', '0', '--decrypt', await save('pw.gpg', message)],
    'open sesame',
  )
  expect(opened.toString()).toBe('hello')
  const packets = await gpg.run(
    ['--passphrase-fd', '0', '--list-packets', join(dir, 'pw.gpg')],
    'open sesame',
  )
  expect(packets.toString()).toMatch(/cipher 9, .*s2k 3, hash 8[^]*count 65011712/)
})

async function save(name: string, bytes: Buffer): Promise<string> {
  await writeFile(join(dir, name), bytes)
  return join(dir, name)
}

test('a recipient that expired refuses them all, and names file and fingerprint', async () => {
  const good = await exportTo('good.asc', await gpg.makeKey('good'))
  const key = await gpg.makeKey('expired', { fakedTime: '20200101T000000', expires: '2021-01-01' })
  const file = await exportTo('expired.asc', key)
  const error = await make(toFiles(good, file)).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(KeyError)
  expect((error as KeyError).message).toBe(
    `The recipient ${key} (${file}) can't be used: it expired on 2021-01-01`,
  )
  expect((error as KeyError).details.next).toContain('--quick-set-expire')
  await expect(make(toFiles(file), new Date('2020-06-01'))).resolves.toBeDefined()
})

test('a key without an encryption subkey is refused', async () => {
  const file = await exportTo('sign.asc', await gpg.makeKey('sign only', { encryption: false }))
  await expect(make(toFiles(file))).rejects.toThrow(/it has no encryption subkey/)
})

test('a revoked key is refused', async () => {
  const key = await gpg.makeKey('revoked')
  const certificate = `${gpg.home}/openpgp-revocs.d/${key}.rev`
  await gpg.run(['--import'], (await readFile(certificate, 'utf8')).replace(':-----BEGIN', '-----BEGIN'))
  const file = await exportTo('revoked.asc', key)
  await expect(make(toFiles(file))).rejects.toThrow(/it is revoked/)
})

test('a key from the future means a clock that went backwards', async () => {
  const file = await exportTo('future.asc', await gpg.makeKey('future'))
  await expect(make(toFiles(file), new Date('2020-01-01'))).rejects.toThrow(/after the time of this computer/)
})

test.each([
  ['missing.asc', undefined, /does not exist/],
  ['text.asc', 'hello', /holds no OpenPGP key/],
  ['empty.asc', '', /holds no OpenPGP key/],
  ['cut.asc', '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ', /holds no OpenPGP key/],
])('%s is a KeyError that names the file', async (name, content, message) => {
  if (content !== undefined) await writeFile(join(dir, name), content)
  const error = await make(toFiles(join(dir, name))).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(KeyError)
  expect((error as KeyError).message).toMatch(message)
  expect((error as KeyError).message).toContain(join(dir, name))
})

test('recipients that gpg 2.2 cannot open are warned of', async () => {
  const { publicKey } = await generateKey({ type: 'curve25519', userIDs: [{ name: 'new' }] })
  const six = await generateKey({ type: 'curve25519', userIDs: [{ name: 'six' }], config: { v6Keys: true } })
  await writeFile(join(dir, 'new.asc'), `${publicKey}\n${six.publicKey}`)
  const { findings } = await make(toFiles(join(dir, 'new.asc')))
  expect(findings.map(({ outcome, message }) => `${outcome} ${message}`)).toEqual([
    expect.stringMatching(/^warning GnuPG 2.2 can't open .* it uses ed25519$/),
    expect.stringMatching(/^warning GnuPG 2.2 can't open .* it is a version 6 key$/),
  ])
})
