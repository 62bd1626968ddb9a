import { readMessage } from 'openpgp'
import { KeyError, UsageError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import { readAeadParameters } from './aead-data.ts'
import { ByteReader } from './byte-reader.ts'
import type { Rewrapper } from './contract.ts'
import { messageDamage } from './damage.ts'
import { gnuPGSessionKey } from './gnupg-session-key.ts'
import { noIdentity, unlockIdentity } from './identity.ts'
import type { PassphraseSources, RecipientsConfig } from './identity.ts'
import { readMessageHead } from './message-head.ts'
import { encodePacket, Tag } from './packets.ts'
import { fittingSessionKey, SESSION_KEY_TEST_BYTES } from './protected-data.ts'
import { loadRecipients, recipientFindings } from './recipients.ts'
import type { Recipient } from './recipients.ts'
import { openSessionKeys, sessionKeyPackets, type SessionKey } from './session-key.ts'

/** Bytes of the body that tell whether a session key fits: an AEAD packet's parameters are the longest. */
const BODY_START = 64

/** Who is to open the archives from now on, as changes of the config's recipients. */
export interface RecipientChange {
  /** Files of certificates. */
  readonly add: readonly string[]
  /** Fingerprints, upper-case hex. */
  readonly remove: readonly string[]
}

/**
 * Makes the rewrapper to the config's recipients, with the changes. Throws UsageError when nobody is left, and
 * KeyError for a recipient that can't be used, and for an identity that is not there or stays locked.
 */
export async function createRewrapper(
  config: RecipientsConfig,
  { add, remove }: RecipientChange,
  deps: PassphraseSources & { readonly now: Date },
): Promise<{ readonly rewrapper: Rewrapper; readonly findings: readonly Finding[] }> {
  const recipients = await loadRecipients([...config.recipients, ...add], deps.now, new Set(remove))
  if (recipients.length === 0) {
    throw new UsageError('Nobody could open the archives any more: no recipient is left', {
      next: 'Add one with --add KEY, or keep one of encryption.recipients.',
    })
  }
  const opener = await sessionKeyOpener(config, deps)
  const wanted = await encryptionKeyIds(recipients, deps.now)
  const to = { encryptionKeys: recipients.map(({ key }) => key), date: deps.now }
  const rewrapper: Rewrapper = {
    recipients: recipients.map(({ fingerprint }) => fingerprint),
    bodyStart: BODY_START,
    isDone: async (start) => {
      const { hasPassphrase, packets, data } = await readStart(start)
      return !hasPassphrase && areSame(await recipientIds(packets, data), wanted)
    },
    rewrap: async (start) => {
      const message = await readStart(start)
      if (message.hasPassphrase) throw openedByPassphrase()
      const key = await opener.open(message)
      const { aead } = message
      const head = await sessionKeyPackets({ ...key, ...(aead && { aeadAlgorithm: aead }) }, to)
      if (!areSame(await recipientIds(head, message.data), wanted))
        throw new Error('the new packets are for others than the recipients')
      await opener.prove?.({ ...message, packets: Buffer.from(head) }, key, wanted)
      return { head, offset: message.offset }
    },
  }
  const findings = [...recipientFindings(recipients), ...(opener.isAmong(wanted) ? [] : [leftOut()])]
  return { rewrapper, findings }
}

/** What the first bytes of a message tell. */
interface MessageStart {
  /** The session-key packets, encoded anew. */
  readonly packets: Buffer
  readonly hasPassphrase: boolean
  /** Where the encrypted packet begins. */
  readonly offset: number
  /** What openpgp.js has to see of the encrypted packet to open the session key. */
  readonly data: Buffer
  /** Of version 1: the first bytes of the ciphertext, which tell whether a key fits. */
  readonly test?: Buffer
  /** Of version 2, as openpgp.js names them: packets of version 6 do not carry the cipher. */
  readonly cipher?: string
  readonly aead?: 'ocb' | 'gcm'
}

async function readStart(start: Uint8Array): Promise<MessageStart> {
  const { packets, hasPassphrase, offset, body } = await readMessageHead(new ByteReader(only(start)))
  const version = await body.byte()
  const common = { packets, hasPassphrase, offset }
  if (version === 1) {
    const test = await body.exactly(SESSION_KEY_TEST_BYTES)
    return { ...common, data: Buffer.from([version]), test }
  }
  if (version !== 2) throw messageDamage('malformed', `its form (version ${version}) is not known here`)
  const { bytes, cipher, mode } = await readAeadParameters(body)
  return { ...common, data: bytes, cipher: cipher.replace('-', ''), aead: mode }
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** Who opens session keys, and where the private key is at hand, proves new packets with it. */
interface SessionKeyOpener {
  /** False when the identity is known to have none of these keys. */
  isAmong(wanted: readonly string[]): boolean
  open(message: MessageStart): Promise<SessionKey>
  /** Opens new packets, where they are for this identity too; throws when another key comes out. */
  prove?(message: MessageStart, key: SessionKey, wanted: readonly string[]): Promise<void>
}

async function sessionKeyOpener(
  config: RecipientsConfig,
  deps: PassphraseSources,
): Promise<SessionKeyOpener> {
  const { identity } = config
  if (identity === undefined) throw noIdentity()
  if ('gpg' in identity) {
    const { gpg } = identity
    return {
      isAmong: () => true,
      open: async ({ packets, data, test = Buffer.alloc(0) }) =>
        // The first bytes are random: gpg sees nothing of the content.
        gnuPGSessionKey(
          gpg,
          Buffer.concat([packets, encodePacket(Tag.seipd, Buffer.concat([data, test]))]),
          deps.signal,
        ),
    }
  }
  const decryptionKeys = await unlockIdentity(identity.file, config.identityPassphrase, deps)
  const notOurs = `The identity ${identity.file} does not open this archive`
  const open = async ({ packets, data, test, cipher = '' }: MessageStart): Promise<SessionKey> => {
    const keys = await openSessionKeys(packets, data, { decryptionKeys }, notOurs)
    const key = test === undefined ? keys[0] : fittingSessionKey(keys, test)
    if (key === undefined) throw messageDamage('mdc')
    return test === undefined ? { ...key, algorithm: cipher } : key
  }
  const isAmong = (wanted: readonly string[]) =>
    decryptionKeys.some((key) => key.getKeys().some((one) => wanted.includes(one.getKeyID().toHex())))
  return {
    isAmong,
    open,
    prove: async (message, key, wanted) => {
      if (!isAmong(wanted)) return
      const again = await open(message)
      if (!Buffer.from(again.data).equals(key.data))
        throw new Error('the new packets hold another session key')
    },
  }
}

/** Ids of the subkeys that are encrypted to, sorted. */
async function encryptionKeyIds(recipients: readonly Recipient[], now: Date): Promise<string[]> {
  const keys = await Promise.all(recipients.map(({ key }) => key.getEncryptionKey(undefined, now)))
  return keys.map((key) => key.getKeyID().toHex()).sort()
}

/** Ids of the keys that a message is encrypted to, sorted. */
async function recipientIds(packets: Uint8Array, data: Uint8Array): Promise<string[]> {
  const binaryMessage = Buffer.concat([packets, encodePacket(Tag.seipd, data)])
  const message = await readMessage({ binaryMessage }).catch((cause: unknown) => {
    throw messageDamage('malformed', undefined, cause)
  })
  return message
    .getEncryptionKeyIDs()
    .map((id) => id.toHex())
    .sort()
}

function areSame(found: readonly string[], wanted: readonly string[]): boolean {
  return found.length === wanted.length && found.every((id, at) => id === wanted[at])
}

function leftOut(): Finding {
  return {
    check: 'identity-left-out',
    outcome: 'warning',
    message: 'The identity of the config opens none of the archives afterwards: it is no recipient',
    next: 'Keep the private key of a recipient at hand, and name it under encryption.identity before the next restore.',
  }
}

function openedByPassphrase(): KeyError {
  return new KeyError('It is encrypted with a passphrase, which has no recipients to change', {
    next: 'Pull again with --full to have it encrypted to the recipients; retention removes this one in time.',
  })
}
