import type { Command } from 'commander'
import type { Declare } from './program.ts'

const OUT_HELP = 'where to put it (default: keys/ beside the config file)'

export function declareKeyCommands(program: Command, declare: Declare): void {
  const key = program.command('key').description('the keys that archives are encrypted to and opened with')
  declare(
    key
      .command('generate')
      .description('make a key pair: backup.pub.asc and backup.key.asc')
      .option('--out <dir>', OUT_HELP)
      .option('--name <text>', 'the name in the key', 'relay-backup')
      .option('--email <address>', 'the address in the key')
      .option('--passphrase-keychain <name>', 'take its passphrase from the keychain (service/account)')
      .option('--passphrase-env <name>', 'take its passphrase from an environment variable')
      .option('--passphrase-file <file>', 'take its passphrase from a file of mode 600')
      .option('--passphrase-command <line>', 'take its passphrase from what a line of shell prints')
      .option('--no-passphrase', 'leave the private key unlocked'),
    async () => (await import('../commands/key-generate.ts')).keyGenerate,
  )
  declare(
    key.command('list').description('the recipients and the identity of the config'),
    async () => (await import('../commands/key-list.ts')).keyList,
  )
  declare(
    key
      .command('show')
      .description('all there is to say about keys')
      .argument('[file]', 'a key file (default: those of the config)'),
    async () => (await import('../commands/key-show.ts')).keyShow,
  )
  declare(
    key
      .command('export')
      .description('copy the identity to a place of your choice; without it no backup opens')
      .requiredOption('--to <file>', 'the new file'),
    async () => (await import('../commands/key-export.ts')).keyExport,
  )
  declare(
    key
      .command('import')
      .description('put a certificate or private key from elsewhere into keys/')
      .argument('<file>', 'armored or binary')
      .option('--out <dir>', OUT_HELP),
    async () => (await import('../commands/key-import.ts')).keyImport,
  )
  declare(
    key
      .command('rotate')
      .description(
        "hand what is in the vault to other recipients (default: the config's), without encrypting it anew",
      )
      .argument('[host...]', 'only these hosts')
      .option('--add <key...>', 'the file of a certificate that shall open it, too')
      .option('--remove <fingerprint...>', 'a certificate that shall not open it any more')
      .option('--dry-run', 'only say what would be done')
      .option('--yes', 'do not ask'),
    async () => (await import('../commands/key-rotate.ts')).keyRotate,
  )
  declare(
    key.command('check').description('whether pulls can encrypt and restores can decrypt'),
    async () => (await import('../commands/key-check.ts')).keyCheck,
  )
}
