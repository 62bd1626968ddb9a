import pLimit from 'p-limit'
import type { HostConfig } from '../model/config.ts'
import type { HostPullReport, PullReport } from '../model/pull-report.ts'
import { ExitCode } from '../exit-codes.ts'
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

/** The exit code of a pull (design.md section 2): the first that applies. */
export function pullExitCode(hosts: readonly HostPullReport[]): ExitCode {
  const outcomes = new Set(hosts.map((host) => host.outcome))
  if (outcomes.has('interrupted')) return ExitCode.interrupted
  if (outcomes.size === 1 && outcomes.has('locked')) return ExitCode.locked
  const good = hosts.filter((host) => host.outcome === 'done' || host.outcome === 'skipped').length
  if (good === hosts.length) return ExitCode.done
  return good === 0 && !outcomes.has('partial') ? ExitCode.failed : ExitCode.partial
}
