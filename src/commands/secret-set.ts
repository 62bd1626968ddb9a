import { text } from 'node:stream/consumers'
import { UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import { Secret } from '../model/secret.ts'
import { printable } from '../model/path-bytes.ts'
import { systemKeychain, writeKeychain } from '../secrets/keychain.ts'
import { withoutNewline } from '../secrets/secret-file.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { askNewSecret } from './secret-prompt.ts'

/** `secret set NAME`: keeps what is typed (or comes on stdin) in the keychain. */
export async function secretSet(context: CommandContext, args: readonly string[]): Promise<CommandOutcome> {
  const name = args[0] ?? ''
  await writeKeychain(systemKeychain, name, await newValue(context, name))
  return {
    exitCode: ExitCode.done,
    quiet: '',
    text: `Kept in the keychain; in the config: { keychain: ${printable(name)} }`,
    json: { name, set: true },
  }
}

async function newValue(context: CommandContext, name: string): Promise<Secret> {
  if (context.interactive) return await askNewSecret(`Secret for ${printable(name)}`, context.signal)
  if (process.stdin.isTTY)
    throw new UsageError('The secret is read from stdin here, and stdin is a terminal', {
      next: `Pipe it in: relay-backup secret set ${printable(name)} < FILE`,
    })
  const value = withoutNewline(await text(process.stdin))
  if (value === '')
    throw new UsageError('No secret came on stdin', { next: 'Pipe it in, or run this at a terminal' })
  return new Secret(value)
}
