import type { ServicesConfig } from '../model/config.ts'
import type { Privilege, RemoteHost } from '../remote/contract.ts'
import { nameProject } from './compose-project.ts'
import type { ContainerReference, ContainerSearch } from './contract.ts'
import { findContainer } from './docker-find.ts'
import { lookAtDocker } from './docker-look.ts'
import { findComposeProject } from './find-project.ts'
import { containersUsing, isUp, pathOnServer } from './docker-paths.ts'

/**
 * Finds the container that is meant by one look at Docker. Throws RemoteError (no Docker, not allowed, down) and
 * SourceError `container-unknown` (with the candidates), `container-ambiguous` or `project-ambiguous`.
 */
export async function findSourceContainer(
  host: RemoteHost,
  services: ServicesConfig,
  reference: ContainerReference,
  options: {
    /** Absolute, symlinks resolved; undefined when it is not there. */
    readonly deployment: string | undefined
    /** Only the part of the host that speaking to Docker takes. */
    readonly privilege: Privilege | undefined
    readonly signal: AbortSignal
  },
): Promise<ContainerSearch> {
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
