import { readFile } from 'node:fs/promises'
import type { ParsedKey } from 'ssh2'
import { foreignKey } from './foreign-key.ts'
import type { ForeignKey } from './foreign-key.ts'
import { publicBlob } from './identity-file.ts'
import { sshString } from './ssh-string.ts'

const CERTIFICATE = /-cert-v01@openssh\.com$/

/** The certificate in a file: a line `TYPE BASE64 COMMENT`. Undefined where there is none. */
export async function readCertificate(file: string): Promise<Buffer | undefined> {
  const blob = publicBlob(await readFile(file, 'latin1').catch(() => ''))
  return blob !== undefined && CERTIFICATE.test(firstString(blob)) ? blob : undefined
}

/**
 * The key with a certificate for it (PROTOCOL.certkeys of OpenSSH). Undefined where the certificate is another key's.
 */
export function certify(key: ParsedKey, certificate: Buffer): ForeignKey | undefined {
  if (!certifies(certificate, key.getPublicSSH())) return undefined
  const isRsa = key.type === 'ssh-rsa'
  const signing = isRsa ? 'rsa-sha2-512' : key.type
  return foreignKey(certificate, (data) => {
    const signature: Buffer | Error = key.sign(data, isRsa ? 'sha512' : undefined)
    if (signature instanceof Error) return Promise.reject(signature)
    return Promise.resolve(
      Buffer.concat([
        sshString(Buffer.from(signing)),
        sshString(signing.startsWith('ecdsa-') ? ecdsaFields(signature) : signature),
      ]),
    )
  })
}

/** Is it a certificate for this key? It holds its type, a nonce, and then what the public key holds after its type. */
export function certifies(certificate: Buffer, publicKey: Buffer): boolean {
  if (firstString(certificate).replace(CERTIFICATE, '') !== firstString(publicKey)) return false
  const afterType = 4 + certificate.readUInt32BE(0)
  const afterNonce = afterType + 4 + certificate.readUInt32BE(afterType)
  const fields = publicKey.subarray(4 + publicKey.readUInt32BE(0))
  return certificate.subarray(afterNonce, afterNonce + fields.length).equals(fields)
}

function firstString(blob: Buffer): string {
  return blob.toString('latin1', 4, 4 + blob.readUInt32BE(0))
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
