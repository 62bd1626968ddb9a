import { lookup } from 'node:dns/promises'
import type { SshConfig } from '../model/config.ts'

/** Tells servers apart: the same for two names of one, by their first address and their port. */
export async function serverOf(ssh: SshConfig): Promise<string> {
  const name = ssh.host.toLowerCase()
  const addresses = await lookup(name, { all: true }).catch(() => [])
  const [first = name] = addresses.map(({ address }) => address).toSorted()
  return `${first} ${ssh.port}`
}
