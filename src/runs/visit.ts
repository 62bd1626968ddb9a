import { RelayError } from '../errors.ts'
import type { HostConfig } from '../model/config.ts'
import type { HostProbe, Privilege, RemoteHost } from '../remote/contract.ts'
import type { FindHelper } from '../services/contract.ts'
import { requireShell } from './access.ts'
import { privilegeToSettle } from './privilege.ts'

/** A host that is connected to and was looked at: where every operation works. */
export interface Visit {
  readonly host: HostConfig
  readonly remote: RemoteHost
  readonly probe: HostProbe
  /** Absolute, with symlinks resolved where it is there. */
  readonly deployment: string
  /**
   * As whom work is done on the deployment and its services; undefined: as the SSH user. It begins as `sudo` says in
   * the config. Work that needs other rights chooses them (privilege.ts) and goes on with `{ ...visit, privilege }`.
   */
  readonly privilege: Privilege | undefined
  readonly signal: AbortSignal
}

/** The part of a visit that a script on the server needs. */
export type WorkPlace = Pick<Visit, 'deployment' | 'privilege' | 'signal'>

/** How a server is reached. */
export interface VisitDependencies {
  readonly connect: (host: HostConfig, signal: AbortSignal) => Promise<RemoteHost>
  readonly probe: (
    host: RemoteHost,
    question: { readonly deployment: string; readonly names: readonly string[]; readonly sudo: boolean },
    signal: AbortSignal,
  ) => Promise<HostProbe>
  readonly findHelper: FindHelper
}

/**
 * How many sessions an operation has open at once, at most: its lock or its own script, the one that holds services
 * still, the one that holds a source's data, and what is done meanwhile.
 */
const AT_ONCE = 4

/** The purpose of a visit. */
export interface VisitRequest {
  /** Names directly under the deployment that are looked for. */
  readonly names?: readonly string[]
  /** The operation, when it needs a shell: `restore`. Absent: SFTP is enough. */
  readonly shellFor?: string
  /** Where the deployment is known to be; default: as the config says. */
  readonly deployment?: string
  /** The deployment has to be there. */
  readonly insists?: boolean
  /** The visit settles the remains of restores: {@link Visit.privilege} is that of {@link privilegeToSettle}. */
  readonly settles?: boolean
  /** Nothing is held on the server meanwhile, so that one session behind another will do. */
  readonly looksOnly?: boolean
  /** Called before each part. */
  readonly step?: (text: string) => void
}

/**
 * Connects to a host and looks at it; changes nothing there. Disposing the visit closes the connection. Throws
 * ConnectionError, RemoteError (`too-few-sessions` where the server opens fewer sessions than the operation holds at
 * once), and RelayError `needs-shell`, `no-deployment`, `root-needed` as asked.
 */
export async function visit(
  host: HostConfig,
  request: VisitRequest,
  dependencies: VisitDependencies,
  signal: AbortSignal,
): Promise<Visit & AsyncDisposable> {
  request.step?.('connecting')
  const remote = await dependencies.connect(host, signal)
  try {
    request.step?.('looking around')
    const place = await lookAround({ host, remote, signal }, request, dependencies)
    // Whoever settles what was left tries with what there is.
    if (request.looksOnly !== true && request.settles !== true) await claimSessions(place)
    return { ...place, [Symbol.asyncDispose]: () => remote[Symbol.asyncDispose]() }
  } catch (error) {
    await remote[Symbol.asyncDispose]()
    throw error
  }
}

/**
 * Makes sure that the server opens as many sessions at once as an operation holds, so that a server with too few is found
 * before anything is locked or stopped. Throws as {@link RemoteHost.allow} does.
 */
export async function claimSessions({
  remote,
  probe,
  signal,
}: Pick<Visit, 'remote' | 'probe' | 'signal'>): Promise<void> {
  // Without a shell nothing is held.
  if (probe.access === 'shell') await remote.allow(AT_ONCE, signal)
}

/** {@link visit} over a connection that is open already; also looks again at what may have changed since. */
export async function lookAround(
  { host, remote, signal }: Pick<Visit, 'host' | 'remote' | 'signal'>,
  request: Omit<VisitRequest, 'step'>,
  dependencies: Omit<VisitDependencies, 'connect'>,
): Promise<Visit> {
  const configured = request.deployment ?? host.deployment
  const question = { deployment: configured, names: request.names ?? [], sudo: host.sudo }
  const probe = await dependencies.probe(remote, question, signal)
  if (request.shellFor !== undefined) requireShell(host.name, probe, request.shellFor)
  if (request.insists === true && probe.deployment === undefined) throw noDeployment(host, probe)
  const place: Visit = {
    host,
    remote,
    probe,
    deployment: probe.deployment ?? absoluteDeployment(configured, probe.home),
    privilege: configuredPrivilege(host),
    signal,
  }
  if (request.settles !== true) return place
  return { ...place, privilege: await privilegeToSettle(place, dependencies) }
}

/** The privilege by the config. Docker and services are spoken to with it. */
export function configuredPrivilege({ sudo }: Pick<HostConfig, 'sudo'>): Privilege | undefined {
  return sudo ? 'sudo' : undefined
}

function noDeployment(host: HostConfig, probe: HostProbe): RelayError {
  return new RelayError('no-deployment', `there is no directory ${host.deployment} on the server`, {
    host: host.name,
    next: `Correct hosts.${host.name}.deployment in the config; it is as seen by ${
      probe.access === 'sftp' ? 'the SFTP user' : `${probe.user} (uid ${probe.uid}) on the server`
    }.`,
  })
}

/** A deployment that is not there yet, as an absolute path. */
function absoluteDeployment(deployment: string, home: string): string {
  if (deployment.startsWith('/')) return deployment
  return deployment === '~' ? home : `${home}/${deployment.replace(/^~\//, '')}`
}
