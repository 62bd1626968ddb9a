import type { ContainerLook, DeploymentServices } from '../services/contract.ts'

/** The containers that are going to run on TO. */
export function movedContainers(services: DeploymentServices | undefined): readonly ContainerLook[] {
  return (services?.containers ?? []).filter(({ status }) => status === 'running' || status === 'restarting')
}
