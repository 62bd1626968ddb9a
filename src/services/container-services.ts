import { RemoteError } from '../errors.ts'
import type { ServicesConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import type { MadeServices, NamedProject } from '../model/server-services.ts'
import type { Privilege, RemoteHost } from '../remote/contract.ts'
import { composeTool, leadTo, nameProject, projectOf, takenElsewhere } from './compose-project.ts'
import type { ComposeProject, ComposeTool, ContainerLook, ContainerServices, DockerLook } from './contract.ts'
import { lookAtDocker } from './docker-look.ts'
import { withDependence } from './compose-dependence.ts'
import { findComposeProject } from './find-project.ts'
import { containersUsing, isUp, isWithin } from './docker-paths.ts'
import { composeServices, dockerServices, usersLeft } from './docker-services.ts'

/**
 * Looks at Docker to find out which services stop for these paths (absolute, symlinks resolved), and which running
 * containers would still see them. Services are undefined where no Compose project is known, because then none of them
 * runs. Throws RemoteError (no Docker, not allowed, down) and SourceError (unknown service, several projects, no
 * Compose where it is needed).
 */
export async function findContainerServices(
  host: RemoteHost,
  config: Extract<ServicesConfig, { readonly manager: 'docker' | 'compose' }>,
  options: {
    /** Absolute, symlinks resolved. */
    readonly deployment: string
    readonly paths: readonly string[]
    readonly privilege: Privilege | undefined
    readonly signal: AbortSignal
  },
): Promise<{
  readonly services: ContainerServices | undefined
  /** Undefined with the manager docker. */
  readonly project: NamedProject | 'unknown' | undefined
  /** What a person there types for Compose; undefined where it is not there, or not needed. */
  readonly composeTool: ComposeTool | undefined
  readonly usersLeft: readonly ContainerLook[]
  /** Services that would be made anew; empty when there are none. */
  readonly made: MadeServices
  /** `failed` ones say why these services must not be stopped and started. */
  readonly findings: readonly Finding[]
}> {
  const { deployment, paths, privilege, signal } = options
  const look = await lookAtDocker(host, { privilege, signal })
  if (config.manager === 'docker') {
    const order = dockerServices(host.name, look, config)
    return {
      services: { manager: 'docker', ...order },
      project: undefined,
      composeTool: undefined,
      usersLeft: usersLeft(look, undefined, order, paths),
      made: NOTHING,
      findings: [],
    }
  }
  const found = await findComposeProject(host, look, { deployment, config, privilege, signal })
  if (found === undefined) {
    const nothing = { data: [], rest: [] }
    const left = usersLeft(look, undefined, nothing, paths)
    return {
      services: undefined,
      project: 'unknown',
      composeTool: composeTool(look),
      usersLeft: left,
      made: NOTHING,
      findings: [],
    }
  }
  const project = await withDependence(host, found, { privilege, signal })
  const order = composeServices(host.name, look, project, config, paths)
  const running = project.containers.filter(isUp).flatMap(({ compose }) => compose?.service ?? [])
  const renew = readsFrom(look, project, paths)
  if (renew && running.length > 0 && composeTool(look) === undefined) {
    throw new RemoteError('compose-missing', `Neither docker compose nor docker-compose is on ${host.name}`, {
      host: host.name,
      next: 'Install the Compose plugin there: services start by it after their Compose file or .env was restored',
    })
  }
  return {
    services: { manager: 'compose', project: project.project, args: project.args, renew, ...order },
    project: nameProject(project),
    composeTool: composeTool(look),
    usersLeft: usersLeft(look, project, order, paths),
    made: renew ? whatIsMade(look, project, [...order.data, ...order.rest], paths) : NOTHING,
    findings: running.length > 0 ? againstStarting(host.name, project, renew ? running : []) : [],
  }
}

/**
 * The same look for services that a restore's journal names: which containers that run use these paths and would not be
 * stopped with them, and what would be made anew. Throws RemoteError.
 */
export async function findPlacedServices(
  host: RemoteHost,
  services: ContainerServices,
  {
    paths,
    privilege,
    signal,
  }: {
    readonly paths: readonly string[]
    readonly privilege: Privilege | undefined
    readonly signal: AbortSignal
  },
): Promise<{ readonly usersLeft: readonly ContainerLook[]; readonly made: MadeServices }> {
  const look = await lookAtDocker(host, { privilege, signal })
  if (services.manager === 'docker')
    return { usersLeft: usersLeft(look, undefined, services, paths), made: NOTHING }
  const { args, project: name, renew } = services
  const values = (flag: string) => args.filter((_arg, at) => args[at - 1] === flag)
  const [directory = ''] = values('--project-directory')
  const [files, envFiles] = [values('--file'), values('--env-file')]
  const place = { host: host.name, deployment: directory, config: { project: name } }
  const project = { ...projectOf(look, place, name), ...leadTo(name, directory, files, envFiles) }
  const names = [...services.data, ...services.rest]
  return {
    usersLeft: usersLeft(look, project, services, paths),
    made: renew ? whatIsMade(look, project, names, paths) : NOTHING,
  }
}

const NOTHING: MadeServices = { services: [], unseen: [] }

function whatIsMade(
  look: DockerLook,
  project: ComposeProject,
  names: readonly string[],
  paths: readonly string[],
): MadeServices {
  const services = hashedServices(project, names)
  return { services, unseen: paths.filter((path) => !isRead(project, path) && !isSeen(look, project, path)) }
}

/**
 * What Compose has made the containers of these services from. Only services that run count. A container that Compose
 * has labelled with no hash can't be compared.
 */
export function hashedServices(
  { containers }: Pick<ComposeProject, 'containers'>,
  names: readonly string[],
): MadeServices['services'] {
  return names.flatMap((name) => {
    const running = containers.filter((one) => isUp(one) && one.compose?.service === name)
    const hashes = running.flatMap(({ compose }) => compose?.configHash ?? [])
    const [first] = running
    return first === undefined || hashes.length === 0 ? [] : [{ name, hashes, image: first.image }]
  })
}

function isRead({ reads }: ComposeProject, path: string): boolean {
  return reads.includes(path)
}

function isSeen(look: DockerLook, { containers }: ComposeProject, path: string): boolean {
  const ours = new Set(containers.map(({ id }) => id))
  return containersUsing(look, [path]).some(({ container }) => ours.has(container.id))
}

/** Findings that speak against stopping a project's services, or against making some of them anew. */
function againstStarting(
  host: string,
  project: ComposeProject,
  renewed: readonly string[],
): readonly Finding[] {
  return [project.problem ?? [], takenElsewhere(host, project, renewed) ?? []].flat()
}

/**
 * Whether Compose reads one of the paths: its own file, `.env`, or a path that no container has mounted, such as an
 * `env_file`. Saying yes too often does no harm: `up` makes anew only what has changed.
 */
export function readsFrom(look: DockerLook, project: ComposeProject, paths: readonly string[]): boolean {
  return paths.some(
    (path) => project.reads.some((file) => isWithin(file, path)) || !isSeen(look, project, path),
  )
}
