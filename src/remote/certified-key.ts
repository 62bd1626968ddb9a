import { readFile } from 'node:fs/promises'
import type { ParsedKey } from 'ssh2'
import { publicBlob } from './identity-file.ts'

const CERTIFICATE = /-cert-v01@openssh\.com$/

/** A key of a login whose type ssh2 does not know: with a certificate. */
export type CertifiedKey = ParsedKey & {
  /** The algorithm as it is named to the server. */
  readonly algorithm: string
  /** The signature as it goes over the wire (RFC 4253 section 6.6). */
  signatureBlob(data: Buffer): Buffer
}

/** The certificate in a file: a line `TYPE BASE64 COMMENT`. Undefined where there is none. */
export async function readCertificate(file: string): Promise<Buffer | undefined> {
  const blob = publicBlob(await readFile(file, 'latin1').catch(() => ''))
  return blob !== undefined && CERTIFICATE.test(firstString(blob)) ? blob : undefined
}

/**
 * The key with a certificate for it (PROTOCOL.certkeys of OpenSSH). Undefined where the certificate is another key's.
 */
export function certify(key: ParsedKey, certificate: Buffer): CertifiedKey | undefined {
  const type = firstString(certificate)
  if (type.replace(CERTIFICATE, '') !== key.type || !certifies(certificate, key.getPublicSSH()))
    return undefined
  const isRsa = key.type === 'ssh-rsa'
  // SHA-1 is not taken any more: RSA keys sign as RFC 8332 has it.
  const signing = isRsa ? 'rsa-sha2-512' : key.type
  return Object.create(key, {
    type: { value: type },
    getPublicSSH: { value: () => certificate },
    algorithm: { value: isRsa ? type.replace('ssh-rsa', signing) : type },
    signatureBlob: {
      value: (data: Buffer) => {
        const signature: Buffer | Error = key.sign(data, isRsa ? 'sha512' : undefined)
        if (signature instanceof Error) throw signature
        return Buffer.concat([
          sshString(Buffer.from(signing)),
          sshString(signing.startsWith('ecdsa-') ? ecdsaFields(signature) : signature),
        ])
      },
    },
  }) as CertifiedKey
}

/** Is it one of {@link certify}? */
export function isCertified(key: unknown): key is CertifiedKey {
  return typeof key === 'object' && key !== null && 'signatureBlob' in key
}

/** A certificate holds its type, a nonce, and then what a public key holds after its type. */
function certifies(certificate: Buffer, publicKey: Buffer): boolean {
  const afterType = 4 + certificate.readUInt32BE(0)
  const afterNonce = afterType + 4 + certificate.readUInt32BE(afterType)
  const fields = publicKey.subarray(4 + publicKey.readUInt32BE(0))
  return certificate.subarray(afterNonce, afterNonce + fields.length).equals(fields)
}

function firstString(blob: Buffer): string {
  return blob.toString('latin1', 4, 4 + blob.readUInt32BE(0))
}

/** A string of SSH (RFC 4251 section 5). */
export function sshString(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** The two numbers of an ECDSA signature in DER, as SSH has them (RFC 5656 section 3.1.2). */
function ecdsaFields(der: Buffer): Buffer {
  // A sequence of two integers. Of a P-521 key it has more than 127 bytes, and its length takes a byte more.
  const first = (der[1] ?? 0) & 0x80 ? 3 : 2
  const r = der.subarray(first + 2, first + 2 + (der[first + 1] ?? 0))
  const second = first + 2 + r.length
  const s = der.subarray(second + 2, second + 2 + (der[second + 1] ?? 0))
  return Buffer.concat([sshString(r), sshString(s)])
}
