import { SecretError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import { printable } from '../model/path-bytes.ts'
import { deleteFromKeychain, systemKeychain } from '../secrets/keychain.ts'
import type { CommandContext, CommandOutcome } from './context.ts'

/** `secret delete NAME`: exit 1 when there was none. */
export async function secretDelete(
  _context: CommandContext,
  args: readonly string[],
): Promise<CommandOutcome> {
  const name = args[0] ?? ''
  if (!(await deleteFromKeychain(systemKeychain, name)))
    throw new SecretError(`The keychain has no entry ${printable(name)}`, {
      next: 'Check the name: it is service/account, as in the config',
    })
  return {
    exitCode: ExitCode.done,
    text: `Deleted ${printable(name)}`,
    quiet: '',
    json: { name, deleted: true },
  }
}
