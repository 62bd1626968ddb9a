import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { createDecryptor } from '../../src/crypto/decryptor.ts'
import { createEncryptor } from '../../src/crypto/encryptor.ts'
import { DamageError, KeyError } from '../../src/errors.ts'
import type { EncryptionConfig } from '../../src/model/config.ts'
import { Secret } from '../../src/model/secret.ts'
import { Gpg } from './crypto-gpg.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

let gpg: Gpg
let dir: string
let certificate: string
let identity: string
let fingerprint: string
const unhandled: unknown[] = []
const note = (error: unknown) => unhandled.push(error)

beforeAll(async () => {
  process.on('unhandledRejection', note)
  gpg = await Gpg.create()
  dir = await mkdtemp(join(tmpdir(), 'crypto-'))
  fingerprint = await gpg.makeKey('backup')
  certificate = await save('backup.pub.asc', await gpg.run(['--armor', '--export', fingerprint]))
  identity = await save('backup.key.asc', await gpg.run(['--armor', '--export-secret-keys', fingerprint]))
})
afterEach(() => vi.unstubAllEnvs())
afterAll(async () => {
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('unhandledRejection', note)
  await gpg[Symbol.asyncDispose]()
  await rm(dir, { recursive: true })
  expect(unhandled).toEqual([])
})

async function save(name: string, bytes: Buffer | string): Promise<string> {
  await writeFile(join(dir, name), bytes, { mode: 0o600 })
  return join(dir, name)
}

const sources = (passphrase = 'open sesame', signal = new AbortController().signal) => ({
  resolveSecret: async () => new Secret(passphrase),
  now: new Date(),
  signal,
})
const withDefaults = (config: object) =>
  ({ aead: false, allowUnauthenticatedStream: true, ...config }) as unknown as EncryptionConfig
const own = (more: object = {}) =>
  withDefaults({ mode: 'recipients', recipients: [certificate], identity: { file: identity }, ...more })
const phrase = withDefaults({ mode: 'passphrase', passphrase: { env: 'X' } })

async function encryptAll(config: EncryptionConfig, plain: Buffer): Promise<Buffer> {
  const { encryptor } = await createEncryptor(config, sources())
  return await buffer(Readable.from([plain]).pipe((await encryptor.encrypt()).stream))
}

/** In pieces of a few sizes, as a disk gives them. */
function pieces(bytes: Buffer, size = 64 * 1024): Readable {
  const cut = function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
  }
  return Readable.from(cut(), { objectMode: false })
}

async function decryptAll(config: EncryptionConfig, message: Buffer, size?: number, passphrase?: string) {
  const decryptor = await createDecryptor(config, sources(passphrase))
  return await buffer(await decryptor.decrypt(pieces(message, size)))
}

async function failure(action: Promise<unknown>): Promise<unknown> {
  return await action.then(
    () => 'no failure',
    (error: unknown) => error,
  )
}

test.each([0, 1, 511, 512, 513, 65_535, 65_537, 1_048_577, 10_485_760])(
  '%i bytes come back, from us and from gpg, compressed or not',
  async (size) => {
    const plain = randomBytes(size)
    expect((await decryptAll(own(), await encryptAll(own(), plain))).equals(plain)).toBe(true)
    for (const more of [[], ['--compress-algo', 'none']]) {
      const args = ['--trust-model', 'always', ...more, '--encrypt', '-r', fingerprint]
      expect((await decryptAll(own(), await gpg.run(args, plain))).equals(plain)).toBe(true)
    }
  },
)

test('a message in pieces of one byte opens', async () => {
  const plain = randomBytes(3000)
  expect((await decryptAll(own(), await encryptAll(own(), plain), 1)).equals(plain)).toBe(true)
})

test.each([0, 1, 262_143, 262_144, 262_145, 524_288, 3_000_000])(
  '%i bytes come back in the AEAD form',
  async (size) => {
    const plain = randomBytes(size)
    expect(
      (await decryptAll(own({ aead: true }), await encryptAll(own({ aead: true }), plain))).equals(plain),
    ).toBe(true)
  },
)

test('passphrases of ours and of gpg open', async () => {
  const plain = randomBytes(300_000)
  for (const config of [phrase, { ...phrase, aead: true }])
    expect((await decryptAll(config, await encryptAll(config, plain))).equals(plain)).toBe(true)
  const file = await save('plain', plain)
  const symmetric = ['--passphrase-fd', '0', '-o', `${file}.gpg`, '--symmetric', file]
  await gpg.run(symmetric, 'open sesame')
  expect((await decryptAll(phrase, await readFile(`${file}.gpg`))).equals(plain)).toBe(true)
})

