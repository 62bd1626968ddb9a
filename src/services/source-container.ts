import { nameProject } from './compose-project.ts'
import type { FindContainer } from './contract.ts'
import { findContainer } from './docker-find.ts'
import { lookAtDocker } from './docker-look.ts'
import { findComposeProject } from './find-project.ts'
import { containersUsing, isUp, pathOnServer } from './docker-paths.ts'

/** See {@link FindContainer}. */
export const findSourceContainer: FindContainer = async (host, services, reference, options) => {
  const look = await lookAtDocker(host, options)
  const project =
    'service' in reference
      ? await findComposeProject(host, look, {
          ...options,
          // A container can't come from a directory that is not there.
          deployment: options.deployment ?? '',
          config: services.manager === 'compose' ? services : {},
        })
      : undefined
  const isEmpty = 'service' in reference && (project?.containers.length ?? 0) === 0
  const container = isEmpty ? undefined : findContainer(host.name, look, project, reference)
  return {
    container,
    project: project === undefined ? undefined : nameProject(project),
    pathOnServer: (path) => (container === undefined ? undefined : pathOnServer(container, path)?.path),
    usersOf: (path) =>
      containersUsing(look, [path])
        .map((use) => use.container)
        .filter(isUp),
  }
}
