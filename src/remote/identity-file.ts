import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import ssh2 from 'ssh2'
import type { ParsedKey } from 'ssh2'
import type { Secret } from '../model/secret.ts'
import { sshString } from './ssh-string.ts'

/** Why a key file can't be used; `next` is what to do about it. */
export interface UnusableIdentity {
  readonly problem:
    'absent' | 'unreadable' | 'open-to-others' | 'encrypted' | 'wrong-passphrase' | 'malformed'
  readonly message: string
  readonly next: string
}

export type Identity =
  | { readonly key: ParsedKey }
  /** Only the public half is there: the agent may have the other. */
  | { readonly publicKey: Buffer }
  | { readonly locked: LockedKey }
  | { readonly unusable: UnusableIdentity }

/** A private key behind a passphrase. */
export interface LockedKey {
  /** As it goes over the wire, where that can be seen from outside. */
  readonly publicKey: Buffer | undefined
  /** The key, or undefined when the passphrase is another one. */
  open(passphrase: Secret): ParsedKey | undefined
}

/**
 * Reads a private key: OpenSSH's own format, PEM, PKCS#8. A file that others can read is refused, as OpenSSH does,
 * unless it is a public key. Where only the file with `.pub` behind is there, that is read, as OpenSSH does.
 */
export async function readIdentity(file: string): Promise<Identity> {
  const unusable = (
    problem: UnusableIdentity['problem'],
    message: string,
    next: string,
  ): { readonly unusable: UnusableIdentity } => ({ unusable: { problem, message, next } })
  const read = await readPrivateFile(file)
  if (read === undefined) {
    const publicKey = await publicHalf(file)
    return publicKey === undefined
      ? unusable('absent', `there is no ${file}`, 'Point ssh.identityFile at your private key')
      : { publicKey }
  }
  if (read === 'unreadable') {
    return unusable(
      'unreadable',
      `${file} can't be read`,
      `Make ${file} readable for the user that runs this`,
    )
  }
  const { bytes } = read
  const key = parse(bytes)
  if (typeof key !== 'string' && !key.isPrivateKey()) return { publicKey: key.getPublicSSH() }
  if (read.openToOthers)
    return unusable('open-to-others', `${file} is accessible by others`, `chmod 600 ${file}`)
  if (key === 'encrypted') {
    return {
      locked: {
        publicKey: visiblePublicKey(bytes) ?? (await publicHalf(file)),
        open: (passphrase) => {
          const opened = parse(bytes, passphrase.reveal())
          return typeof opened === 'string' ? undefined : opened
        },
      },
    }
  }
  return typeof key === 'string'
    ? unusable(
        'malformed',
        `${file} holds no key that is understood`,
        'Use an ed25519, ecdsa or rsa key in OpenSSH or PEM form; a key of a security token is used through an agent: ssh-add',
      )
    : { key }
}

/** The key of `FILE.pub`, as it goes over the wire. */
async function publicHalf(file: string): Promise<Buffer | undefined> {
  return publicBlob(await readFile(`${file}.pub`, 'latin1').catch(() => ''))
}

/** What a line `TYPE BASE64 COMMENT` holds, whatever the type. */
export function publicBlob(line: string): Buffer | undefined {
  const [, type, base64] = /^\s*([\w@.-]+)[ \t]+([A-Za-z0-9+/]+=*)/.exec(line) ?? []
  if (type === undefined || base64 === undefined) return undefined
  const blob = Buffer.from(base64, 'base64')
  return blob.length > 4 + type.length && blob.toString('latin1', 4, 4 + type.length) === type
    ? blob
    : undefined
}

