import { join } from 'node:path'
import { generateIdentity } from '../crypto/generate-identity.ts'
import { writeKeyFiles } from '../crypto/key-store.ts'
import { ExitCode } from '../exit-codes.ts'
import type { SecretReference } from '../model/secret.ts'
import { printable } from '../model/path-bytes.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { keyDirectory } from './key-directory.ts'
import { newPassphrase } from './key-passphrase.ts'
import type { PassphraseFlags } from './key-passphrase.ts'

export interface KeyGenerateFlags extends PassphraseFlags {
  readonly out?: string
  readonly name: string
  readonly email?: string
}

/** `key generate`: a new key pair in `keys/` beside the config; files that exist are never overwritten. */
export async function keyGenerate(
  context: CommandContext,
  _args: readonly string[],
  flags: KeyGenerateFlags,
): Promise<CommandOutcome> {
  const directory = await keyDirectory(context, flags.out)
  const publicFile = join(directory.path, 'backup.pub.asc')
  const privateFile = join(directory.path, 'backup.key.asc')
  const passphrase = await newPassphrase(context, flags)
  const identity = await generateIdentity({
    name: flags.name,
    email: flags.email,
    passphrase: passphrase.secret,
    now: context.now(),
  })
  await writeKeyFiles([
    { path: privateFile, content: identity.privateKey, private: true },
    { path: publicFile, content: identity.publicKey, private: false },
  ])
  return {
    exitCode: ExitCode.done,
    quiet: '',
    text: [
      `fingerprint: ${identity.fingerprint}`,
      `recipient:   ${printable(publicFile)}`,
      `identity:    ${printable(privateFile)}${passphrase.secret === undefined ? ' (not locked by a passphrase)' : ''}`,
      '',
      'In the config:',
      'encryption:',
      `  recipients: [${JSON.stringify(directory.inConfig(publicFile))}]`,
      `  identity: ${JSON.stringify(directory.inConfig(privateFile))}`,
      ...(passphrase.reference === undefined
        ? []
        : [`  identityPassphrase: ${referenceText(passphrase.reference)}`]),
      '',
      'Without the identity and its passphrase no backup can be opened. Keep a copy elsewhere:',
      '  relay-backup key export --to FILE',
    ].join('\n'),
    json: {
      fingerprint: identity.fingerprint,
      recipient: publicFile,
      identity: privateFile,
      locked: passphrase.secret !== undefined,
    },
  }
}

function referenceText(reference: SecretReference): string {
  return `{ ${Object.entries(reference)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
    .join(', ')} }`
}
