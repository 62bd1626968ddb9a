import type { Command } from 'commander'
import type { Declare } from './program.ts'

export function declareInitCommand(program: Command, declare: Declare): void {
  declare(
    program
      .command('init')
      .description('set up backups of a server: looks what runs there, and writes the config and the keys')
      .argument('[target]', 'the server: user@host[:port], or an alias of ~/.ssh/config')
      .option('--add-host', 'add the server to the config that is there')
      .option('--name <name>', "the host's name in the config (default: of its address)")
      .option('--fingerprint <SHA256:…>', "the fingerprint of the server's SSH key, if that is not known yet")
      .option('--deployment <dir>', 'the directory of the app on the server (default: the one that is found)')
      .option('--source <name...>', 'only these of the proposed sources')
      .option(
        '--quiesce <how>',
        'pause, stop or none: what writes to a store of files (LevelDB, LMDB) while it is captured',
      )
      .option(
        '--health <url>',
        'the address that answers when the app is well (default: the one that is found)',
      )
      .option('--no-health', 'name no such address')
      .option('--retention <rules>', 'which snapshots stay, as in the config: "daily: 14, weekly: 8"')
      .option('--vault <dir>', 'the local directory for all snapshots (default: ~/Documents/relay-backup)')
      .option('--passphrase-keychain <name>', "take the key's passphrase from the keychain (service/account)")
      .option('--passphrase-env <name>', "take the key's passphrase from an environment variable")
      .option('--passphrase-file <file>', "take the key's passphrase from a file of mode 600")
      .option('--passphrase-command <line>', "take the key's passphrase from what a line of shell prints")
      .option('--no-passphrase', 'leave the private key unlocked')
      .option('--identity-copy <file>', 'save a copy of the private key there, too')
      .option(
        '--identity-page <file>',
        'write a page to print there, with the private key as text and QR code',
      )
      .option('--pull', 'take the first snapshot at once')
      .option('--dry-run', 'only print the config that would be written')
      .option('--yes', 'ask nothing: take what is proposed'),
    async () => (await import('../commands/init.ts')).init,
  )
}
