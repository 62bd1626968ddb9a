import { loadConfig } from '../config/load.ts'
import { RelayError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { HostConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { fingerprint, matchesHost } from '../remote/known-hosts.ts'
import { readKnownHosts } from '../remote/known-hosts-file.ts'
import type { Endpoint } from '../remote/openssh/endpoint.ts'
import { notHonouredText } from '../remote/openssh/not-honoured.ts'
import { resolveRoute } from '../remote/openssh/resolve.ts'
import { renderTable } from '../report/table.ts'
import type { CommandContext, CommandOutcome } from './context.ts'

export interface ListedHostKey {
  readonly type: string
  readonly fingerprint: string
  /** `file:line` */
  readonly known: string
}

/** `hosts list`: the configured hosts, the way to each, and the keys they are known by. Connects to nothing. */
export async function hostsList(context: CommandContext): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const hosts = await Promise.all(config.hosts.map((host) => listed(host, context.signal)))
  const rows = hosts.map(({ host, address, via, deployment, keys, tags }) => [
    host,
    printable([address, ...via.toReversed()].join(' via ')),
    printable(deployment),
    keys.length === 0 ? 'not trusted yet' : keys.map((key) => `${key.type} ${key.fingerprint}`).join(', '),
    printable(tags.join(' ')),
  ])
  const strangers = hosts.filter(({ keys }) => keys.length === 0)
  return {
    exitCode: ExitCode.done,
    text: [
      renderTable(rows, {
        head: ['host', 'address', 'deployment', 'key', 'tags'],
        color: context.color,
        columns: context.columns,
      }),
      ...hosts
        .filter(({ notHonoured }) => notHonoured.length > 0)
        .map(({ host, notHonoured }) => `${host}: ${notHonouredText(notHonoured)}`),
      ...strangers.map(({ host }) => `Next: relay-backup hosts trust ${host}`),
    ].join('\n'),
    json: { hosts },
  }
}

async function listed(host: HostConfig, signal: AbortSignal) {
  const { name, ssh, deployment, tags } = host
  const { hops, proxyCommand, notHonoured } = await resolveRoute(ssh, { signal }).catch((error: unknown) => {
    throw error instanceof RelayError ? error.withDetails({ host: name }) : error
  })
  const [last, ...before] = hops.toReversed() as [Endpoint, ...Endpoint[]]
  return {
    host: name,
    address: address(last),
    via: [...(proxyCommand === undefined ? [] : ['ProxyCommand']), ...before.toReversed().map(address)],
    notHonoured,
    deployment,
    tags,
    keys: await knownKeys(last),
  }
}

async function knownKeys(ssh: Endpoint): Promise<ListedHostKey[]> {
  return (await readKnownHosts(ssh))
    .filter((entry) => entry.marker === undefined && matchesHost(entry, ssh.known.host, ssh.known.port))
    .map((entry) => ({
      type: entry.keyType,
      fingerprint: fingerprint(Buffer.from(entry.key, 'base64')),
      known: `${entry.file}:${entry.line}`,
    }))
}

function address({ user, host, port }: Endpoint): string {
  return `${user}@${host.includes(':') ? `[${host}]` : host}${port === 22 ? '' : `:${port}`}`
}
