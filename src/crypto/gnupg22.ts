import { enums } from 'openpgp'
import type { Key } from 'openpgp'

/** Public-key algorithms of RFC 4880 and 6637, which GnuPG 2.2 knows. The ids above 24 came with RFC 9580. */
const KNOWN: readonly enums.publicKey[] = [
  enums.publicKey.rsaEncryptSign,
  enums.publicKey.rsaEncrypt,
  enums.publicKey.rsaSign,
  enums.publicKey.elgamal,
  enums.publicKey.dsa,
  enums.publicKey.ecdh,
  enums.publicKey.ecdsa,
  enums.publicKey.eddsaLegacy,
]

/**
 * Why GnuPG 2.2 can't use this key, in a few words; undefined when it can. Seen with 2.2.40: it neither imports
 * version 6 keys nor the `x25519` and `ed25519` algorithm ids of RFC 9580.
 */
export function unreadableByGnuPG22(
  key: Key,
  encryptionKey: Pick<Key, 'getAlgorithmInfo'> & {
    readonly keyPacket: { readonly algorithm: enums.publicKey }
  },
): string | undefined {
  if (key.keyPacket.version > 4) return `it is a version ${key.keyPacket.version} key`
  for (const part of [key, encryptionKey])
    if (!KNOWN.includes(part.keyPacket.algorithm)) return `it uses ${part.getAlgorithmInfo().algorithm}`
  return undefined
}
