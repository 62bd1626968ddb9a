import pLimit from 'p-limit'
import type { LimitFunction } from 'p-limit'
import type { HostConfig } from '../model/config.ts'
import { InternalError } from '../errors.ts'
import type { HostPullReport, PullReport } from '../model/pull-report.ts'
import type { PullDependencies, PullOptions } from './dependencies.ts'
import { pullHost } from './pull-host.ts'

/** Pulls several hosts, at most `jobs` at a time, and one at a time of those that are one server; nothing thrown while one is handled stops another. */
export async function pullHosts(
  hosts: readonly HostConfig[],
  options: PullOptions & { readonly jobs: number },
  dependencies: PullDependencies,
  signal: AbortSignal,
): Promise<PullReport> {
  const started = dependencies.now().getTime()
  const limit = pLimit(options.jobs)
  const servers = new Map<string, LimitFunction>()
  const ofServer = async ({ ssh }: HostConfig): Promise<LimitFunction> => {
    // Its route is resolved anew when its turn comes: on a laptop that may be another one by then.
    const server = await dependencies.serverOf(ssh)
    const known = servers.get(server) ?? pLimit(1)
    servers.set(server, known)
    return known
  }
  // A single host waits for no other.
  const turns = hosts.length === 1 ? [pLimit(1)] : await Promise.all(hosts.map(ofServer))
  const pull = (host: HostConfig) =>
    pullHost(host, options, dependencies, signal).catch((error: unknown) => defective(host, error))
  const reports = await Promise.all(
    hosts.map((host, at) => (turns[at] ?? limit)(() => limit(() => pull(host)))),
  )
  return { hosts: reports, duration: dependencies.now().getTime() - started }
}

/** The error on which even the host's own report broke. */
function defective({ name }: HostConfig, thrown: unknown): HostPullReport {
  const error = new InternalError(thrown).withDetails({ host: name })
  return { host: name, outcome: 'failed', sources: [], error, duration: 0 }
}
