import { SourceError } from '../errors.ts'
import type { ServicesConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { describeProject } from '../model/server-services.ts'
import type { Privilege, RemoteHost } from '../remote/contract.ts'
import { askCompose } from './compose-say.ts'
import type { ComposeProject, ComposeSays, DockerLook } from './contract.ts'
import { wholeAnswer } from './docker-answer.ts'
import { lookAtDocker } from './docker-look.ts'
import { findComposeProject } from './find-project.ts'
import { nearest } from '../model/nearest.ts'

const LABEL = 'com.docker.compose.'

/** A volume as Docker's own inspect has it. */
export interface InspectedVolume {
  readonly Name: string
  readonly Driver: string
  readonly Mountpoint: string
  readonly Labels: Readonly<Record<string, string>> | null
  readonly Options: Readonly<Record<string, string>> | null
}

/**
 * Finds a named volume: the one that the deployment's own Compose project knows by this name, also by its real one
 * (`name:`, `external:`); where no project is known, the one of this name. A volume of another project is never taken.
 * Throws RemoteError (no Docker, not allowed, down) and SourceError `volume-missing`, `volume-ambiguous`,
 * `volume-driver` and `volume-options` for a volume that does not lie in a directory of this server's Docker.
 */
export async function findVolume(
  host: RemoteHost,
  volume: string,
  options: {
    /** Absolute, symlinks resolved. */
    readonly deployment: string
    readonly services: ServicesConfig
    readonly privilege: Privilege | undefined
    readonly signal: AbortSignal
  },
): Promise<{
  readonly name: string
  /** Where it lies on the server: absolute, symlinks resolved. */
  readonly mountpoint: string
}> {
  const { deployment, services, privilege, signal } = options
  const isCompose = services.manager === 'compose'
  const look = await lookAtDocker(host, { privilege, signal })
  const config = isCompose ? services : {}
  const project = await findComposeProject(host, look, { deployment, config, privilege, signal })
  const title = `looking for the volume ${volume}`
  const result = await host.run(
    { script: 'services/volume-look', patience: 'list', privilege, title },
    { signal },
  )
  const volumes = parseVolumeLook(host.name, result.stdout)
  const known: VolumeChoice = { host: host.name, volume, volumes, look, project, isCompose }
  const mounted = project === undefined ? undefined : mountedOwn(known, project)
  const said =
    project === undefined || mounted !== undefined
      ? undefined
      : await askCompose(host, project, { privilege, signal })
  const found = mounted ?? chooseVolume(known, said)
  refuseElsewhere(host.name, found)
  return { name: found.Name, mountpoint: found.Mountpoint }
}

/** Reads what `services/volume-look` prints. Throws as {@link wholeAnswer} does. */
export function parseVolumeLook(host: string, stdout: Buffer): readonly InspectedVolume[] {
  return wholeAnswer(host, stdout)
    .filter(([verb]) => verb === 'volume')
    .map((line) => JSON.parse(line.slice(1).join('\t')) as InspectedVolume)
}

/** What is known when a volume is chosen. */
export interface VolumeChoice {
  readonly host: string
  /** As configured: the name in a Compose file, or the real one. */
  readonly volume: string
  readonly volumes: readonly InspectedVolume[]
  readonly look: DockerLook
  /** The deployment's own Compose project. */
  readonly project: ComposeProject | undefined
  /** The config says that Compose manages the services. */
  readonly isCompose: boolean
}

/** The project's one volume of this name that its containers have mounted: then Compose need not be asked. */
function mountedOwn(choice: VolumeChoice, project: ComposeProject): InspectedVolume | undefined {
  const [one, second] = labelled(choice, project)
  const literal = choice.volumes.find(({ Name }) => Name === choice.volume)
  if (one === undefined || second !== undefined) return undefined
  if (literal !== undefined && literal !== one) return undefined
  return mountsOf(project).has(one.Name) ? one : undefined
}

/**
 * The volume that is meant, by Compose's word about the project's files. Undefined when there are no files, as on a
 * server that the deployment has not come to yet. Throws SourceError `volume-missing` and `volume-ambiguous`.
 */
export function chooseVolume(
  choice: VolumeChoice,
  answer: ComposeSays | 'unreadable' | undefined,
): InspectedVolume {
  const { volume, volumes, project, isCompose } = choice
  const literal = volumes.find(({ Name }) => Name === volume)
  if (project === undefined) {
    if (literal === undefined || isElsewhere(choice, literal)) throw missing(choice, volume)
    return literal
  }
  const said = answer === 'unreadable' ? undefined : answer
  const isDeclared = said !== undefined && [...said.volumes.values()].includes(volume)
  const real = said?.volumes.get(volume) ?? (isDeclared ? volume : undefined)
  if (real !== undefined) {
    const found = volumes.find(({ Name }) => Name === real)
    if (found === undefined) throw missing(choice, real)
    if (literal !== undefined && literal !== found) throw ambiguous(choice, [found, literal])
    return found
  }
  const own = labelled(choice, project)
  const mounts = mountsOf(project)
  const [one, second] = own.length > 1 ? own.filter(({ Name }) => mounts.has(Name)) : own
  if (one === undefined && own.length > 1) throw ambiguous(choice, own)
  if (one !== undefined) {
    const others = own.includes(literal ?? one) ? [] : [literal ?? one]
    if (second !== undefined || others.length > 0) throw ambiguous(choice, [...own, ...others])
    return one
  }
  if (literal !== undefined && mounts.has(literal.Name)) return literal
  // Without Compose in the config, or without a Compose file there yet, names are Docker's own.
  const isFree = !isCompose || answer === undefined
  if (literal !== undefined && isFree && projectOfVolume(literal) === undefined) return literal
  throw missing(choice, volume)
}

/** The volumes that the project itself has made by this name, and those that have this very name. */
function labelled(
  { volume, volumes }: VolumeChoice,
  { project }: ComposeProject,
): readonly InspectedVolume[] {
  return volumes.filter(
    (one) =>
      projectOfVolume(one) === project && (one.Labels?.[`${LABEL}volume`] === volume || one.Name === volume),
  )
}

function projectOfVolume({ Labels }: InspectedVolume): string | undefined {
  return Labels?.[`${LABEL}project`]
}

function mountsOf({ containers }: ComposeProject): ReadonlySet<string> {
  return new Set(containers.flatMap(({ mounts }) => mounts.flatMap(({ volume }) => volume ?? [])))
}

/** True when the volume belongs to a project whose containers were not made in this deployment. */
function isElsewhere({ look }: VolumeChoice, volume: InspectedVolume): boolean {
  const project = projectOfVolume(volume)
  return project !== undefined && look.containers.some(({ compose }) => compose?.project === project)
}

/** A volume of another deployment is never proposed, nor named as being in the way. */
function missing({ host, volume, volumes, project }: VolumeChoice, real: string): SourceError {
  const own = volumes.filter((one) => [undefined, project?.project].includes(projectOfVolume(one)))
  const names = own.flatMap(({ Name, Labels }) => [Labels?.[`${LABEL}volume`] ?? [], Name].flat())
  const near = nearest(
    volume,
    names.filter((name) => name !== volume),
  )
  const called = real === volume ? volume : `${volume} (${printable(real)})`
  const whose = project === undefined ? '' : ` of the ${describeProject(project)}`
  return new SourceError(
    'volume-missing',
    `There is no volume ${called} on ${host}${near === undefined ? '' : `; did you mean ${near}?`}`,
    {
      host,
      next: `Correct the name in the config; or let Compose make the volumes${whose}, without starting anything, in the deployment on ${host}: docker compose up --no-start (or docker-compose up --no-start)`,
    },
  )
}

function ambiguous({ host, volume, project }: VolumeChoice, found: readonly InspectedVolume[]): SourceError {
  const names = found.map(({ Name }) => printable(Name)).join(' and ')
  const whose = project === undefined ? '' : ` for the ${describeProject(project)}`
  return new SourceError('volume-ambiguous', `${volume} may be ${names} on ${host}${whose}`, {
    host,
    next: `Write the real name of the one that is meant, if it is the project's own, in the config: volume: ${found[0]?.Name ?? volume}`,
  })
}

/** Reading the volume's own directory captures only what lies in it. */
function refuseElsewhere(host: string, { Name, Driver, Mountpoint, Options }: InspectedVolume): void {
  if (Driver !== 'local' || !Mountpoint.startsWith('/')) {
    throw new SourceError(
      'volume-driver',
      `The volume ${Name} is kept by the driver ${printable(Driver)}, not on ${host} itself`,
      { host, next: 'Back it up where it is kept, and take this source out of the config.' },
    )
  }
  const options = Object.keys(Options ?? {})
  if (options.length === 0) return
  throw new SourceError(
    'volume-options',
    `The volume ${Name} on ${host} is mounted from elsewhere (${options.map(printable).join(', ')})`,
    { host, next: 'Name the directory that it is mounted from in a source of the kind files.' },
  )
}
