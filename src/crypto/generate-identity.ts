import { enums, generateKey } from 'openpgp'
import type { Secret } from '../model/secret.ts'
import { fingerprintOf } from './key-file.ts'

/** A new key pair, armored. */
export interface GeneratedIdentity {
  readonly fingerprint: string
  readonly publicKey: string
  readonly privateKey: string
}

/**
 * A version 4 key (ed25519 with a cv25519 encryption subkey in their legacy form, which GnuPG 2.2 can use) that
 * does not expire. With a passphrase the private key is locked by it; its key derivation hashes 65 MB.
 */
export async function generateIdentity(options: {
  readonly name: string
  readonly email?: string | undefined
  readonly passphrase?: Secret | undefined
  readonly now: Date
}): Promise<GeneratedIdentity> {
  const { name, email, passphrase, now } = options
  const { publicKey, privateKey } = await generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ name, ...(email === undefined ? {} : { email }) }],
    ...(passphrase === undefined ? {} : { passphrase: passphrase.reveal() }),
    date: now,
    format: 'object',
    config: { s2kType: enums.s2k.iterated, s2kIterationCountByte: 255 },
  })
  return {
    fingerprint: fingerprintOf(publicKey),
    publicKey: publicKey.armor(),
    privateKey: privateKey.armor(),
  }
}
