import pLimit from 'p-limit'
import type { HostConfig } from '../model/config.ts'
import type { PullReport } from '../model/pull-report.ts'
import type { PullDependencies, PullOptions } from './dependencies.ts'
import { pullHost } from './pull-host.ts'

/** Pulls several hosts, at most `jobs` at a time; one host's failure never stops another. */
export async function pullHosts(
  hosts: readonly HostConfig[],
  options: PullOptions & { readonly jobs: number },
  dependencies: PullDependencies,
  signal: AbortSignal,
): Promise<PullReport> {
  const started = dependencies.now().getTime()
  const limit = pLimit(options.jobs)
  const reports = await Promise.all(
    hosts.map((host) => limit(() => pullHost(host, options, dependencies, signal))),
  )
  return { hosts: reports, duration: dependencies.now().getTime() - started }
}
