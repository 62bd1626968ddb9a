import { SourceError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import { locateSource } from '../pull/locate.ts'
import type { HostProbe } from '../remote/contract.ts'
import { scriptFailure } from '../restore/server/failure.ts'
import { decodeField, fieldLines } from '../model/talk.ts'
import { listJournals, type RestoreJournal } from '../restore/server/journals.ts'
import { lookAtTargets, type ServerLook } from '../restore/server/look.ts'
import { choosePrivilege, lookAtAccess, type ChosenPrivilege } from '../runs/privilege.ts'
import type { Visit } from '../runs/visit.ts'
import { kindOf } from '../sources/registry.ts'
import { enginePrograms } from './engine-versions.ts'
import type { DeploymentServices, FindHelper } from '../services/contract.ts'

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
  /** Those of the sources' paths that are directories with nothing in them. */
  readonly empty: ReadonlySet<string>
  /** What the programs of servers of data that are installed there say of their versions. */
  readonly programs: ReadonlyMap<string, string>
}

/** One of the two servers, before anything is changed. */
export interface SideLook {
  readonly host: HostConfig
  readonly probe: HostProbe
  readonly server: ServerLook
  readonly machine: MachineLook
  readonly journals: readonly RestoreJournal[]
  /** As whom services are stopped and data is replaced there. */
  readonly chosen: ChosenPrivilege
  /** Only of the managers compose and docker. */
  readonly containers: DeploymentServices | undefined
}

/** One of the two servers, with the privilege by which its journals are read and its services are stopped. */
export interface Side extends Visit {
  /** Why it is that privilege. */
  readonly chosen: ChosenPrivilege
}

/** Everything but the containers. Changes nothing. Throws RemoteError. */
export async function lookAtSide(
  side: Side,
  paths: readonly string[],
  finding: { readonly findHelper: FindHelper },
): Promise<Omit<SideLook, 'containers'>> {
  const { host, remote, probe, deployment, chosen, signal } = side
  const { privilege } = await choosePrivilege(side, finding, async () =>
    (await lookAtAccess(side, 'read', [deployment, ...paths])).every((answer) => answer),
  )
  const server = await lookAtTargets(remote, { deployment, targets: paths, privilege, signal })
  const result = await remote.run(
    {
      script: 'migrate/look',
      patience: 'list',
      args: [deployment, enginePrograms().join(','), ...paths],
      privilege,
      title: 'comparing the servers',
    },
    { signal },
  )
  const machine = result.status === 0 ? parseMachine(result.stdout) : undefined
  if (machine === undefined) throw scriptFailure(remote, 'comparing the servers', result)
  const { journals } = await listJournals(remote, side)
  return { host, probe, server, machine, journals, chosen }
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
    empty: new Set(all('empty').map((line) => decodeField(line[1] ?? '').toString('utf8'))),
    programs: new Map(all('program').map(([, name = '', said = '']) => [name, said])),
  }
}

/**
 * Where FROM's sources lie on a host: as it has them configured, else as FROM has. Absolute, in the config's order. A
 * volume that is not there is handed to `missing` and lies nowhere; else throws as locateSource does.
 */
export async function sourcePaths(
  sources: readonly SourceConfig[],
  place: Visit,
  missing?: (volume: string, error: SourceError) => void,
): Promise<readonly (readonly string[])[]> {
  const { host, deployment } = place
  const found: (readonly string[])[] = []
  for (const source of sources) {
    const there = host.sources.find((one) => one.name === source.name && one.kind === source.kind) ?? source
    const kind = kindOf(there.kind)
    const located = await locateSource(place, there).catch((error: unknown) => {
      const volume = kind.volume?.(there)
      if (missing === undefined || volume === undefined) throw error
      if (!(error instanceof SourceError) || error.code !== 'volume-missing') throw error
      missing(volume, error)
      return undefined
    })
    if (located === undefined) {
      found.push([])
      continue
    }
    found.push(kind.paths(located).map((path) => (path.startsWith('/') ? path : `${deployment}/${path}`)))
  }
  return found
}
