import { findSourceContainer } from '../services/source-container.ts'
import type { SearchContainer } from '../sources/contract.ts'
import { configuredPrivilege, type Visit } from './visit.ts'

/**
 * What finds the container of a source on a host, as a source asks for it; see findSourceContainer.
 *
 * @param deployment absolute, symlinks resolved; undefined when it is not there
 */
export function containerFinder(
  { host, remote, signal }: Pick<Visit, 'host' | 'remote' | 'signal'>,
  deployment: string | undefined,
): SearchContainer {
  const privilege = configuredPrivilege(host)
  return (reference) =>
    findSourceContainer(remote, host.services, reference, { deployment, privilege, signal })
}