/** OpenSSH's own format shows the public half of a locked key (PROTOCOL.key). */
function visiblePublicKey(bytes: Buffer): Buffer | undefined {
  const armored = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]+?)-----END/.exec(bytes.toString('latin1'))?.[1]
  if (armored === undefined) return undefined
  const data = Buffer.from(armored, 'base64')
  const magic = 'openssh-key-v1\0'
  if (data.toString('latin1', 0, magic.length) !== magic) return undefined
  let at = magic.length
  const field = () => {
    const value = data.subarray(at + 4, at + 4 + data.readUInt32BE(at))
    at += 4 + value.length
    return value
  }
  try {
    // The cipher, the key derivation and its options, and the number of keys come first.
    field()
    field()
    field()
    at += 4
    return field()
  } catch {
    return undefined
  }
}

async function readPrivateFile(
  file: string,
): Promise<{ readonly bytes: Buffer; readonly openToOthers: boolean } | 'unreadable' | undefined> {
  try {
    await using handle = await open(file, 'r')
    const { mode, uid } = await handle.stat()
    // OpenSSH minds the permissions of one's own files only; Windows has no such bits.
    const openToOthers = uid === process.getuid?.() && (mode & 0o077) !== 0
    return { bytes: await handle.readFile(), openToOthers }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : 'unreadable'
  }
}

function parse(
  data: Buffer,
  passphrase?: string,
): ParsedKey | 'encrypted' | 'wrong-passphrase' | 'malformed' {
  const pkcs8 = /-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.exec(data.toString('latin1'))
  if (pkcs8) return parsePkcs8(data, pkcs8[1] !== undefined, passphrase)
  const parsed: unknown = ssh2.utils.parseKey(data, passphrase)
  const key: unknown = Array.isArray(parsed) ? parsed[0] : parsed
  if (!(key instanceof Error)) return key as ParsedKey
  if (/no passphrase given/i.test(key.message)) return 'encrypted'
  // A wrong passphrase of a PEM key shows only as nonsense inside.
  return passphrase === undefined ? 'malformed' : 'wrong-passphrase'
}

/** ssh2 reads no PKCS#8, Node does. */
function parsePkcs8(
  data: Buffer,
  encrypted: boolean,
  passphrase: string | undefined,
): ReturnType<typeof parse> {
  if (encrypted && passphrase === undefined) return 'encrypted'
  try {
    const key = createPrivateKey({ key: data, passphrase })
    if (key.asymmetricKeyType === 'rsa') return parse(pem(key.export({ type: 'pkcs1', format: 'pem' })))
    if (key.asymmetricKeyType === 'ec') return parse(pem(key.export({ type: 'sec1', format: 'pem' })))
    return key.asymmetricKeyType === 'ed25519' ? parse(openSshForm(key)) : 'malformed'
  } catch {
    return encrypted ? 'wrong-passphrase' : 'malformed'
  }
}

/** The form of PROTOCOL.key of OpenSSH, the only one of an ed25519 key that ssh2 reads. */
function openSshForm(key: KeyObject): Buffer {
  const { d = '', x = '' } = key.export({ format: 'jwk' })
  const [secret, point] = [Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]
  const type = sshString(Buffer.from('ssh-ed25519'))
  const fields = Buffer.concat([
    // Two equal numbers, by which a wrong passphrase is noticed.
    Buffer.alloc(8),
    ...[type, sshString(point), sshString(Buffer.concat([secret, point])), sshString(Buffer.alloc(0))],
  ])
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7]).subarray(0, (8 - (fields.length % 8)) % 8)
  const none = sshString(Buffer.from('none'))
  const body = Buffer.concat([
    ...[Buffer.from('openssh-key-v1\0'), none, none, sshString(Buffer.alloc(0)), Buffer.from([0, 0, 0, 1])],
    ...[sshString(Buffer.concat([type, sshString(point)])), sshString(Buffer.concat([fields, padding]))],
  ])
  const lines = body.toString('base64').replaceAll(/.{1,70}/g, '$&\n')
  return pem(`-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}-----END OPENSSH PRIVATE KEY-----\n`)
}

function pem(text: string | Buffer): Buffer {
  return Buffer.from(text)
}