describe('the wrong key is not damage', () => {
  test('another identity', async () => {
    const other = await gpg.makeKey('other')
    const file = await save('other.key.asc', await gpg.run(['--armor', '--export-secret-keys', other]))
    const message = await encryptAll(own(), randomBytes(1000))
    const error = await failure(decryptAll(own({ identity: { file } }), message))
    expect(error).toBeInstanceOf(KeyError)
    expect((error as KeyError).message).toBe(`The identity ${file} does not open this archive`)
  })

  test('a wrong passphrase', async () => {
    const message = await encryptAll(phrase, randomBytes(1000))
    const error = await failure(decryptAll(phrase, message, 100, 'wrong horse'))
    expect(error).toBeInstanceOf(KeyError)
    expect(String(error)).not.toContain('wrong horse')
    // gpg derives the session key from the passphrase itself: any passphrase yields one.
    const file = join(dir, 'derived')
    await save('derived', 'x')
    await gpg.run(['--passphrase-fd', '0', '-o', `${file}.gpg`, '--symmetric', file], 'open sesame')
    const derived = await readFile(`${file}.gpg`)
    expect(await failure(decryptAll(phrase, derived, 100, 'wrong horse'))).toBeInstanceOf(KeyError)
  })

  test('a message for the other mode', async () => {
    const plain = randomBytes(1000)
    expect(await failure(decryptAll(own(), await encryptAll(phrase, plain)))).toBeInstanceOf(KeyError)
    expect(await failure(decryptAll(phrase, await encryptAll(own(), plain)))).toBeInstanceOf(KeyError)
  })
})

describe('damage', () => {
  test.each([
    ['to recipients', () => own()],
    ['with AEAD', () => own({ aead: true })],
  ])('every truncation of a small message %s fails', async (_name, config) => {
    const message = await encryptAll(config(), randomBytes(1200))
    for (let length = 0; length < message.length; length++)
      expect(await failure(decryptAll(config(), message.subarray(0, length))), `${length}`).toBeInstanceOf(
        DamageError,
      )
  })

  // openpgp.js 6.3 waited for ever on some packets that a changed byte made up: hence many tries.
  test.each([
    ['to recipients', () => own()],
    ['with AEAD', () => own({ aead: true })],
  ])('a changed bit of a message %s never yields other data, and never hangs', async (_name, config) => {
    const plain = randomBytes(600)
    const decryptor = await createDecryptor(config(), sources())
    for (let round = 0; round < 2; round++) {
      const message = await encryptAll(config(), plain)
      for (let at = 0; at < message.length; at++) {
        const changed = Buffer.from(message)
        changed[at]! ^= 1 << ((at + round) % 8)
        const outcome = await decryptor
          .decrypt(pieces(changed))
          .then(buffer)
          .catch((error: unknown) => error)
        // Not every bit counts: a few of a recipient's fingerprint only say whose the message is.
        if (outcome instanceof Buffer) expect(outcome.equals(plain), `byte ${at}`).toBe(true)
        else
          expect(
            outcome instanceof DamageError || outcome instanceof KeyError,
            `byte ${at}: ${String(outcome)}`,
          ).toBe(true)
      }
    }
  })

  test('bytes behind the end, one or a whole message, are damage', async () => {
    const message = await encryptAll(own(), randomBytes(600))
    for (const more of [Buffer.from('x'), message])
      expect(await failure(decryptAll(own(), Buffer.concat([message, more])))).toBeInstanceOf(DamageError)
  })

  test('a message without protection against changes is refused', async () => {
    const message = await encryptAll(own(), randomBytes(600))
    // Behind the one packet with the session key, whose length has one octet.
    const at = 2 + message[1]!
    expect(message[at]).toBe(0xd2)
    // The same data as a packet of the old, unprotected type 9.
    message[at] = 0xc9
    expect(await failure(decryptAll(own(), message))).toBeInstanceOf(DamageError)
  })

  test('damage in the middle of a large message ends the stream with the code for it', async () => {
    const message = await encryptAll(own(), randomBytes(3_000_000))
    message[1_500_000]! ^= 4
    expect(await failure(decryptAll(own(), message))).toMatchObject({ code: 'message-mdc' })
    const cut = message.subarray(0, 2_000_000)
    expect(await failure(decryptAll(own(), cut))).toMatchObject({ code: 'message-truncated' })
  })

  test('what is no message at all is damage', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('hello'), Buffer.alloc(1000)])
      expect(await failure(decryptAll(own(), bytes))).toBeInstanceOf(DamageError)
  })

  test('a disk that fails is reported as itself', async () => {
    const message = await encryptAll(own(), randomBytes(500_000))
    const read = async function* () {
      yield message.subarray(0, 200_000)
      throw new Error('disk on fire')
    }
    const { decrypt } = await createDecryptor(own(), sources())
    const error = await failure(decrypt(Readable.from(read())).then(buffer))
    expect(error).toMatchObject({ message: 'disk on fire' })
  })
})

test('closing the output early closes the input', async () => {
  const message = await encryptAll(own(), randomBytes(2_000_000))
  for (const started of [false, true]) {
    const input = pieces(message, 1000)
    const output = await (await createDecryptor(own(), sources())).decrypt(input)
    if (started) await new Promise((resolve) => output.once('data', resolve))
    const closed = new Promise((resolve) => input.once('close', resolve))
    output.destroy()
    await closed
    // Not by reading it to its end.
    expect(input.readableEnded).toBe(false)
    expect(output.readableEnded).toBe(false)
  }
})

