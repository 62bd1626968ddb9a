import { posix } from 'node:path'
import { RemoteError } from '../errors.ts'
import {
  composeTool,
  defaultName,
  leadTo,
  nameProject,
  projectOf,
  unknownProject,
} from './compose-project.ts'
import type {
  ComposeProject,
  ContainerConfig,
  ContainerLook,
  DeploymentOptions,
  DeploymentServices,
  DockerLook,
} from './contract.ts'
import { lookAtDocker } from './docker-look.ts'
import { isUp, isWithin } from './docker-paths.ts'
import { withDependence } from './compose-dependence.ts'
import { findComposeProject, type FindProjectOptions } from './find-project.ts'
import type { RemoteHost } from '../remote/contract.ts'
import { dockerServices, usersLeft, type ServiceOrder } from './docker-services.ts'
import { startingOrder } from './starting-order.ts'

/**
 * Finds the services of a deployment that run. The data services are those of the config and `data`; all others that run
 * are the rest. Throws as findContainerServices.
 */
export async function findSourceServices(
  host: RemoteHost,
  config: ContainerConfig,
  options: DeploymentOptions & { readonly data: readonly string[] },
): Promise<DeploymentServices> {
  const look = await lookAtDocker(host, options)
  if (config.manager === 'docker')
    return ofContainers(look, dockerServices(host.name, look, config), options.paths)
  const found = await findComposeProject(host, look, { ...options, config })
  if (found === undefined) throw unknownProject(host.name, options.deployment)
  const project = await withDependence(host, found, options)
  const order = runningServices(project, [...config.data, ...options.data], config.stop ?? [])
  return ofProject(look, project, order, false, options.paths)
}

/**
 * Finds the same services where they are moved to; a Compose project may have no containers there yet. Throws as
 * findContainerServices.
 */
export async function findTargetServices(
  host: RemoteHost,
  config: ContainerConfig,
  options: DeploymentOptions & {
    readonly from: DeploymentServices
    /** Absolute, on the server it is moved from. */
    readonly fromDeployment: string
  },
): Promise<DeploymentServices> {
  const look = await lookAtDocker(host, options)
  if (config.manager === 'docker')
    return ofContainers(look, dockerServices(host.name, look, config), options.paths)
  const project = await targetProject(host, look, config, options)
  if (composeTool(look) === undefined) {
    throw new RemoteError('compose-missing', `Neither docker compose nor docker-compose is on ${host.name}`, {
      host: host.name,
      next: 'Install the Compose plugin there',
    })
  }
  const { data, rest } = options.from.services
  const ours = config.data.length === 0 ? data : config.data
  const order = { data: ours, rest: [...data, ...rest].filter((name) => !ours.includes(name)) }
  return ofProject(look, project, order, true, options.paths)
}

/** The data services, and all others that run: those that are stopped first come last, the rest as they depend on each other. */
function runningServices(
  project: ComposeProject,
  dataNames: readonly string[],
  stop: readonly string[],
): ServiceOrder {
  const running = project.containers.filter(isUp).flatMap(({ compose }) => compose?.service ?? [])
  const data = [...new Set(dataNames)].filter((name) => running.includes(name))
  const rest = running.filter((name) => !data.includes(name))
  const others = startingOrder([...new Set(rest)], project.containers)
  const named = stop.filter((name) => others.includes(name)).toReversed()
  return { data, rest: [...others.filter((name) => !named.includes(name)), ...named] }
}

/**
 * When FROM's directory does not explain the project's name, `.env` or the Compose file sets it, so TO gets the same
 * name.
 */
async function targetProject(
  host: RemoteHost,
  look: DockerLook,
  config: FindProjectOptions['config'],
  options: Omit<FindProjectOptions, 'config'> & {
    readonly from: DeploymentServices
    readonly fromDeployment: string
  },
): Promise<ComposeProject> {
  const { deployment, fromDeployment } = options
  const there = await findComposeProject(host, look, { ...options, config })
  if (there !== undefined && (config.project !== undefined || there.containers.length > 0)) return there
  const from = options.from.project
  const source = from?.project
  const own = source !== undefined && source !== defaultName(options.from.directory)
  const moved = (path: string): string[] =>
    isWithin(path, fromDeployment) ? [posix.join(deployment, posix.relative(fromDeployment, path))] : []
  const files =
    config.file === undefined ? options.from.files.flatMap(moved) : [posix.resolve(deployment, config.file)]
  const [directory = deployment] =
    config.file === undefined ? moved(options.from.directory) : files.map(posix.dirname)
  const project = own ? source : defaultName(directory)
  const known = projectOf(look, { host: host.name, deployment, config }, project)
  return { ...known, ...leadTo(project, directory, files, (from?.envFiles ?? []).flatMap(moved)) }
}

function ofProject(
  look: DockerLook,
  project: ComposeProject,
  order: ServiceOrder,
  renew: boolean,
  paths: readonly string[],
): DeploymentServices {
  return {
    look,
    services: { manager: 'compose', project: project.project, args: project.args, renew, ...order },
    containers: project.containers,
    directory: project.directory,
    files: project.files,
    project,
    named: nameProject(project),
    usersLeft: usersLeft(look, project, order, paths),
  }
}

function ofContainers(look: DockerLook, order: ServiceOrder, paths: readonly string[]): DeploymentServices {
  const names = new Set([...order.data, ...order.rest])
  const containers: readonly ContainerLook[] = look.containers.filter(({ name }) => names.has(name))
  return {
    look,
    services: { manager: 'docker', ...order },
    containers,
    directory: '/',
    files: [],
    project: undefined,
    named: undefined,
    usersLeft: usersLeft(look, undefined, order, paths),
  }
}
