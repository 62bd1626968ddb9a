import ssh2 from 'ssh2'
import type { ParsedKey } from 'ssh2'

/** A key of a login whose type ssh2 does not know: with a certificate, or on a security token. */
export type ForeignKey = ParsedKey & {
  /** The algorithm as it is named to the server. */
  readonly algorithm: string
  /** The signature as it goes over the wire (RFC 4253 section 6.6). */
  signatureBlob(data: Buffer): Promise<Buffer>
}

// ssh2 takes only its own kind of object for a key. Of this one nothing is used.
const base = ssh2.utils.parseKey(
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
)

/** @param publicKey the key, or its certificate, as it goes over the wire */
export function foreignKey(publicKey: Buffer, sign: (data: Buffer) => Promise<Buffer>): ForeignKey {
  const type = keyTypeOf(publicKey)
  return Object.create(base, {
    type: { value: type },
    getPublicSSH: { value: () => publicKey },
    isPrivateKey: { value: () => true },
    // SHA-1 is not taken any more: RSA keys sign as RFC 8332 has it.
    algorithm: { value: type.replace(/^ssh-rsa(?=-cert-)/, 'rsa-sha2-512') },
    signatureBlob: { value: sign },
  }) as ForeignKey
}

/** Is it one of {@link foreignKey}? */
export function isForeign(key: unknown): key is ForeignKey {
  return typeof key === 'object' && key !== null && 'signatureBlob' in key
}

function keyTypeOf(blob: Buffer): string {
  return blob.toString('latin1', 4, 4 + blob.readUInt32BE(0))
}
