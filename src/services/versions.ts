import { RemoteError } from '../errors.ts'
import { fieldLines } from '../model/talk.ts'
import { nameProject } from './compose-project.ts'
import type { Privilege, RemoteHost } from '../remote/contract.ts'
import type { ContainerLook, DockerLook, LookAtVersions } from './contract.ts'
import { lookAtDocker } from './docker-look.ts'
import { findComposeProject } from './find-project.ts'

/** See {@link LookAtVersions}. */
export const lookAtVersions: LookAtVersions = async (host, services, { deployment, sudo, signal }) => {
  if (services.manager !== 'compose' && services.manager !== 'docker')
    return { versions: {}, project: undefined }
  const privilege: Privilege | undefined = sudo ? 'sudo' : undefined
  const look = await lookAtDocker(host, { privilege, signal })
  if (services.manager === 'docker') {
    const names = [...services.data, ...services.stop]
    const containers = look.containers.filter(({ name }) => names.includes(name))
    return { versions: { ...engineVersions(look), ...imagesOf(containers) }, project: undefined }
  }
  const project = await findComposeProject(host, look, { deployment, config: services, privilege, signal })
  return {
    versions: { ...engineVersions(look), ...imagesOf(project?.containers ?? []) },
    project: project === undefined ? 'unknown' : nameProject(project),
    problem: project?.problem,
  }
}

function engineVersions({ engine, compose }: DockerLook): Record<string, string> {
  return {
    'docker-engine': engine.version,
    ...(compose.v1 === undefined ? {} : { 'docker-compose': compose.v1 }),
    ...(compose.v2 === undefined ? {} : { 'compose-plugin': compose.v2 }),
  }
}

/** `image app:7` is the id of that image; several containers may be of one. */
function imagesOf(containers: readonly ContainerLook[]): Record<string, string> {
  return Object.fromEntries(containers.map(({ image, imageId }) => [`image ${image}`, imageId]))
}

/** The ids of these images on a server; undefined for one that is not there. Throws RemoteError. */
export async function findImages(
  host: RemoteHost,
  names: readonly string[],
  { privilege, signal }: { readonly privilege: Privilege | undefined; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, string | undefined>> {
  const title = 'looking for images'
  const result = await host.run(
    { script: 'services/images', patience: 'list', args: names, privilege, title },
    { signal },
  )
  const lines = fieldLines(result.stdout)
  if (result.status !== 0 || !lines.some(([verb]) => verb === 'end')) {
    throw new RemoteError('docker-failed', `Docker on ${host.name} can't be asked about its images`, {
      host: host.name,
      command: title,
      exitStatus: result.status,
      stderr: result.stderr,
      next: `Try as the SSH user on ${host.name}: docker images`,
    })
  }
  const found = lines.filter(([verb]) => verb === 'image')
  return new Map(names.map((name) => [name, found.find((line) => line[2] === name)?.[1]]))
}
