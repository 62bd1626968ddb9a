import { basename } from 'node:path'
import { stat } from 'node:fs/promises'
import { decryptKey } from 'openpgp'
import type { PrivateKey } from 'openpgp'
import { KeyError } from '../errors.ts'
import type { EncryptionConfig } from '../model/config.ts'
import type { Secret, SecretReference } from '../model/secret.ts'
import { fingerprintOf, readKeyFile } from './key-file.ts'

/** Where an identity's passphrase comes from. */
export interface PassphraseSources {
  readonly resolveSecret: (reference: SecretReference, signal: AbortSignal) => Promise<Secret>
  /** Asks a person at a terminal; absent where there is none. */
  readonly askPassphrase?: ((prompt: string) => Promise<Secret>) | undefined
  readonly signal: AbortSignal
}

/** The passphrase form or the public-key form of the config. */
export type RecipientsConfig = Extract<EncryptionConfig, { mode: 'recipients' }>

/** The next step for an identity that is gone. */
export const WHEN_LOST =
  'Bring back the copy that was exported (relay-backup key import FILE), or name where it is under encryption.identity. Only it opens the backups that were made for it: a new key opens none of them'

/** The error for a config that can encrypt and not decrypt. */
export function noIdentity(): KeyError {
  return new KeyError('The config names no identity that could open archives', {
    next: 'Set encryption.identity to the private key file, or to { gpg: KEYID }',
  })
}

/** Private keys as they lie in the file, perhaps locked. Refuses a file that others can read. Throws KeyError. */
export async function readIdentityFile(file: string): Promise<PrivateKey[]> {
  const keys = await readKeyFile(file, WHEN_LOST)
  const privateKeys = keys.filter((key): key is PrivateKey => key.isPrivate())
  if (privateKeys.length === 0)
    throw new KeyError(`The identity file ${file} holds only a public key`, {
      next: 'Name the private key under encryption.identity, or export it: gpg --export-secret-keys --armor KEYID',
    })
  const { mode } = await stat(file)
  if ((mode & 0o077) !== 0)
    throw new KeyError(
      `The identity file ${file} can be read by others (mode ${(mode & 0o777).toString(8)})`,
      {
        next: `chmod 600 ${file}`,
      },
    )
  return privateKeys
}

/** How often a person may type a passphrase. */
const ATTEMPTS = 3

/**
 * The keys of the identity file, unlocked in memory. A person who types a wrong passphrase is asked again, three times
 * in all; a secret that the config names is taken once. Throws KeyError.
 */
export async function unlockIdentity(
  file: string,
  reference: SecretReference | undefined,
  { resolveSecret, askPassphrase, signal }: PassphraseSources,
): Promise<PrivateKey[]> {
  const keys = await readIdentityFile(file)
  if (keys.every((key) => key.isDecrypted())) return keys
  const unlockAll = (passphrase: Secret) => Promise.all(keys.map((key) => unlock(key, passphrase)))
  if (reference !== undefined) {
    const opened = await unlockAll(await resolveSecret(reference, signal))
    if (opened.every((key) => key !== undefined)) return opened
    throw wrongPassphrase(keys, file, 'Check encryption.identityPassphrase, then run: relay-backup key check')
  }
  if (askPassphrase === undefined) {
    throw new KeyError(`The identity ${file} is locked by a passphrase and nobody can be asked for it`, {
      next: 'Set encryption.identityPassphrase in the config, for example to { keychain: relay-backup/identity }',
    })
  }
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const again = attempt === 1 ? '' : 'That one does not unlock it. '
    const opened = await unlockAll(await askPassphrase(`${again}Passphrase of ${basename(file)}`))
    if (opened.every((key) => key !== undefined)) return opened
  }
  throw wrongPassphrase(keys, file, 'Run the command again with the passphrase that the key was made with')
}

/** Undefined when the passphrase is another one. */
async function unlock(key: PrivateKey, passphrase: Secret): Promise<PrivateKey | undefined> {
  if (key.isDecrypted()) return key
  try {
    return await decryptKey({ privateKey: key, passphrase: passphrase.reveal() })
  } catch {
    return undefined
  }
}

/** Without a cause: it says nothing more, and no error may carry the passphrase along. */
function wrongPassphrase(keys: readonly PrivateKey[], file: string, next: string): KeyError {
  const locked = keys.filter((key) => !key.isDecrypted()).map((key) => fingerprintOf(key))
  return new KeyError(`The passphrase does not unlock the identity ${locked.join(', ')} (${file})`, { next })
}
