import { createPrivateKey } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import type { ParsedKey } from 'ssh2'
import { homeDirectory } from '../model/home.ts'
import type { Secret } from '../model/secret.ts'

/** Why a key file can't be used; `next` is what to do about it. */
export interface UnusableIdentity {
  readonly problem:
    'absent' | 'unreadable' | 'open-to-others' | 'encrypted' | 'wrong-passphrase' | 'malformed'
  readonly message: string
  readonly next: string
}

export type Identity =
  | { readonly file: string; readonly key: ParsedKey }
  /** The file has the public half: the agent may have the other. */
  | { readonly file: string; readonly publicKey: ParsedKey }
  | { readonly file: string; readonly unusable: UnusableIdentity }

/** The files that are tried when the config names none, best first, as OpenSSH does. */
export function defaultIdentityFiles(): string[] {
  return ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => join(homeDirectory(process.env), '.ssh', name))
}

/**
 * Reads a private key: OpenSSH's own format, PEM, PKCS#8. A file that others can read is refused, as OpenSSH
 * does, unless it is a public key, which names one of the agent's. The passphrase is asked for only when the key needs one.
 */
export async function readIdentity(
  file: string,
  passphrase: (() => Promise<Secret>) | undefined,
): Promise<Identity> {
  const unusable = (problem: UnusableIdentity['problem'], message: string, next: string): Identity => ({
    file,
    unusable: { problem, message, next },
  })
  const read = await readPrivateFile(file)
  if (read === undefined)
    return unusable('absent', `there is no ${file}`, 'Point ssh.identityFile at your private key')
  if (read === 'unreadable') {
    return unusable(
      'unreadable',
      `${file} can't be read`,
      `Make ${file} readable for the user that runs this`,
    )
  }
  if (read.openToOthers) {
    const half = parse(read.bytes)
    if (typeof half !== 'string' && !half.isPrivateKey()) return { file, publicKey: half }
    return unusable('open-to-others', `${file} is accessible by others`, `chmod 600 ${file}`)
  }
  const { bytes } = read
  let key = parse(bytes)
  if (key === 'encrypted') {
    if (passphrase === undefined) {
      return unusable(
        'encrypted',
        `${file} is encrypted and no passphrase is configured`,
        `Set ssh.identityPassphrase, or load the key into an agent: ssh-add ${file}`,
      )
    }
    key = parse(bytes, (await passphrase()).reveal())
    if (key === 'encrypted' || key === 'wrong-passphrase') {
      return unusable(
        'wrong-passphrase',
        `the passphrase does not open ${file}`,
        'Correct the secret that ssh.identityPassphrase names',
      )
    }
  }
  if (typeof key === 'string') {
    return unusable(
      'malformed',
      `${file} holds no key that is understood`,
      'Use an ed25519, ecdsa or rsa key in OpenSSH or PEM form',
    )
  }
  return key.isPrivateKey() ? { file, key } : { file, publicKey: key }
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
    return 'malformed'
  } catch {
    return encrypted ? 'wrong-passphrase' : 'malformed'
  }
}

function pem(text: string | Buffer): Buffer {
  return Buffer.from(text)
}
