import { randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { createMessage, encrypt } from 'openpgp'
import type { KeyError } from '../errors.ts'
import type { EncryptionConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import type { Secret, SecretReference } from '../model/secret.ts'
import { encryptBody } from './body-encryption.ts'
import type { EncryptedMessage, Encryptor } from './contract.ts'
import { recipientFindings, loadRecipients } from './recipients.ts'
import { MESSAGE_CONFIG, sessionKeyPackets, type To } from './session-key.ts'
import { webTransform } from './web-transform.ts'

/** Bytes of the session key (AES-256). */
const SESSION_KEY_BYTES = 32

/**
 * Makes the encryptor that the config asks for. Every recipient must be usable at `now`, else KeyError. The
 * findings are warnings about recipients. Messages open with GnuPG 2.2 (AES-256, SEIPD version 1, no
 * compression) unless `aead` is set (SEIPD version 2, AES-256-GCM).
 */
export async function createEncryptor(
  config: EncryptionConfig,
  deps: {
    readonly resolveSecret: (reference: SecretReference, signal: AbortSignal) => Promise<Secret>
    readonly now: Date
    readonly signal: AbortSignal
  },
): Promise<{ readonly encryptor: Encryptor; readonly findings: Finding[] }> {
  if (config.mode === 'passphrase') {
    const passphrase = await deps.resolveSecret(config.passphrase, deps.signal)
    // The passphrase is revealed for one message at a time, so that no other place holds its text.
    const encryptor = encryptorFor([], config.aead, () => ({ passwords: passphrase.reveal() }))
    return {
      encryptor: { ...encryptor, passphraseTag: (salt) => tagOf(passphrase, salt) },
      findings: [],
    }
  }
  const recipients = await loadRecipients(config.recipients, deps.now)
  const encryptionKeys = recipients.map(({ key }) => key)
  return {
    encryptor: encryptorFor(
      recipients.map(({ fingerprint }) => fingerprint),
      config.aead,
      () => ({ encryptionKeys, date: deps.now }),
    ),
    findings: recipientFindings(recipients),
  }
}

/** Stands for an encryptor that can't be made: whatever is to be encrypted fails with the reason. */
export function refusingEncryptor(problem: KeyError): Encryptor {
  return { recipients: [], encrypt: () => Promise.reject(problem) }
}

async function tagOf(passphrase: Secret, salt: string): Promise<string> {
  const key = await promisify<string, string, number, Buffer>(scrypt)(passphrase.reveal(), salt, 32)
  return key.toString('hex')
}

function encryptorFor(recipients: readonly string[], aead: boolean, to: () => To): Encryptor {
  return { recipients, encrypt: () => (aead ? encryptAead(to()) : encryptWithMdc(to())) }
}

/** openpgp.js makes the packets with the session key, Node's crypto the rest. */
async function encryptWithMdc(to: To): Promise<EncryptedMessage> {
  const sessionKey = newSessionKey()
  const head = await sessionKeyPackets(sessionKey, to)
  return { stream: encryptBody(head, sessionKey.data), headBytes: head.length }
}

async function encryptAead(to: To): Promise<EncryptedMessage> {
  // GCM: openpgp.js computes OCB by itself, a hundred times slower.
  const sessionKey = { ...newSessionKey(), aeadAlgorithm: 'gcm' as const }
  const head = await sessionKeyPackets(sessionKey, to)
  const body = async (input: ReadableStream<Uint8Array>) =>
    encrypt({
      message: await createMessage({ binary: input }),
      sessionKey,
      format: 'binary',
      config: MESSAGE_CONFIG,
    })
  return { stream: await webTransform(body, head), headBytes: head.length }
}

/** The form is fixed and not negotiated: the preferences of a key could weaken the cipher, or turn AEAD on or off. */
function newSessionKey() {
  return { data: randomBytes(SESSION_KEY_BYTES), algorithm: 'aes256' as const }
}
