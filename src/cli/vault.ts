import type { Command } from 'commander'
import { keepMemorySmall } from '../memory.ts'
import type { Declare } from './program.ts'

export const SNAPSHOT_HELP =
  'prod/20251120T020000Z, prod/latest, prod/latest~1; without the host when there is one'

export function declareVaultCommands(program: Command, declare: Declare): void {
  declare(
    program
      .command('list')
      .description('the snapshots in the vault')
      .argument('[host]', 'only those of this host')
      .option('--all', 'retired ones, too: retention dropped them, and newer ones build on them'),
    async () => (await import('../commands/list.ts')).list,
  )
  declare(
    program
      .command('show')
      .description('all that is known of one snapshot')
      .argument('<snapshot>', SNAPSHOT_HELP),
    async () => (await import('../commands/show.ts')).show,
  )
  declare(
    program
      .command('verify')
      .description('compare snapshots with their checksums and the ledger; needs no secret')
      .argument('[host|snapshot...]', `hosts, or snapshots: ${SNAPSHOT_HELP}`)
      .option('--all', 'everything in the vault'),
    async () => {
      keepMemorySmall()
      return (await import('../commands/verify.ts')).verify
    },
  )
  declare(
    program
      .command('prune')
      .description('apply retention now, and say why each snapshot stays or goes')
      .argument('[host...]', 'only these hosts')
      .option('--dry-run', 'only say what would be done')
      .option('--accept', 'you have looked at why rotation is paused: let it go on')
      .option(
        '--accept-loss <snapshot...>',
        'go on without these snapshots of the one host: they are damaged',
      ),
    async () => (await import('../commands/prune.ts')).prune,
  )
}
