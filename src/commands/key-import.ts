import { join, resolve } from 'node:path'
import type { NewKeyFile } from '../crypto/key-store.ts'
import { writeKeyFiles } from '../crypto/key-store.ts'
import { readImportedKeys } from '../crypto/imported-keys.ts'
import type { ImportedKey } from '../crypto/imported-keys.ts'
import { ExitCode } from '../exit-codes.ts'
import { printable } from '../model/path-bytes.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { keyDirectory } from './key-directory.ts'

export interface KeyImportFlags {
  readonly out?: string
}

/** `key import FILE`: copies certificates and private keys into `keys/` and says how the config names them. */
export async function keyImport(
  context: CommandContext,
  args: readonly string[],
  flags: KeyImportFlags,
): Promise<CommandOutcome> {
  const directory = await keyDirectory(context, flags.out)
  const keys = await readImportedKeys(resolve(context.cwd, args[0] ?? ''))
  const files = keys.map((key) => filesOf(key, directory.path))
  await writeKeyFiles(
    files.flatMap(({ recipient, identity }) => (identity ? [identity, recipient] : [recipient])),
  )

  const recipients = files.map(({ recipient }) => JSON.stringify(directory.inConfig(recipient.path)))
  const identities = files.flatMap(({ identity }) => identity?.path ?? [])
  return {
    exitCode: ExitCode.done,
    quiet: '',
    text: [
      ...files.flatMap(({ key, recipient, identity }) => [
        `fingerprint: ${key.fingerprint}`,
        `recipient:   ${printable(recipient.path)}`,
        ...(identity === undefined ? [] : [`identity:    ${printable(identity.path)}`]),
        '',
      ]),
      'In the config, under encryption:',
      `  recipients: [${recipients.join(', ')}]   # besides those that are there`,
      ...identities.slice(0, 1).map((path) => `  identity: ${JSON.stringify(directory.inConfig(path))}`),
      'Then run: relay-backup key check',
    ].join('\n'),
    json: {
      keys: files.map(({ key, recipient, identity }) => ({
        fingerprint: key.fingerprint,
        recipient: recipient.path,
        identity: identity?.path ?? null,
      })),
    },
  }
}

function filesOf(
  key: ImportedKey,
  directory: string,
): { readonly key: ImportedKey; readonly recipient: NewKeyFile; readonly identity?: NewKeyFile } {
  // The long key id: enough to tell keys apart, short enough to read.
  const path = join(directory, key.fingerprint.slice(-16))
  const recipient = { path: `${path}.pub.asc`, content: key.publicKey, private: false }
  return key.privateKey === undefined
    ? { key, recipient }
    : { key, recipient, identity: { path: `${path}.key.asc`, content: key.privateKey, private: true } }
}
