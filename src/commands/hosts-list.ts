import { loadConfig } from '../config/load.ts'
import { ExitCode } from '../exit-codes.ts'
import type { HostConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { fingerprint, matchesHost } from '../remote/known-hosts.ts'
import { readKnownHosts } from '../remote/known-hosts-file.ts'
import { renderTable } from '../report/table.ts'
import type { CommandContext, CommandOutcome } from './context.ts'

export interface ListedHostKey {
  readonly type: string
  readonly fingerprint: string
  /** `file:line` */
  readonly known: string
}

/** `hosts list`: the configured hosts and the keys they are known by. Connects to nothing. */
export async function hostsList(context: CommandContext): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const hosts = await Promise.all(
    config.hosts.map(async (host) => ({
      host: host.name,
      address: address(host),
      deployment: host.deployment,
      tags: host.tags,
      keys: await knownKeys(host),
    })),
  )
  const rows = hosts.map(({ host, address, deployment, keys, tags }) => [
    host,
    printable(address),
    printable(deployment),
    keys.length === 0 ? 'not trusted yet' : keys.map((key) => `${key.type} ${key.fingerprint}`).join(', '),
    printable(tags.join(' ')),
  ])
  const strangers = hosts.filter(({ keys }) => keys.length === 0)
  return {
    exitCode: ExitCode.done,
    text: [
      renderTable(rows, { head: ['host', 'address', 'deployment', 'key', 'tags'], color: context.color }),
      ...strangers.map(({ host }) => `Next: relay-backup hosts trust ${host}`),
    ].join('\n'),
    json: { hosts },
  }
}

async function knownKeys({ ssh }: HostConfig): Promise<ListedHostKey[]> {
  return (await readKnownHosts(ssh))
    .filter((entry) => entry.marker === undefined && matchesHost(entry, ssh.host, ssh.port))
    .map((entry) => ({
      type: entry.keyType,
      fingerprint: fingerprint(Buffer.from(entry.key, 'base64')),
      known: `${entry.file}:${entry.line}`,
    }))
}

function address({ ssh }: HostConfig): string {
  const host = ssh.host.includes(':') ? `[${ssh.host}]` : ssh.host
  return `${ssh.user === undefined ? '' : `${ssh.user}@`}${host}${ssh.port === 22 ? '' : `:${ssh.port}`}`
}
