import type { Command } from 'commander'
import type { Declare } from './program.ts'

const NAME_HELP = 'service/account, as in { keychain: relay-backup/identity }'

export function declareSecretCommands(program: Command, declare: Declare): void {
  const secret = program.command('secret').description("secrets in the operating system's keychain")
  declare(
    secret.command('set').description('keep a secret: typed, or from stdin').argument('<name>', NAME_HELP),
    async () => (await import('../commands/secret-set.ts')).secretSet,
  )
  declare(
    secret.command('get').description('print a secret').argument('<name>', NAME_HELP),
    async () => (await import('../commands/secret-get.ts')).secretGet,
  )
  declare(
    secret.command('delete').description('forget a secret').argument('<name>', NAME_HELP),
    async () => (await import('../commands/secret-delete.ts')).secretDelete,
  )
}
