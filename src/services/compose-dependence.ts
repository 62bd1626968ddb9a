import type { Privilege, RemoteHost } from '../remote/contract.ts'
import { askCompose } from './compose-say.ts'
import type { ComposeProject } from './contract.ts'

/**
 * The project with what its services depend on. Compose 2 writes that onto its containers; for those of version 1 Compose is
 * asked, because they would start by name. Where Compose can't read its files, nothing is known. Throws as askCompose.
 */
export async function withDependence(
  host: RemoteHost,
  project: ComposeProject,
  options: { readonly privilege: Privilege | undefined; readonly signal: AbortSignal },
): Promise<ComposeProject> {
  const { containers, directory, args } = project
  const services = new Set(containers.flatMap(({ compose }) => compose?.service ?? []))
  const isOfOne = containers.every(({ compose }) => compose?.version?.startsWith('1.') === true)
  if (services.size < 2 || !isOfOne) return project
  const said = await askCompose(host, { directory, project: project.project, args }, options)
  if (said === undefined || said === 'unreadable') return project
  return {
    ...project,
    containers: containers.map(({ compose, ...container }) => ({
      ...container,
      compose: compose && { ...compose, dependsOn: said.dependsOn.get(compose.service) ?? [] },
    })),
  }
}
