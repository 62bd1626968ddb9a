import type { HostConfig, SourceConfig } from '../model/config.ts'
import type { HostProbe, Privilege, RemoteHost } from '../remote/contract.ts'
import { scriptFailure } from '../restore/server/failure.ts'
import { fieldLines } from '../model/script-field.ts'
import { listJournals, type RestoreJournal } from '../restore/server/journals.ts'
import { lookAtTargets, type ServerLook } from '../restore/server/look.ts'
import type { DeploymentServices } from '../services/contract.ts'

/** What migrate-look.sh found. */
export interface MachineLook {
  /** Undefined where the kernel does not tell. */
  readonly boot: string | undefined
  /** Device and inode of the deployment; undefined when it is not there. */
  readonly directory: string | undefined
  /** TCP ports that something listens on. */
  readonly listening: ReadonlySet<number>
  readonly users: ReadonlyMap<number, string>
  readonly groups: ReadonlyMap<number, string>
  /** Of the sources. */
  readonly ownerUids: readonly number[]
  readonly ownerGids: readonly number[]
}

/** One of the two servers, before anything is changed. */
export interface SideLook {
  readonly host: HostConfig
  readonly probe: HostProbe
  readonly server: ServerLook
  readonly machine: MachineLook
  readonly journals: readonly RestoreJournal[]
  /** Only of the managers compose and docker. */
  readonly containers: DeploymentServices | undefined
}

/** A server that is connected to. */
export interface Side {
  readonly host: HostConfig
  readonly remote: RemoteHost
  readonly probe: HostProbe
  /** Absolute; need not be there on TO. */
  readonly deployment: string
}

/** How a host is looked at, stopped and started: as it is configured. */
export function privilegeOf({ sudo }: Pick<HostConfig, 'sudo'>): Privilege | undefined {
  return sudo ? 'sudo' : undefined
}

/** Everything but the containers. Changes nothing. Throws RemoteError. */
export async function lookAtSide(
  { host, remote, probe, deployment }: Side,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<Omit<SideLook, 'containers'>> {
  const privilege = privilegeOf(host)
  const server = await lookAtTargets(remote, { deployment, targets: paths, privilege, signal })
  const result = await remote.run(
    { script: 'migrate-look', args: [deployment, ...paths], privilege, title: 'comparing the servers' },
    { signal },
  )
  const machine = result.status === 0 ? parseMachine(result.stdout) : undefined
  if (machine === undefined) throw scriptFailure(remote, 'comparing the servers', result)
  const { journals } = await listJournals(remote, { deployment, privilege, signal })
  return { host, probe, server, machine, journals }
}

/** Reads what migrate-look.sh prints; undefined when it is not whole. */
export function parseMachine(stdout: Buffer): MachineLook | undefined {
  const lines = fieldLines(stdout)
  if (!lines.some(([verb]) => verb === 'end')) return undefined
  const all = (verb: string): readonly (readonly string[])[] => lines.filter((line) => line[0] === verb)
  const known = (text: string | undefined): string | undefined =>
    text === undefined || text === '-' || text === 'unknown' ? undefined : text
  const numbers = (verb: string, at: number): number[] => [
    ...new Set(all(verb).map((line) => Number(line[at]))),
  ]
  const names = (verb: string): ReadonlyMap<number, string> =>
    new Map(all(verb).map((line) => [Number(line[1]), line[2] ?? '']))
  return {
    boot: known(all('machine')[0]?.[1]),
    directory: known(all('directory')[0]?.[1]),
    listening: new Set(numbers('listen', 1)),
    users: names('user'),
    groups: names('group'),
    ownerUids: numbers('owner', 1),
    ownerGids: numbers('owner', 2),
  }
}

/** Where FROM's sources lie on a host: as it has them configured, else as FROM has. Absolute, in the config's order. */
export function sourcePaths(
  sources: readonly SourceConfig[],
  target: HostConfig,
  deployment: string,
): readonly { readonly source: SourceConfig; readonly paths: readonly string[] }[] {
  return sources.map((source) => {
    const there = target.sources.find((one) => one.name === source.name && one.kind === source.kind) ?? source
    const paths = there.kind === 'redis' ? [there.path] : there.paths
    return { source, paths: paths.map((path) => (path.startsWith('/') ? path : `${deployment}/${path}`)) }
  })
}
