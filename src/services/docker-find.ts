import { SourceError } from '../errors.ts'
import { describeProject } from '../model/server-services.ts'
import { nearest } from '../model/nearest.ts'
import type { ComposeProject, ContainerLook, ContainerReference, DockerLook } from './contract.ts'
import { formatCount } from '../model/units.ts'

/**
 * The one container that is meant. When one of a service's containers runs, those that don't are passed over.
 * Throws SourceError `container-unknown` or `container-ambiguous`.
 */
export function findContainer(
  host: string,
  look: DockerLook,
  project: ComposeProject | undefined,
  reference: ContainerReference,
): ContainerLook {
  if ('container' in reference) {
    const name = reference.container.replace(/^\//, '')
    const found =
      look.containers.find((container) => container.name === name) ??
      look.containers.find(({ id }) => name.length >= 12 && id.startsWith(name))
    if (found !== undefined) return found
    throw unknown(
      host,
      'container',
      name,
      look.containers.map((container) => container.name),
    )
  }
  const { service } = reference
  const containers = project?.containers ?? []
  const ofService = containers.filter(({ compose }) => compose?.service === service)
  const up = ofService.filter(({ status }) => status === 'running' || status === 'paused')
  const [first, second] = up.length > 0 ? up : ofService
  if (first === undefined) {
    const services = containers.flatMap(({ compose }) => compose?.service ?? [])
    throw unknown(host, 'service', service, services, project)
  }
  if (second !== undefined) {
    const names = (up.length > 0 ? up : ofService).map(({ name }) => name).sort()
    throw new SourceError(
      'container-ambiguous',
      `The service ${service} on ${host} is ${formatCount(names.length, 'container')}: ${names.join(', ')}`,
      { host, next: `Name one of them in the config: container: ${names[0]}` },
    )
  }
  return first
}

function unknown(
  host: string,
  kind: string,
  name: string,
  known: readonly string[],
  project?: ComposeProject,
): SourceError {
  const names = [...new Set(known)].sort()
  const near = nearest(name, names)
  const list =
    names.length === 0 ? 'there is none' : `there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`
  const whose = project === undefined ? '' : ` in the ${describeProject(project)}`
  return new SourceError(
    'container-unknown',
    `There is no ${kind} ${name} on ${host}${near === undefined ? '' : `; did you mean ${near}?`}`,
    {
      host,
      next: `Correct the name in the config (${list}${whose}), or make its container: docker compose up -d`,
    },
  )
}
