import { SourceError } from '../errors.ts'
import type { SourceConfig } from '../model/config.ts'
import type { Privilege } from '../remote/contract.ts'
import { choosePrivilege, lookAtAccess, type ChosenPrivilege } from '../runs/privilege.ts'
import type { Visit } from '../runs/visit.ts'
import type { PullDependencies } from './dependencies.ts'

/** How a source is read: as the SSH user wherever that is enough, by sudo where that is configured, else by Docker. */
export async function privilegeToRead(
  visit: Visit,
  source: SourceConfig,
  dependencies: Pick<PullDependencies, 'findHelper'>,
): Promise<ChosenPrivilege> {
  const paths = source.kind === 'redis' ? [source.path] : source.paths
  return choosePrivilege(visit, dependencies, async () => {
    const answers = await lookAtAccess(visit, 'read', [visit.deployment, ...paths])
    return answers.every((answer) => answer)
  })
}

/** What a person calls it, in a plan. */
export function describePrivilege(privilege: Privilege | undefined): string | undefined {
  if (privilege === undefined) return undefined
  return privilege === 'sudo'
    ? 'as root by sudo'
    : `as root in a helper container of ${privilege.docker.name}`
}

/** An error of files that can't be read, with the way by Docker and what it takes among the next steps. */
export function withRefusal(error: unknown, chosen: ChosenPrivilege | undefined): unknown {
  if (!(error instanceof SourceError) || error.code !== 'unreadable') return error
  return new SourceError(error.code, error.message, {
    ...error.details,
    next: nextWithRefusal(error.details.next, chosen?.refused),
  })
}

/** What to do about files that can't be read, with the way by Docker and what it takes. */
export function nextWithRefusal(
  next: string | undefined,
  refused: ChosenPrivilege['refused'],
): string | undefined {
  if (refused === undefined) return next
  const steps = [next, `Docker would do, too, but: ${refused.message}.`, refused.next]
  return steps.filter((step) => step !== undefined).join(' ')
}
