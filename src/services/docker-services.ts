import { SourceError } from '../errors.ts'
import { containersUsing, isUp, isWithin } from './docker-paths.ts'
import { describeProject } from '../model/server-services.ts'
import { nearest } from '../model/nearest.ts'
import { startingOrder } from './starting-order.ts'
import type { ComposeProject, ContainerLook, DockerLook } from './contract.ts'

/** Names in the order of starting: the data services first. Stopping goes the other way. */
export interface ServiceOrder {
  readonly data: readonly string[]
  readonly rest: readonly string[]
}

/**
 * What a Compose project's services are in a restore of these paths. Without a configured `stop` these are the services
 * whose containers see a path, and all of them when Compose itself reads one of the paths, because each service is made
 * from its file and `.env`. Those named `data` come first. Throws SourceError `service-unknown` for a configured one
 * that has no container while the project has others.
 */
export function composeServices(
  host: string,
  look: DockerLook,
  project: ComposeProject,
  config: { readonly data: readonly string[]; readonly stop?: readonly string[] | undefined },
  paths: readonly string[],
): ServiceOrder {
  const known = [...new Set(project.containers.flatMap(({ compose }) => compose?.service ?? []))]
  for (const name of [...config.data, ...(config.stop ?? [])]) {
    if (known.length > 0 && !known.includes(name)) throw unknownService(host, name, known, { project })
  }
  if (config.stop !== undefined) return order(config.data, config.stop)
  const isRead = project.reads.some((file) => paths.some((path) => isWithin(file, path)))
  const stopped = isRead ? known : servicesUsing(look, project, paths)
  return order(config.data, startingOrder(stopped, project.containers).toReversed())
}

/** The same for containers by name. Throws SourceError `service-unknown`. */
export function dockerServices(
  host: string,
  look: DockerLook,
  config: { readonly data: readonly string[]; readonly stop: readonly string[] },
): ServiceOrder {
  const known = look.containers.map(({ name }) => name)
  for (const name of [...config.data, ...config.stop]) {
    if (!known.includes(name)) throw unknownService(host, name, known)
  }
  return order(config.data, config.stop)
}

/**
 * The order of services that are stopped or paused: those of a Compose project, or containers by name (no project). `names` are in the
 * order of stopping; the data services stop last all the same. Throws SourceError `service-unknown`.
 */
export function quiesceOrder(
  host: string,
  look: DockerLook,
  project: ComposeProject | undefined,
  data: readonly string[],
  names: readonly string[],
): ServiceOrder {
  const known =
    project === undefined
      ? look.containers.map(({ name }) => name)
      : [...new Set(project.containers.flatMap(({ compose }) => compose?.service ?? []))]
  for (const name of names) {
    // A project without containers runs nothing.
    if (!known.includes(name) && (project === undefined || known.length > 0))
      throw unknownService(host, name, known, { where: 'the quiesce of this source', project })
  }
  return order(
    data.filter((name) => names.includes(name)),
    names,
  )
}

/**
 * Containers that run, see a path, and are not among those that are going to be stopped: what they write into a tree
 * that is moved aside would be lost. Read-only mounts count, too, because such a container would keep showing the old
 * tree.
 */
export function usersLeft(
  look: DockerLook,
  project: ComposeProject | undefined,
  stopped: ServiceOrder,
  paths: readonly string[],
): readonly ContainerLook[] {
  const names = new Set([...stopped.data, ...stopped.rest])
  const ours = new Set(project?.containers.map(({ id }) => id))
  const isStopped = ({ id, name, compose }: ContainerLook): boolean =>
    project === undefined ? names.has(name) : ours.has(id) && names.has(compose?.service ?? '')
  const using = containersUsing(look, paths)
    .map(({ container }) => container)
    .filter(isUp)
  return [...new Set(using)].filter((container) => !isStopped(container))
}

function servicesUsing(
  look: DockerLook,
  project: ComposeProject,
  paths: readonly string[],
): readonly string[] {
  const ours = new Set(project.containers.map(({ id }) => id))
  return containersUsing(look, paths)
    .filter(({ container }) => ours.has(container.id))
    .flatMap(({ container }) => container.compose?.service ?? [])
}

/** `stop` is in the order of stopping. */
function order(data: readonly string[], stop: readonly string[]): ServiceOrder {
  return { data, rest: [...new Set(stop)].filter((name) => !data.includes(name)).reverse() }
}

function unknownService(
  host: string,
  name: string,
  known: readonly string[],
  options: { readonly where?: string; readonly project?: ComposeProject | undefined } = {},
): SourceError {
  const { where = `hosts.${host}.services`, project } = options
  const whose = project === undefined ? '' : ` (${describeProject(project)})`
  const near = nearest(name, known)
  return new SourceError(
    'service-unknown',
    `There is no service ${name} on ${host}${near === undefined ? '' : `; did you mean ${near}?`}`,
    { host, next: `Correct ${where}; there is: ${[...known].sort().join(', ')}${whose}` },
  )
}
