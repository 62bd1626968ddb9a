import { createPublicKey, verify } from 'node:crypto'
import type { VerifyKeyObjectInput } from 'node:crypto'
import ssh2 from 'ssh2'
import { matchesPatternList } from './openssh/patterns.ts'
import { sshString } from './ssh-string.ts'

const SUFFIX = '-cert-v01@openssh.com'
const FOR_HOSTS = 2

/** How many fields a public key has behind its type. */
const KEY_FIELDS: Readonly<Record<string, number>> = {
  'ssh-ed25519': 1,
  'ssh-rsa': 2,
  'ecdsa-sha2-nistp256': 2,
  'ecdsa-sha2-nistp384': 2,
  'ecdsa-sha2-nistp521': 2,
}

/** A certificate as it goes over the wire (PROTOCOL.certkeys of OpenSSH). */
export interface HostCertificate {
  /** The key that it is for, and that of its authority, as they go over the wire. */
  readonly key: Buffer
  readonly authority: Buffer
  /** Why it vouches for nobody of this name now; undefined when it does. Whether the authority is trusted is not looked at. */
  problem(host: string, now?: Date): string | undefined
}

/** Undefined where the bytes are no certificate that is understood. */
export function parseHostCertificate(bytes: Buffer): HostCertificate | undefined {
  try {
    return parse(bytes)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function parse(bytes: Buffer): HostCertificate | undefined {
  let at = 0
  const take = (length: number) => {
    if (at + length > bytes.length) throw new RangeError('the certificate ends too early')
    at += length
    return bytes.subarray(at - length, at)
  }
  const field = () => take(take(4).readUInt32BE(0))
  const type = field().toString('latin1')
  const plain = type.slice(0, -SUFFIX.length)
  const count = type.endsWith(SUFFIX) ? KEY_FIELDS[plain] : undefined
  if (count === undefined) return undefined
  // A nonce.
  field()
  const keyBegins = at
  for (let index = 0; index < count; index += 1) field()
  const name = sshString(Buffer.from(plain))
  const key = Buffer.concat([name, bytes.subarray(keyBegins, at)])
  // The serial number.
  take(8)
  const purpose = take(4).readUInt32BE(0)
  // The name of the certificate.
  field()
  const principals = strings(field())
  const [after, before] = [take(8).readBigUInt64BE(0), take(8).readBigUInt64BE(0)]
  const critical = field()
  // Extensions, and what is reserved.
  field()
  field()
  const authority = field()
  const signed = bytes.subarray(0, at)
  const signature = field()
  return {
    key,
    authority,
    problem(host, now = new Date()) {
      const seconds = BigInt(Math.floor(now.getTime() / 1000))
      if (purpose !== FOR_HOSTS) return 'is one of a user, not of a host'
      if (seconds < after) return 'is not valid yet'
      if (seconds >= before) return 'has expired'
      if (critical.length > 0) return 'has conditions that are not understood'
      // As for OpenSSH, one that names no host is good for all.
      if (principals.length > 0 && !principals.some((one) => matchesPatternList([one], host.toLowerCase())))
        return `is for another host: ${principals.join(', ')}`
      return isSigned(signed, signature, authority) ? undefined : 'is not signed as it should be'
    },
  }
}

function strings(bytes: Buffer): string[] {
  const found: string[] = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + bytes.readUInt32BE(at)
    if (end > bytes.length) throw new RangeError('the certificate ends too early')
    found.push(bytes.toString('latin1', at + 4, end))
    at = end
  }
  return found
}

/** The hash of each kind of signature that counts; SHA-1 does not. For ECDSA, the bytes of each of its two numbers. */
const SIGNATURES: Readonly<
  Record<string, { readonly key: string; readonly hash: string | null; readonly half?: number }>
> = {
  'ssh-ed25519': { key: 'ssh-ed25519', hash: null },
  'rsa-sha2-256': { key: 'ssh-rsa', hash: 'sha256' },
  'rsa-sha2-512': { key: 'ssh-rsa', hash: 'sha512' },
  'ecdsa-sha2-nistp256': { key: 'ecdsa-sha2-nistp256', hash: 'sha256', half: 32 },
  'ecdsa-sha2-nistp384': { key: 'ecdsa-sha2-nistp384', hash: 'sha384', half: 48 },
  'ecdsa-sha2-nistp521': { key: 'ecdsa-sha2-nistp521', hash: 'sha512', half: 66 },
}

function isSigned(data: Buffer, signature: Buffer, publicKey: Buffer): boolean {
  const [type, value] = parts(signature)
  const kind = SIGNATURES[type?.toString('latin1') ?? '']
  const parsed = ssh2.utils.parseKey(
    `${parts(publicKey)[0]?.toString('latin1')} ${publicKey.toString('base64')}`,
  )
  if (kind === undefined || value === undefined || parsed instanceof Error || parsed.type !== kind.key)
    return false
  const { half } = kind
  const key: VerifyKeyObjectInput = { key: createPublicKey(parsed.getPublicPEM()) }
  if (half === undefined) return verify(kind.hash, data, key, value)
  const numbers = parts(value).map((number) => fixed(number, half))
  return verify(kind.hash, data, { ...key, dsaEncoding: 'ieee-p1363' }, Buffer.concat(numbers))
}

/** The strings of SSH that the bytes are made of. */
function parts(bytes: Buffer): Buffer[] {
  const found: Buffer[] = []
  for (let at = 0; at + 4 <= bytes.length; at += 4 + bytes.readUInt32BE(at))
    found.push(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at)))
  return found
}

/** A number with as many bytes as asked for. */
function fixed(number: Buffer, length: number): Buffer {
  return Buffer.concat([Buffer.alloc(length), number]).subarray(-length)
}
