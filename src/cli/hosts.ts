import type { Command } from 'commander'
import type { Declare } from './program.ts'

export function declareHostsCommands(program: Command, declare: Declare): void {
  const hosts = program.command('hosts').description('the servers and their SSH keys')
  declare(
    hosts.command('list').description('the configured hosts and the keys they are known by'),
    async () => (await import('../commands/hosts-list.ts')).hostsList,
  )
  declare(
    hosts
      .command('trust')
      .description("trust a server's SSH key, after comparing its fingerprint")
      .argument('<host>', 'a configured host, or user@address[:port]')
      .option('--fingerprint <SHA256:…>', 'the fingerprint that is expected; nothing is asked'),
    async () => (await import('../commands/hosts-trust.ts')).hostsTrust,
  )
}
