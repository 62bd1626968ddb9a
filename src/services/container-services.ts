import { RemoteError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import { nameProject, takenElsewhere } from './compose-project.ts'
import type { ComposeProject, DockerLook, FindContainerServices } from './contract.ts'
import { lookAtDocker } from './docker-look.ts'
import { findComposeProject } from './find-project.ts'
import { containersUsing, isUp, isWithin } from './docker-paths.ts'
import { composeServices, dockerServices, usersLeft } from './docker-services.ts'

/** See {@link FindContainerServices}. */
export const findContainerServices: FindContainerServices = async (host, config, options) => {
  const { deployment, paths, privilege, signal } = options
  const look = await lookAtDocker(host, { privilege, signal })
  if (config.manager === 'docker') {
    const order = dockerServices(host.name, look, config)
    return {
      services: { manager: 'docker', ...order },
      project: undefined,
      usersLeft: usersLeft(look, undefined, order, paths),
      findings: [],
    }
  }
  const project = await findComposeProject(host, look, { deployment, config, privilege, signal })
  if (project === undefined) {
    const nothing = { data: [], rest: [] }
    const left = usersLeft(look, undefined, nothing, paths)
    return { services: undefined, project: 'unknown', usersLeft: left, findings: [] }
  }
  const order = composeServices(host.name, look, project, config, paths)
  const running = project.containers.filter(isUp).flatMap(({ compose }) => compose?.service ?? [])
  const renew = readsFrom(look, project, paths)
  if (renew && running.length > 0 && look.compose.v1 === undefined && look.compose.v2 === undefined) {
    throw new RemoteError('compose-missing', `Neither docker compose nor docker-compose is on ${host.name}`, {
      host: host.name,
      next: 'Install the Compose plugin there: services start by it after their Compose file or .env was restored',
    })
  }
  return {
    services: { manager: 'compose', project: project.project, args: project.args, renew, ...order },
    project: nameProject(project),
    usersLeft: usersLeft(look, project, order, paths),
    findings: renew && running.length > 0 ? againstRenewal(host.name, project, running) : [],
  }
}

/** What speaks against making a project's services anew. */
function againstRenewal(
  host: string,
  project: ComposeProject,
  services: readonly string[],
): readonly Finding[] {
  return [project.problem ?? [], takenElsewhere(host, project, services) ?? []].flat()
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
