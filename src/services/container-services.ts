import { RemoteError, SourceError } from '../errors.ts'
import { composeProject } from './compose-project.ts'
import type { ComposeProject, DockerLook, FindContainerServices } from './contract.ts'
import { lookAtDocker } from './docker-look.ts'
import { containersUsing, isWithin } from './docker-paths.ts'
import { composeServices, dockerServices, usersLeft } from './docker-services.ts'

/** See {@link FindContainerServices}. */
export const findContainerServices: FindContainerServices = async (host, config, options) => {
  const { deployment, paths, privilege, signal } = options
  const look = await lookAtDocker(host, { privilege, signal })
  if (config.manager === 'docker') {
    const order = dockerServices(host.name, look, config)
    return {
      services: { manager: 'docker', ...order },
      usersLeft: usersLeft(look, undefined, order, paths),
    }
  }
  const project = composeProject(host.name, look, deployment, config)
  if (project === undefined) {
    throw new SourceError('project-unknown', `No Compose project is known in ${deployment} on ${host.name}`, {
      host: host.name,
      next: `Set hosts.${host.name}.services.file to its Compose file`,
    })
  }
  const order = composeServices(host.name, look, project, config, paths)
  const renew = readsFrom(look, project, paths)
  if (renew && look.compose.v1 === undefined && look.compose.v2 === undefined) {
    throw new RemoteError('compose-missing', `Neither docker compose nor docker-compose is on ${host.name}`, {
      host: host.name,
      next: 'Install the Compose plugin there: services start by it after their Compose file or .env was restored',
    })
  }
  return {
    services: { manager: 'compose', project: project.project, args: project.args, renew, ...order },
    usersLeft: usersLeft(look, project, order, paths),
  }
}

/**
 * Compose reads one of the paths: its own file, `.env`, or whatever no container has mounted, such as an `env_file`.
 * Too often is no harm: `up` makes anew only what has changed.
 */
export function readsFrom(look: DockerLook, project: ComposeProject, paths: readonly string[]): boolean {
  const ours = new Set(project.containers.map(({ id }) => id))
  return paths.some(
    (path) =>
      project.reads.some((file) => isWithin(file, path)) ||
      !containersUsing(look, [path]).some(({ container }) => ours.has(container.id)),
  )
}
