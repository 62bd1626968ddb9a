import { createPrivateKey } from 'node:crypto'
import { open } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import type { ParsedKey } from 'ssh2'
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
  | { readonly file: string; readonly unusable: UnusableIdentity }

/** The files that are tried when the config names none, best first, as OpenSSH does. */
export function defaultIdentityFiles(): string[] {
  return ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => join(homedir(), '.ssh', name))
}

/**
 * Reads a private key: OpenSSH's own format, PEM, PKCS#8. A file that others can read is refused, as OpenSSH
 * does. The passphrase is asked for only when the key needs one.
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
  if (read === 'open-to-others') {
    return unusable('open-to-others', `${file} is accessible by others`, `chmod 600 ${file}`)
  }
  let key = parse(read)
  if (key === 'encrypted') {
    if (passphrase === undefined) {
      return unusable(
        'encrypted',
        `${file} is encrypted and no passphrase is configured`,
        `Set ssh.identityPassphrase, or load the key into an agent: ssh-add ${file}`,
      )
    }
    key = parse(read, (await passphrase()).reveal())
    if (key === 'encrypted' || key === 'wrong-passphrase') {
      return unusable(
        'wrong-passphrase',
        `the passphrase does not open ${file}`,
        'Correct the secret that ssh.identityPassphrase names',
      )
    }
  }
  if (typeof key === 'string' || !key.isPrivateKey()) {
    const hint = file.endsWith('.pub') ? `Use the private half: ${file.slice(0, -4)}` : undefined
    return unusable(
      'malformed',
      `${file} holds no private key that is understood`,
      hint ?? 'Use an ed25519, ecdsa or rsa key in OpenSSH or PEM form',
    )
  }
  return { file, key }
}

async function readPrivateFile(file: string): Promise<Buffer | 'unreadable' | 'open-to-others' | undefined> {
  try {
    await using handle = await open(file, 'r')
    const { mode, uid } = await handle.stat()
    // OpenSSH minds the permissions of one's own files only; Windows has no such bits.
    if (uid === process.getuid?.() && (mode & 0o077) !== 0) return 'open-to-others'
    return await handle.readFile()
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