describe('the identity file', () => {
  test('is refused when others can read it', async () => {
    const open = await save('open.key.asc', await gpg.run(['--armor', '--export-secret-keys', fingerprint]))
    await chmod(open, 0o640)
    const error = await failure(createDecryptor(own({ identity: { file: open } }), sources()))
    expect(error).toBeInstanceOf(KeyError)
    expect((error as KeyError).details.next).toBe(`chmod 600 ${open}`)
  })

  test('that is locked opens with the configured passphrase or by asking, else says what to set', async () => {
    await using locker = await Gpg.create()
    await locker.run([
      '--passphrase',
      'swordfish',
      '--quick-gen-key',
      'locked',
      'future-default',
      'default',
      'never',
    ])
    await locker.run(['--passphrase', 'swordfish', '-o', join(dir, 'locked.key'), '--export-secret-keys'])
    await chmod(join(dir, 'locked.key'), 0o600)
    const pub = await save('locked.pub', await locker.run(['--export']))
    const file = join(dir, 'locked.key')
    const config = own({ recipients: [pub], identity: { file } })
    const configured = own({ recipients: [pub], identity: { file }, identityPassphrase: { env: 'X' } })
    const message = await encryptAll(config, Buffer.from('secret'))

    expect((await decryptAll(configured, message, 100, 'swordfish')).toString()).toBe('secret')
    const asking = { ...sources(), askPassphrase: async () => new Secret('swordfish') }
    const asked = await createDecryptor(config, asking)
    expect((await buffer(await asked.decrypt(pieces(message)))).toString()).toBe('secret')
    // A slip of the finger is mended by typing it again, three times in all.
    const typing = (...answers: string[]) => {
      const prompts: string[] = []
      const askPassphrase = (prompt: string) => {
        prompts.push(prompt)
        return Promise.resolve(new Secret(answers[prompts.length - 1] ?? ''))
      }
      return { prompts, ready: createDecryptor(config, { ...sources(), askPassphrase }) }
    }
    const slip = typing('sw0rdfish', 'swordfish')
    expect((await buffer(await (await slip.ready).decrypt(pieces(message)))).toString()).toBe('secret')
    expect(slip.prompts).toEqual([
      `Passphrase of ${basename(file)}`,
      `That one does not unlock it. Passphrase of ${basename(file)}`,
    ])
    const unknown = typing('a', 'b', 'c', 'swordfish')
    expect(await failure(unknown.ready)).toBeInstanceOf(KeyError)
    expect(unknown.prompts).toHaveLength(3)
    // What the config names is taken as it is: nobody is asked for it.
    let isAsked = false
    const named = createDecryptor(configured, {
      ...sources('sw0rdfish'),
      askPassphrase: () => {
        isAsked = true
        return Promise.resolve(new Secret('swordfish'))
      },
    })
    expect(await failure(named)).toBeInstanceOf(KeyError)
    expect(isAsked).toBe(false)

    const wrong = await failure(decryptAll(configured, message, 100, 'sw0rdfish'))
    expect(wrong).toBeInstanceOf(KeyError)
    expect((wrong as KeyError).message).toContain('does not unlock')
    expect(JSON.stringify(wrong) + String(wrong)).not.toContain('sw0rdfish')
    expect(await failure(decryptAll(config, message))).toMatchObject({
      details: { next: expect.stringContaining('identityPassphrase') },
    })
  })

  test('must hold a private key', async () => {
    const error = await failure(createDecryptor(own({ identity: { file: certificate } }), sources()))
    expect(error).toBeInstanceOf(KeyError)
    expect((error as KeyError).message).toContain('only a public key')
  })
})

describe('through gpg', () => {
  const byGpg = () => own({ identity: { gpg: fingerprint } })

  test('opens what was encrypted to its key', async () => {
    vi.stubEnv('GNUPGHOME', gpg.home)
    const plain = randomBytes(5_000_000)
    expect((await decryptAll(byGpg(), await encryptAll(own(), plain))).equals(plain)).toBe(true)
  })

  test('damage and a missing key are told apart', async () => {
    const message = await encryptAll(own(), randomBytes(500_000))
    await using empty = await Gpg.create()
    vi.stubEnv('GNUPGHOME', empty.home)
    expect(await failure(decryptAll(byGpg(), message))).toBeInstanceOf(KeyError)
    vi.stubEnv('GNUPGHOME', gpg.home)
    const cut = message.subarray(0, 300_000)
    expect(await failure(decryptAll(byGpg(), cut))).toBeInstanceOf(DamageError)
    message[300_000]! ^= 1
    expect(await failure(decryptAll(byGpg(), message))).toBeInstanceOf(DamageError)
    expect(await failure(decryptAll(byGpg(), Buffer.from('hello')))).toBeInstanceOf(DamageError)
  })

  test('no gpg installed says so', async () => {
    vi.stubEnv('PATH', dir)
    const error = await failure(decryptAll(byGpg(), Buffer.from('x')))
    expect(error).toBeInstanceOf(KeyError)
    expect((error as KeyError).message).toContain('not installed')
  })
})
