import { ConnectionError, RelayError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import type { NamedProject } from '../model/server-services.ts'
import type { HostProbe } from '../remote/contract.ts'
import type { Visit } from '../runs/visit.ts'
import type { PullDependencies } from './dependencies.ts'

/** A manifest's `server.versions`, and what of it could not be found out. */
export interface ServerVersions {
  readonly versions: Readonly<Record<string, string>>
  /** The Compose project of the services, with the manager compose. */
  readonly compose?: NamedProject | 'unknown' | undefined
  readonly findings: readonly Finding[]
}

/** What the probe says of a server's tools. */
function toolVersions({
  kernel,
  versions,
}: Pick<HostProbe, 'kernel' | 'versions'>): ServerVersions['versions'] {
  const known = Object.entries(versions).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return { kernel, ...Object.fromEntries(known) }
}

/**
 * The software of the server: its tools, as the probe found them, and its engines and images, which are asked. People
 * and later restores need this, but a backup does not depend on it, so an engine that can't be asked is a warning.
 * Throws ConnectionError, and when it is aborted.
 */
export async function serverVersions(
  { host, remote, probe, deployment, signal }: Visit,
  { lookAtVersions }: Pick<PullDependencies, 'lookAtVersions'>,
): Promise<ServerVersions> {
  const ofTools = toolVersions(probe)
  // Without a shell nothing can be asked.
  if (probe.access === 'sftp') return { versions: ofTools, findings: [] }
  try {
    const asked = await lookAtVersions(remote, host.services, { deployment, sudo: host.sudo, signal })
    const { project: compose, problem } = asked
    const findings: Finding[] = problem === undefined ? [] : [{ ...problem, outcome: 'warning' }]
    return { versions: { ...ofTools, ...asked.versions }, compose, findings }
  } catch (thrown) {
    if (signal.aborted || thrown instanceof ConnectionError) throw thrown
    return versionsUnknown({ host, probe }, thrown)
  }
}

/** What is known of a server's software when this kept the rest from being asked. */
export function versionsUnknown(
  { host, probe }: Pick<Visit, 'host' | 'probe'>,
  thrown: unknown,
): ServerVersions {
  const error = thrown instanceof RelayError ? thrown : undefined
  const finding: Finding = {
    check: 'versions-unknown',
    outcome: 'warning',
    message: `the snapshot does not say which engines and images ${host.name} has: ${error?.message ?? String(thrown)}`,
    next: error?.details.next ?? 'Pull again.',
  }
  return { versions: toolVersions(probe), findings: [finding] }
}
