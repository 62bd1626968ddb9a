import { decryptSessionKeys, encryptSessionKey, enums, readMessage } from 'openpgp'
import type { DecryptOptions, EncryptOptions } from 'openpgp'
import { KeyError } from '../errors.ts'
import { messageDamage } from './damage.ts'
import { encodePacket, Tag } from './packets.ts'

/** A message's session key, the cipher named as openpgp.js does: `aes256`. */
export interface SessionKey {
  /** Empty where the message itself names the cipher (SEIPD version 2). */
  readonly algorithm: string
  readonly data: Uint8Array
}

/** What opens messages, as openpgp.js takes it. */
export type Openers = Pick<DecryptOptions, 'decryptionKeys' | 'passwords'>
/** Whom messages are for, as openpgp.js takes it. */
export type To = Pick<EncryptOptions, 'passwords' | 'encryptionKeys' | 'date'>

/** How openpgp.js makes messages. */
export const MESSAGE_CONFIG = {
  preferredCompressionAlgorithm: enums.compression.uncompressed,
  // The strongest count there is (65,011,712 bytes hashed), in the form that GnuPG knows.
  s2kType: enums.s2k.iterated as enums.s2k.iterated,
  s2kIterationCountByte: 255,
}

/** The packets that hand a session key to those who may open the message. */
export async function sessionKeyPackets(
  { data, algorithm, aeadAlgorithm }: SessionKey & { readonly aeadAlgorithm?: 'ocb' | 'gcm' },
  to: To,
): Promise<Uint8Array> {
  return await encryptSessionKey({
    ...to,
    data,
    algorithm: algorithm as enums.symmetricNames,
    ...(aeadAlgorithm && { aeadAlgorithm }),
    format: 'binary',
    config: MESSAGE_CONFIG,
  })
}

/** openpgp.js opens the session key of a message. Of its data, it gets no more than `dataStart`. */
export async function openSessionKeys(
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
    // OpenPGP.js says the same of a key that is not asked for and of packets that do not open with it.
    throw wrongKey(
      notOurs,
      message.getEncryptionKeyIDs().map((id) => id.toHex().toUpperCase()),
    )
  }
}

/** The error for whoever holds another key than those that a message is for. */
export function wrongKey(notOurs: string, ids: readonly string[]): KeyError {
  return new KeyError(notOurs, {
    next:
      ids.length === 0
        ? 'It was encrypted with a passphrase: configure encryption.passphrase with the right one'
        : `It was encrypted to the key ids ${ids.join(', ')}: configure the identity of one of them`,
  })
}
