import { RemoteError, SourceError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import type { HostProbe, Privilege, RemoteHost } from '../remote/contract.ts'
import type { FindHelper } from '../services/contract.ts'

/** How something on the server is got at. */
export interface ChosenPrivilege {
  /** Undefined: as the SSH user. */
  readonly privilege: Privilege | undefined
  /** Root is needed, and this is why Docker does not give it. */
  readonly refused?: { readonly message: string; readonly next: string } | undefined
}

/** Where it is to be chosen. */
export interface PrivilegePlace {
  readonly host: Pick<HostConfig, 'sudo'>
  readonly remote: RemoteHost
  readonly probe: HostProbe
  readonly findHelper: FindHelper
  readonly signal: AbortSignal
}

/** How a source is read: as the SSH user wherever that is enough, by sudo where that is configured, else by Docker. */
export async function privilegeToRead(place: PrivilegePlace, source: SourceConfig): Promise<ChosenPrivilege> {
  const { probe } = place
  const paths = source.kind === 'redis' ? [source.path] : source.paths
  return choosePrivilege(place, async () => {
    const answers = await lookAtAccess(place, 'read', [probe.deployment ?? '/', ...paths])
    return answers.every((answer) => answer)
  })
}

/** `enough` says whether the SSH user's own rights are; it is only asked where there is a choice. */
export async function choosePrivilege(
  { host, remote, probe, findHelper, signal }: PrivilegePlace,
  enough: () => Promise<boolean>,
): Promise<ChosenPrivilege> {
  if (probe.access === 'sftp') return { privilege: undefined }
  if (host.sudo) return { privilege: 'sudo' }
  const isChoice = probe.uid !== 0 && probe.versions.docker !== undefined
  if (!isChoice || (await enough())) return { privilege: undefined }
  const found = await findHelper(remote, signal)
  return 'refused' in found ? { privilege: undefined, refused: found.refused } : found
}

/** Asks the server by remote/scripts/access.sh; the first of `args` is the deployment. */
export async function lookAtAccess(
  { remote, signal }: Pick<PrivilegePlace, 'remote' | 'signal'>,
  how: 'read' | 'replace' | 'settle',
  args: readonly string[],
): Promise<readonly boolean[]> {
  const title = 'looking at who may read what'
  const result = await remote.run(
    { script: 'remote/access', patience: 'work', args: [how, ...args], title },
    { signal },
  )
  const answers = result.stdout.toString('utf8').split('\n').slice(0, -1)
  const expected = how === 'read' ? args.length - 1 : args.length
  if (result.status === 0 && answers.length === expected) return answers.map((answer) => answer === 'yes')
  throw new RemoteError('script', "The server's answer about its files is incomplete", {
    host: remote.name,
    command: title,
    exitStatus: result.status,
    stderr: result.stderr,
    next: 'Try again; with --verbose the log has the details.',
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
