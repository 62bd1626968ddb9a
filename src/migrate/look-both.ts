import type { RelayError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import { requireShell } from '../pull/access.ts'
import { namesToProbe, selectSources } from '../pull/select-sources.ts'
import type { HostProbe, RemoteHost } from '../remote/contract.ts'
import { absoluteDeployment } from '../restore/preflight.ts'
import type { ServerServices } from '../model/server-services.ts'
import type { ContainerLook, ContainerMake, DeploymentServices } from '../services/contract.ts'
import type { MigrateDependencies } from './dependencies.ts'
import { privilegeToReplace } from '../restore/privilege.ts'
import { lookAtSide, privilegeToSpeak, sourcePaths, type Side, type SideLook } from './look.ts'
import { movedContainers } from './moved-containers.ts'
import { lookAtNeeds, type Needs } from './needs.ts'
import type { MissingVolume, MovedSource } from './plan.ts'
import { volumesToMake, type VolumesToMake } from './volumes.ts'
import { lookAtRedis, type RedisVersions } from './redis-versions.ts'

/** Both servers as they are. */
export interface BothLooks {
  readonly looks: { readonly from: SideLook; readonly to: SideLook }
  readonly sides: { readonly from: Side; readonly to: Omit<Side, 'remote'> }
  readonly services: { readonly from: ServerServices; readonly to: ServerServices }
  readonly sources: readonly MovedSource[]
  readonly images: ReadonlyMap<string, string | undefined>
  readonly redis: readonly RedisVersions[]
  readonly needs: Needs | undefined
  /** Volumes that TO lacks, and what says so. */
  readonly missingVolumes: readonly MissingVolume[]
  /** What Compose there makes them from; undefined where there are none, or it can't. */
  readonly volumesToMake: VolumesToMake | undefined
  /** FROM's containers, that are to run on TO just so. */
  readonly makes: readonly ContainerMake[]
}

/**
 * Looks at both servers; changes nothing. TO's connection is closed again. Throws RemoteError, SourceError and
 * ConnectionError.
 */
export async function lookAtBoth(
  hosts: { readonly from: HostConfig; readonly to: HostConfig },
  fromRemote: RemoteHost,
  dependencies: MigrateDependencies,
  step: (host: string, text: string) => void,
  signal: AbortSignal,
): Promise<BothLooks> {
  const { from, to } = hosts
  const { restore, findDeploymentServices } = dependencies
  const { pull } = restore
  step(to.name, 'connecting')
  await using toRemote = await pull.connect(to, signal)
  step(from.name, 'looking around')
  const fromProbe = await pull.probe(
    fromRemote,
    { deployment: from.deployment, names: namesToProbe(from), sudo: from.sudo },
    signal,
  )
  requireShell(from.name, fromProbe, 'migrate')
  const { sources } = selectSources(from, undefined, fromProbe.existing)
  const missingVolumes: MissingVolume[] = []
  const place = (host: HostConfig, remote: RemoteHost, probe: HostProbe, replaced: Replaced) => {
    const isTarget = host.name === to.name
    const missing = (volume: string, error: RelayError): void =>
      void missingVolumes.push({ volume, why: error.message, next: error.details.next })
    return placeSide({ host, remote, probe }, sources, replaced, pull, isTarget ? missing : undefined, signal)
  }
  // Nothing of it is replaced: only its services are held, with a journal beside the data.
  const { side: fromSide, paths: origins } = await place(from, fromRemote, fromProbe, () => ({
    targets: [],
    foreign: false,
  }))
  const fromPaths = origins.flat()
  const fromLook = await lookAtSide(fromSide, fromPaths, pull.findHelper, signal)
  step(to.name, 'looking around')
  const toProbe = await pull.probe(toRemote, { deployment: to.deployment, names: [], sudo: to.sudo }, signal)
  requireShell(to.name, toProbe, 'migrate')
  const { side: toSide, paths: targets } = await place(to, toRemote, toProbe, (paths) => ({
    targets: paths,
    foreign: fromLook.machine.ownerUids.some((uid) => uid !== toProbe.uid),
  }))
  const toLook = await lookAtSide(toSide, targets.flat(), pull.findHelper, signal)

  const fromContainers = await containersOfSource(fromSide, fromPaths, sources, dependencies, signal)
  let toContainers: DeploymentServices | undefined
  if (
    fromContainers !== undefined &&
    isContainers(to.services) &&
    to.services.manager === from.services.manager
  ) {
    toContainers = await findDeploymentServices.ofTarget(toRemote, to.services, {
      deployment: toLook.server.deployment.path,
      paths: toLook.server.targets.map(({ path }) => path),
      privilege: privilegeToSpeak(to),
      signal,
      from: fromContainers,
      fromDeployment: fromSide.deployment,
    })
  }
  const moved = movedContainers(fromContainers)
  const names = [...new Set(moved.map(({ image }) => image))]
  const images =
    toContainers === undefined
      ? new Map<string, string | undefined>()
      : await findDeploymentServices.images(toRemote, names, { privilege: privilegeToSpeak(to), signal })
  const needs =
    fromContainers === undefined
      ? undefined
      : await lookAtNeeds(fromSide, toSide, fromContainers, dependencies.readComposeNeeds, signal)
  const makes = await dependencies.lookAtMakes(
    fromRemote,
    { containers: moved.map(({ id }) => id) },
    { privilege: privilegeToSpeak(from), signal },
  )
  return {
    missingVolumes,
    volumesToMake: toMake(missingVolumes, moved, toContainers, needs),
    needs,
    makes,
    looks: {
      from: { ...fromLook, containers: fromContainers },
      to: { ...toLook, containers: toContainers },
    },
    sides: { from: fromSide, to: toSide },
    services: { from: servicesOf(from, fromContainers), to: servicesOf(to, toContainers) },
    sources: sources.map((source, at) => ({ source, paths: origins[at] ?? [], targets: targets[at] ?? [] })),
    images,
    redis: await lookAtRedis(
      sources,
      { from: { ...fromSide, ...fromLook }, to: { ...toSide, ...toLook } },
      moved,
      images,
      signal,
    ),
  }
}

/** Where TO has no containers of the project: those that are there Compose would make anew. */
function toMake(
  missing: readonly MissingVolume[],
  moved: readonly ContainerLook[],
  there: DeploymentServices | undefined,
  needs: Needs | undefined,
): VolumesToMake | undefined {
  const labels = moved.find(({ compose }) => compose !== undefined)?.compose
  if (there?.services.manager !== 'compose' || there.containers.length > 0 || labels === undefined)
    return undefined
  const volumes = missing.map(({ volume }) => volume)
  return volumesToMake(volumes, there.services.project, labels, needs?.needs ?? [])
}

/** What of a server's paths is replaced, and whether any of it is not the SSH user's. */
type Replaced = (paths: readonly string[]) => {
  readonly targets: readonly string[]
  readonly foreign: boolean
}

/** Where the sources lie on a server, and as whom it is worked on there. */
async function placeSide(
  found: Pick<Side, 'host' | 'remote' | 'probe'>,
  sources: readonly SourceConfig[],
  replaced: Replaced,
  { findHelper, findVolume }: MigrateDependencies['restore']['pull'],
  missing: ((volume: string, error: RelayError) => void) | undefined,
  signal: AbortSignal,
): Promise<{ readonly side: Side; readonly paths: readonly (readonly string[])[] }> {
  const { host, probe } = found
  const deployment = probe.deployment ?? absoluteDeployment(host.deployment, probe.home)
  const place = { ...found, findHelper, findVolume, signal }
  const paths = await sourcePaths(sources, place, deployment, missing)
  const replacement = { deployment, services: host.services, ...replaced(paths.flat()) }
  return { side: { ...found, deployment, chosen: await privilegeToReplace(place, replacement) }, paths }
}

type ContainerConfig = Extract<HostConfig['services'], { readonly manager: 'docker' | 'compose' }>

function isContainers(services: HostConfig['services']): services is ContainerConfig {
  return services.manager === 'compose' || services.manager === 'docker'
}

async function containersOfSource(
  { host, remote, deployment }: Side,
  paths: readonly string[],
  sources: readonly SourceConfig[],
  { findDeploymentServices }: MigrateDependencies,
  signal: AbortSignal,
): Promise<DeploymentServices | undefined> {
  if (!isContainers(host.services)) return undefined
  // Whatever a Redis source names is what the last pull is taken from.
  const data = sources.flatMap((source) =>
    source.kind === 'redis' && 'service' in source.at ? [source.at.service] : [],
  )
  return findDeploymentServices.ofSource(remote, host.services, {
    deployment,
    paths,
    privilege: privilegeToSpeak(host),
    signal,
    data,
  })
}

/** As the server's script stops and starts them. */
function servicesOf({ services }: HostConfig, containers: DeploymentServices | undefined): ServerServices {
  if (containers !== undefined) return containers.services
  switch (services.manager) {
    case 'command': {
      const { stop, start, status } = services
      return { manager: 'command', stop, start, status }
    }
    case 'systemd': {
      const rest = services.stop.filter((unit) => !services.data.includes(unit))
      return { manager: 'systemd', data: services.data, rest }
    }
    case 'none':
    case 'compose':
    case 'docker':
      return { manager: 'none' }
  }
}
