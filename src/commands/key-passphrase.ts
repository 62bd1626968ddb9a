import { resolve } from 'node:path'
import { UsageError } from '../errors.ts'
import type { Secret, SecretReference } from '../model/secret.ts'
import { resolveSecret } from '../secrets/resolve.ts'
import type { CommandContext } from './context.ts'
import { askNewSecret } from './secret-prompt.ts'

/** The flags that say where a new identity's passphrase comes from. `passphrase` is false after `--no-passphrase`. */
export interface PassphraseFlags {
  readonly passphrase?: boolean
  readonly passphraseKeychain?: string
  readonly passphraseEnv?: string
  readonly passphraseFile?: string
  readonly passphraseCommand?: string
}

/** A new identity's passphrase and, when a flag named it, where the config can find it. */
export interface NewPassphrase {
  readonly secret: Secret | undefined
  readonly reference: SecretReference | undefined
}

/** From the one flag that was given, else asked twice at a terminal. Throws UsageError that names the flags. */
export async function newPassphrase(context: CommandContext, flags: PassphraseFlags): Promise<NewPassphrase> {
  const references: SecretReference[] = [
    ...(flags.passphraseKeychain === undefined ? [] : [{ keychain: flags.passphraseKeychain }]),
    ...(flags.passphraseEnv === undefined ? [] : [{ env: flags.passphraseEnv }]),
    ...(flags.passphraseFile === undefined ? [] : [{ file: resolve(context.cwd, flags.passphraseFile) }]),
    ...(flags.passphraseCommand === undefined ? [] : [{ command: flags.passphraseCommand }]),
  ]
  const without = flags.passphrase === false
  if (references.length + (without ? 1 : 0) > 1)
    throw new UsageError('Several flags say where the passphrase comes from', { next: 'Give one of them' })
  const reference = references[0]
  if (reference !== undefined) return { secret: await resolveSecret(reference, context.signal), reference }
  if (without) return { secret: undefined, reference }
  if (!context.interactive)
    throw new UsageError('The new identity needs a passphrase, and nobody can be asked here', {
      next: 'Give --passphrase-keychain, --passphrase-env, --passphrase-file or --passphrase-command (or --no-passphrase)',
    })
  return { secret: await askNewSecret('Passphrase for the new identity', context.signal), reference }
}
