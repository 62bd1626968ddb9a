import pLimit from 'p-limit'
import type { HostConfig } from '../model/config.ts'
import { InternalError } from '../errors.ts'
import type { HostPullReport, PullReport } from '../model/pull-report.ts'
import type { PullDependencies, PullOptions } from './dependencies.ts'
import { pullHost } from './pull-host.ts'

/** Pulls several hosts, at most `jobs` at a time; nothing thrown while one is handled stops another. */
export async function pullHosts(
  hosts: readonly HostConfig[],
  options: PullOptions & { readonly jobs: number },
  dependencies: PullDependencies,
  signal: AbortSignal,
): Promise<PullReport> {
  const started = dependencies.now().getTime()
  const limit = pLimit(options.jobs)
  const reports = await Promise.all(
    hosts.map((host) =>
      limit(() =>
        pullHost(host, options, dependencies, signal).catch((error: unknown) => defective(host, error)),
      ),
    ),
  )
  return { hosts: reports, duration: dependencies.now().getTime() - started }
}

/** What even the host's own report broke on. */
function defective({ name }: HostConfig, thrown: unknown): HostPullReport {
  const error = new InternalError(thrown).withDetails({ host: name })
  return { host: name, outcome: 'failed', sources: [], error, duration: 0 }
}
