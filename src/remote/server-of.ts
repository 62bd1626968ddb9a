import { lookup } from 'node:dns/promises'
import type { SshConfig } from '../model/config.ts'
import { resolveRoute } from './openssh/resolve.ts'

/**
 * Tells servers apart: the same for two names of one, by the first address and the port of each server on the way. What
 * can't be found out is not the same as anything else.
 */
export async function serverOf(ssh: SshConfig, signal: AbortSignal): Promise<string> {
  const route = await resolveRoute(ssh, { signal }).catch(() => undefined)
  if (route === undefined) return `${ssh.host} ${ssh.port ?? ''}`
  const { hops, proxyCommand } = route
  const [{ host, port }, ...behind] = hops as [(typeof hops)[0], ...typeof hops]
  const first = proxyCommand === undefined ? await firstAddress(host) : proxyCommand
  // Only the server before it knows the address of one that lies behind.
  return [`${first} ${port}`, ...behind.map((hop) => `${hop.host.toLowerCase()} ${hop.port}`)].join(' > ')
}

async function firstAddress(host: string): Promise<string> {
  const name = host.toLowerCase()
  const addresses = await lookup(name, { all: true }).catch(() => [])
  return addresses.map(({ address }) => address).toSorted()[0] ?? name
}
