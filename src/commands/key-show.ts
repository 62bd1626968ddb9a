import { resolve } from 'node:path'
import { loadConfig } from '../config/load.ts'
import type { KeyDescription } from '../crypto/describe-key.ts'
import { ExitCode } from '../exit-codes.ts'
import { printable } from '../model/path-bytes.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { configuredKeyFiles, describeKeyFile, keyToJson } from './key-files.ts'

const PRIVATE_TEXT = {
  no: 'public key only',
  locked: 'private key, locked by a passphrase',
  unlocked: 'private key, NOT locked by a passphrase',
}

/** `key show [FILE]`: all there is to say about the keys of a file, or of the config. Throws KeyError. */
export async function keyShow(context: CommandContext, args: readonly string[]): Promise<CommandOutcome> {
  const keys = await shownKeys(context, args[0])
  return {
    exitCode: ExitCode.done,
    text: keys.map(keyText).join('\n\n'),
    json: { keys: keys.map(keyToJson) },
  }
}

async function shownKeys(context: CommandContext, file: string | undefined): Promise<KeyDescription[]> {
  if (file !== undefined) return await describeKeyFile(resolve(context.cwd, file), context.now())
  const location = { file: context.globals.config, cwd: context.cwd, env: context.env }
  const files = await configuredKeyFiles((await loadConfig(location)).encryption, context.now())
  return files.flatMap(({ keys, problem }) => {
    if (problem !== undefined) throw problem
    return keys
  })
}

function keyText(key: KeyDescription): string {
  return [
    `fingerprint: ${key.fingerprint}`,
    `user:        ${key.userIds.map(printable).join(', ')}`,
    `algorithm:   ${key.algorithm}`,
    `created:     ${key.created.toISOString()}`,
    `expires:     ${key.expires?.toISOString() ?? 'never'}`,
    `usable now:  ${key.usable ? 'yes' : 'no'}`,
    `gpg 2.2:     ${key.gnupg22 ? 'can use it' : "can't use it"}`,
    `holds:       ${PRIVATE_TEXT[key.private]}`,
    `file:        ${printable(key.file)}`,
  ].join('\n')
}
