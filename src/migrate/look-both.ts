import type { RelayError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import { configuredPrivilege, visit, type Visit } from '../runs/visit.ts'
import { selectSources } from '../pull/select-sources.ts'
import type { ServerServices } from '../model/server-services.ts'
import type { ContainerLook, ContainerMake, DeploymentServices } from '../services/contract.ts'
import type { MigrateDependencies } from './dependencies.ts'
import { privilegeToReplace } from '../runs/privilege.ts'
import { lookAtSide, sourcePaths, type Side, type SideLook } from './look.ts'
import { movedContainers } from './moved-containers.ts'
import { lookAtLoads, type LoadedLook } from './look-loads.ts'
import { lookAtNeeds, type Needs } from './needs.ts'
import type { MissingVolume, MovedSource } from './plan.ts'
import { volumesToMake, type VolumesToMake } from './volumes.ts'
import { lookAtEngines, type EngineVersions } from './engine-versions.ts'
import { kindOf } from '../sources/registry.ts'
import { commandServices } from '../restore/command-services.ts'
import { changedServices } from '../restore/compose-check.ts'
import { hashedServices } from '../services/container-services.ts'
import { lookAtMakes } from '../services/container-make.ts'
import { findSourceServices, findTargetServices } from '../services/deployment-services.ts'
import { findImages } from '../services/versions.ts'
import type { ResolveSecret } from '../secrets/contract.ts'

/** Both servers as they are. */
export interface BothLooks {
  readonly looks: { readonly from: SideLook; readonly to: SideLook }
  /** The connection to TO is closed. */
  readonly sides: { readonly from: Side; readonly to: Omit<Side, 'remote'> }
  readonly services: { readonly from: ServerServices; readonly to: ServerServices }
  readonly sources: readonly MovedSource[]
  readonly images: ReadonlyMap<string, string | undefined>
  readonly engines: readonly EngineVersions[]
  readonly loads: readonly LoadedLook[]
  readonly needs: Needs | undefined
  /** FROM's services that Compose there would not make as they run. */
  readonly changed: readonly string[]
  /** Volumes that TO lacks, each with the error that says so. */
  readonly missingVolumes: readonly MissingVolume[]
  /** The files that Compose on TO makes them from; undefined where there are none, or where Compose can't. */
  readonly volumesToMake: VolumesToMake | undefined
  /** FROM's containers, which are to run on TO in the same way. */
  readonly makes: readonly ContainerMake[]
}

/**
 * Looks at both servers; changes nothing. TO's connection is closed again. Throws RemoteError, SourceError and
 * ConnectionError.
 */
export async function lookAtBoth(
  fromVisit: Visit,
  to: HostConfig,
  dependencies: MigrateDependencies,
  step: (text: string) => void,
): Promise<BothLooks> {
  const { host: from, signal } = fromVisit
  const { pull } = dependencies.restore
  await using toVisit = await visit(to, { shellFor: 'migrate', step }, pull, signal)
  const { sources } = selectSources(from, undefined, fromVisit.probe.existing)
  const missingVolumes: MissingVolume[] = []
  const place = (place: Visit, replaced: Replaced) => {
    const isTarget = place.host.name === to.name
    const missing = (volume: string, error: RelayError): void =>
      void missingVolumes.push({ volume, why: error.message, next: error.details.next })
    return placeSide(place, sources, replaced, pull, isTarget ? missing : undefined)
  }
  // Nothing on FROM is replaced: only its services are stopped, with a journal beside the data.
  const { side: fromSide, paths: origins } = await place(fromVisit, () => ({
    targets: [],
    foreign: false,
  }))
  const fromPaths = origins.flat()
  const fromLook = await lookAtSide(fromSide, fromPaths, pull)
  const { side: toSide, paths: targets } = await place(toVisit, (paths) => ({
    targets: paths,
    foreign: fromLook.machine.ownerUids.some((uid) => uid !== toVisit.probe.uid),
  }))
  const toLook = await lookAtSide(toSide, targets.flat(), pull)

  const fromContainers = await containersOfSource(fromSide, fromPaths, sources)
  let toContainers: DeploymentServices | undefined
  if (
    fromContainers !== undefined &&
    isContainers(to.services) &&
    to.services.manager === from.services.manager
  ) {
    toContainers = await findTargetServices(toVisit.remote, to.services, {
      deployment: toLook.server.deployment.path,
      paths: toLook.server.targets.map(({ path }) => path),
      privilege: configuredPrivilege(to),
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
      : await findImages(toVisit.remote, names, {
          privilege: configuredPrivilege(to),
          signal,
        })
  const needs =
    fromContainers === undefined ? undefined : await lookAtNeeds(fromSide, toSide, fromContainers, signal)
  const makes = await lookAtMakes(
    fromVisit.remote,
    { containers: moved.map(({ id }) => id) },
    { privilege: configuredPrivilege(from), signal },
  )
  return {
    missingVolumes,
    volumesToMake: toMake(missingVolumes, moved, toContainers, needs),
    needs,
    makes,
    changed: await changedOnSource(fromSide, fromContainers),
    looks: {
      from: { ...fromLook, containers: fromContainers },
      to: { ...toLook, containers: toContainers },
    },
    sides: { from: fromSide, to: toSide },
    services: {
      from: await servicesOf(from, fromContainers, pull.resolveSecret, signal),
      to: await servicesOf(to, toContainers, pull.resolveSecret, signal),
    },
    sources: sources.map((source, at) => ({ source, paths: origins[at] ?? [], targets: targets[at] ?? [] })),
    images,
    loads: await lookAtLoads(sources, { from: fromSide, to: toSide }, pull),
    engines: await lookAtEngines(
      sources,
      { from: { ...fromSide, ...fromLook }, to: { ...toSide, ...toLook } },
      moved,
      images,
      signal,
    ),
  }
}

/** Only where TO has no containers of the project, because Compose would make those anew. */
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

/** The paths that are replaced on a server, and whether any of them is not the SSH user's. */
type Replaced = (paths: readonly string[]) => {
  readonly targets: readonly string[]
  readonly foreign: boolean
}

/** Where the sources lie on a server, and with which rights they are worked on. */
async function placeSide(
  place: Visit,
  sources: readonly SourceConfig[],
  replaced: Replaced,
  pull: MigrateDependencies['restore']['pull'],
  missing: ((volume: string, error: RelayError) => void) | undefined,
): Promise<{ readonly side: Side; readonly paths: readonly (readonly string[])[] }> {
  const paths = await sourcePaths(sources, place, missing)
  const replacement = { services: place.host.services, ...replaced(paths.flat()) }
  const chosen = await privilegeToReplace(place, pull, replacement)
  return { side: { ...place, privilege: chosen.privilege, chosen }, paths }
}

async function changedOnSource(
  { host, remote, signal }: Side,
  containers: DeploymentServices | undefined,
): Promise<readonly string[]> {
  if (containers?.project === undefined || containers.services.manager !== 'compose') return []
  const { services, project } = containers
  const made = { services: hashedServices(project, [...services.data, ...services.rest]), unseen: [] }
  return await changedServices(remote, services, made, { privilege: configuredPrivilege(host), signal })
}

type ContainerConfig = Extract<HostConfig['services'], { readonly manager: 'docker' | 'compose' }>

function isContainers(services: HostConfig['services']): services is ContainerConfig {
  return services.manager === 'compose' || services.manager === 'docker'
}

async function containersOfSource(
  { host, remote, deployment, signal }: Side,
  paths: readonly string[],
  sources: readonly SourceConfig[],
): Promise<DeploymentServices | undefined> {
  if (!isContainers(host.services)) return undefined
  // What a source names as its server is what the last pull is taken from.
  const data = sources.flatMap((source) => {
    const place = kindOf(source.kind).engine?.place(source)
    return place !== undefined && 'service' in place ? [place.service] : []
  })
  return findSourceServices(remote, host.services, {
    deployment,
    paths,
    privilege: configuredPrivilege(host),
    signal,
    data,
  })
}

/** The services as the server's script stops and starts them. */
async function servicesOf(
  { services }: HostConfig,
  containers: DeploymentServices | undefined,
  resolve: ResolveSecret,
  signal: AbortSignal,
): Promise<ServerServices> {
  if (containers !== undefined) return containers.services
  switch (services.manager) {
    case 'command':
      return await commandServices(services, resolve, signal)
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
