import { Readable } from 'node:stream'
import type { EncryptionConfig } from '../model/config.ts'
import { openAeadData, readAeadParameters } from './aead-data.ts'
import { ByteReader } from './byte-reader.ts'
import type { Decryptor } from './contract.ts'
import { messageDamage } from './damage.ts'
import { gnuPGDecryptor } from './gnupg-decryptor.ts'
import { noIdentity, unlockIdentity } from './identity.ts'
import type { PassphraseSources } from './identity.ts'
import { literalContent } from './literal-content.ts'
import { readMessageHead } from './message-head.ts'
import { fittingSessionKey, openProtectedData, SESSION_KEY_TEST_BYTES } from './protected-data.ts'
import { openSessionKeys, wrongKey, type Openers } from './session-key.ts'

/**
 * Makes the decryptor that the config describes: from the identity file (mode 0600, its passphrase from the
 * config or asked for), through the user's own gpg, or with the passphrase. Throws KeyError, SecretError.
 */
export async function createDecryptor(
  config: EncryptionConfig,
  sources: PassphraseSources,
): Promise<Decryptor> {
  if (config.mode === 'passphrase') {
    const passphrase = await sources.resolveSecret(config.passphrase, sources.signal)
    return streamDecryptor(
      () => ({ passwords: passphrase.reveal() }),
      'The passphrase does not open this archive',
    )
  }
  const { identity } = config
  if (identity === undefined) throw noIdentity()
  if ('gpg' in identity) return gnuPGDecryptor(identity.gpg, sources.signal)
  const decryptionKeys = await unlockIdentity(identity.file, config.identityPassphrase, sources)
  return streamDecryptor(
    () => ({ decryptionKeys }),
    `The identity ${identity.file} does not open this archive`,
  )
}

function streamDecryptor(openers: () => Openers, notOurs: string): Decryptor {
  return {
    decrypt: async (message) => {
      const plain = openMessage(new ByteReader(message), openers, notOurs)
      const output = Readable.from(plain, { objectMode: false, highWaterMark: 256 * 1024 })
      return output.once('close', () => message.destroy())
    },
  }
}

/**
 * The session key is opened first. When that fails, the identity is the wrong one; when something fails later, the
 * message is damaged.
 */
async function* openMessage(
  reader: ByteReader,
  openers: () => Openers,
  notOurs: string,
): AsyncGenerator<Uint8Array> {
  const { packets, body } = await readMessageHead(reader)
  yield* openBody(packets, body, openers(), notOurs)
  if (!(await reader.atEnd())) throw messageDamage('malformed', 'there are bytes behind its end')
}

async function* openBody(
  head: Buffer,
  body: ByteReader,
  openers: Openers,
  notOurs: string,
): AsyncGenerator<Uint8Array> {
  const version = await body.byte()
  if (version === 2) {
    const parameters = await readAeadParameters(body)
    const keys = await openSessionKeys(head, parameters.bytes, openers, notOurs)
    yield* literalContent(new ByteReader(openAeadData(body, parameters, keys)))
  } else if (version === 1) {
    const start = await body.exactly(SESSION_KEY_TEST_BYTES)
    const keys = await openSessionKeys(head, Buffer.from([version]), openers, notOurs)
    const key = fittingSessionKey(keys, start)
    // A wrong passphrase yields a key, a wrong private key does not.
    if (key === undefined)
      throw openers.passwords === undefined ? messageDamage('mdc') : wrongKey(notOurs, [])
    yield* openProtectedData(startingWith(start, body), key)
  } else throw messageDamage('malformed', `its form (version ${version}) is not known here`)
}

async function* startingWith(start: Uint8Array, rest: ByteReader): AsyncGenerator<Uint8Array> {
  yield start
  yield* rest.rest()
}
