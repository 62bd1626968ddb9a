import type { Key } from 'openpgp'
import { unreadableByGnuPG22 } from './gnupg22.ts'
import { fingerprintOf } from './key-file.ts'

/** What there is to say about a key. */
export interface KeyDescription {
  readonly file: string
  readonly fingerprint: string
  readonly userIds: readonly string[]
  /** Of the primary key and of the encryption subkey, as `ed25519 / cv25519`. */
  readonly algorithm: string
  readonly created: Date
  /** undefined: never. */
  readonly expires: Date | undefined
  /** Whether the file holds the private key, and whether a passphrase locks it. */
  readonly private: 'no' | 'locked' | 'unlocked'
  /** Whether archives can be encrypted to it now. */
  readonly usable: boolean
  readonly gnupg22: boolean
}

export async function describeKey(key: Key, file: string, now: Date): Promise<KeyDescription> {
  // OpenPGP.js throws for a key that can't encrypt, and for one that is revoked: `usable` tells that.
  const encryptionKey = await key.getEncryptionKey(undefined, now).catch(() => undefined)
  const expires = await key.getExpirationTime().catch(() => null)
  return {
    file,
    fingerprint: fingerprintOf(key),
    userIds: key.getUserIDs(),
    algorithm: [key, ...(encryptionKey === undefined ? [] : [encryptionKey])].map(algorithmName).join(' / '),
    created: key.getCreationTime(),
    expires: expires instanceof Date ? expires : undefined,
    private: key.isPrivate() ? (key.isDecrypted() ? 'unlocked' : 'locked') : 'no',
    usable: encryptionKey !== undefined,
    gnupg22: encryptionKey !== undefined && unreadableByGnuPG22(key, encryptionKey) === undefined,
  }
}

/** As gpg names it: `ed25519`, `cv25519`, `rsa3072`. */
function algorithmName(key: Pick<Key, 'getAlgorithmInfo'>): string {
  const { algorithm, bits, curve } = key.getAlgorithmInfo()
  if (curve === 'ed25519Legacy') return 'ed25519'
  if (curve === 'curve25519Legacy') return 'cv25519'
  if (curve !== undefined) return curve
  if (bits !== undefined) return `${algorithm.replace(/(Encrypt|Sign).*/, '')}${bits}`
  // The ids of RFC 9580 have the names that the older ones go by: told apart by the suffix.
  return `${algorithm} (RFC 9580)`
}
