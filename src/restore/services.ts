import type { HostConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import type { MadeServices, NamedProject, ServerServices } from '../model/server-services.ts'
import type { RemoteHost } from '../remote/contract.ts'
import { findContainerServices } from '../services/container-services.ts'
import { configuredPrivilege } from '../runs/visit.ts'
import type { ResolveSecret } from '../secrets/contract.ts'
import { commandServices } from './command-services.ts'
import type { ComposeTool, ContainerLook } from '../services/contract.ts'
import type { EnginePlace } from '../sources/kind.ts'

/** The services that stop and start around the swap. */
export interface FoundServices {
  readonly services: ServerServices
  /** Containers that run, use what is replaced, and would not be stopped. */
  readonly usersLeft: readonly ContainerLook[]
  /** Of the manager compose. */
  readonly project?: NamedProject | 'unknown' | undefined
  /** What a person there types for Compose. */
  readonly composeTool?: ComposeTool | undefined
  /** Services that would be made anew. */
  readonly made?: MadeServices | undefined
  /** Findings that speak against making them anew. */
  readonly findings?: readonly Finding[] | undefined
}

/** A server of data at this place may be what the start of the services with data brings up. */
export function startsWith(services: ServerServices, place: EnginePlace | undefined): boolean {
  switch (services.manager) {
    case 'none':
    case 'command':
      return false
    case 'systemd':
      return services.data.length > 0
    case 'docker':
      return place !== undefined && 'container' in place
        ? services.data.includes(place.container)
        : services.data.length > 0
    case 'compose':
      return place !== undefined && 'service' in place
        ? services.data.includes(place.service)
        : services.data.length > 0
  }
}

/**
 * What the server's script stops and starts, from the config; which containers these are is asked of Docker there.
 * Throws as {@link findContainerServices} and {@link commandServices}.
 */
export async function findServices(
  remote: RemoteHost,
  host: HostConfig,
  options: {
    readonly deployment: string
    readonly paths: readonly string[]
    readonly secret: ResolveSecret
    readonly signal: AbortSignal
  },
): Promise<FoundServices> {
  const { services } = host
  switch (services.manager) {
    case 'none':
      return { services: { manager: 'none' }, usersLeft: [] }
    case 'command':
      return { services: await commandServices(services, options.secret, options.signal), usersLeft: [] }
    case 'systemd': {
      const rest = services.stop.filter((unit) => !services.data.includes(unit))
      return { services: { manager: 'systemd', data: services.data, rest }, usersLeft: [] }
    }
    case 'compose':
    case 'docker': {
      const privilege = configuredPrivilege(host)
      const found = await findContainerServices(remote, services, { ...options, privilege })
      return { ...found, services: found.services ?? { manager: 'none' } }
    }
  }
}
