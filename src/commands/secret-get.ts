import { SecretError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import { printable } from '../model/path-bytes.ts'
import { readKeychain, systemKeychain } from '../secrets/keychain.ts'
import type { CommandContext, CommandOutcome } from './context.ts'

/** `secret get NAME`: the secret itself on stdout, because that is what was asked for. */
export async function secretGet(context: CommandContext, args: readonly string[]): Promise<CommandOutcome> {
  const name = args[0] ?? ''
  const secret = await readKeychain(systemKeychain, name, context.signal)
  if (secret === undefined)
    throw new SecretError(`The keychain has no entry ${printable(name)}`, {
      next: `relay-backup secret set ${printable(name)}`,
    })
  const value = secret.reveal()
  return { exitCode: ExitCode.done, text: value, verbatim: true, json: { name, value } }
}
