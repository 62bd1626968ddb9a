import { Readable } from 'node:stream'
import { decryptSessionKeys, readMessage } from 'openpgp'
import type { DecryptOptions } from 'openpgp'
import { KeyError } from '../errors.ts'
import type { EncryptionConfig } from '../model/config.ts'
import { openAeadData, readAeadParameters } from './aead-data.ts'
import { ByteReader } from './byte-reader.ts'
import type { Decryptor } from './contract.ts'
import { messageDamage } from './damage.ts'
import { gnuPGDecryptor } from './gnupg-decryptor.ts'
import { unlockIdentity } from './identity.ts'
import type { PassphraseSources } from './identity.ts'
import { literalContent } from './literal-content.ts'
import { encodePacket, readPacket, Tag } from './packets.ts'
import { fittingSessionKey, openProtectedData, SESSION_KEY_TEST_BYTES } from './protected-data.ts'
import type { SessionKey } from './session-key.ts'

type Openers = Pick<DecryptOptions, 'decryptionKeys' | 'passwords'>

/**
 * The most bytes of a packet that carries the session key. Ours have fewer than 100; those for large RSA keys have
 * 2,000.
 */
const HEAD_PACKET_LIMIT = 16 * 1024
/** The most recipients of one message that are looked through. */
const HEAD_PACKETS = 1000

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
  if (identity === undefined)
    throw new KeyError('The config names no identity that could open archives', {
      next: 'Set encryption.identity to the private key file, or to { gpg: KEYID }',
    })
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
  const head: Buffer[] = []
  for (;;) {
    const { tag, body } = await readPacket(reader)
    const content = new ByteReader(body)
    if (tag === Tag.seipd) {
      yield* openBody(Buffer.concat(head), content, openers(), notOurs)
      break
    }
    const isHead = tag === Tag.pkesk || tag === Tag.skesk || tag === Tag.marker || tag === Tag.padding
    if (!isHead || head.length === HEAD_PACKETS) throw messageDamage('malformed')
    head.push(encodePacket(tag, await headPacket(content)))
  }
  if (!(await reader.atEnd())) throw messageDamage('malformed', 'there are bytes behind its end')
}

async function headPacket(content: ByteReader): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of content.rest()) {
    parts.push(part)
    length += part.length
    if (length > HEAD_PACKET_LIMIT) throw messageDamage('malformed')
  }
  return Buffer.concat(parts)
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
    const keys = await sessionKeys(head, parameters.bytes, openers, notOurs)
    yield* literalContent(new ByteReader(openAeadData(body, parameters, keys)))
  } else if (version === 1) {
    const start = await body.exactly(SESSION_KEY_TEST_BYTES)
    const keys = await sessionKeys(head, Buffer.from([version]), openers, notOurs)
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

/** openpgp.js opens the session key of a message. Of its data, it gets no more than `dataStart`. */
async function sessionKeys(
  head: Buffer,
  dataStart: Uint8Array,
  openers: Openers,
  notOurs: string,
): Promise<SessionKey[]> {
  const bytes = Buffer.concat([head, encodePacket(Tag.seipd, dataStart)])
  const message = await readMessage({ binaryMessage: bytes }).catch((cause: unknown) => {
    throw messageDamage('malformed', undefined, cause)
  })
  try {
    const keys = await decryptSessionKeys({ message, ...openers })
    return keys.map(({ data, algorithm }) => ({ data, algorithm: algorithm ?? '' }))
  } catch {
    throw wrongKey(
      notOurs,
      message.getEncryptionKeyIDs().map((id) => id.toHex().toUpperCase()),
    )
  }
}

function wrongKey(notOurs: string, ids: readonly string[]): KeyError {
  return new KeyError(notOurs, {
    next:
      ids.length === 0
        ? 'It was encrypted with a passphrase: configure encryption.passphrase with the right one'
        : `It was encrypted to the key ids ${ids.join(', ')}: configure the identity of one of them`,
  })
}
