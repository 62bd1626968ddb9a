import { resolve } from 'node:path'
import { selectHosts } from '../config/select-hosts.ts'
import { ExitCode } from '../exit-codes.ts'
import type { Config } from '../model/config.ts'
import type { StatusReport } from '../model/status-report.ts'
import { renderPrometheus } from '../report/prometheus.ts'
import { renderStatus, statusTroubles } from '../report/status-screen.ts'
import { configOf, type CommandContext, type CommandOutcome } from './context.ts'
import { putFile } from './put-file.ts'
import { pulledHosts, type CommandLine } from './schedule-line.ts'
import { statusOf } from './wire-status.ts'
import { tellNow } from './with-alerts.ts'

/** The flags of `status` as commander hands them over. */
export interface StatusFlags {
  /** A file for node_exporter's textfile collector. */
  readonly prometheus?: string
  /** Tell the channels of `notify:` what is due. */
  readonly alert?: boolean
}

/** `status [host…]`: how the backups stand. Exit 4 when something needs a person. `line` tells whom schedules pull. */
export async function status(
  context: CommandContext,
  names: readonly string[],
  flags: StatusFlags,
  line?: CommandLine,
): Promise<CommandOutcome> {
  const config = await configOf(context)
  const hosts = selectHosts(config, { names, all: names.length === 0 })
  const read = await statusOf(
    context,
    config,
    hosts.map(({ name }) => name),
  )
  const report = line === undefined ? read : await withNextRuns(read, config, line)
  if (flags.prometheus !== undefined)
    // Everybody may read them: the collector runs as another user.
    await putFile(resolve(context.cwd, flags.prometheus), renderPrometheus(report), {
      code: 'metrics-file',
      what: 'The metrics',
      flag: '--prometheus FILE',
      mode: 0o644,
    })
  if (flags.alert === true) await tellNow(context, config, report)
  const isWell = [report, ...report.hosts].every(({ troubles }) => troubles.length === 0)
  return {
    exitCode: isWell ? ExitCode.done : ExitCode.damage,
    text: renderStatus(report, context),
    quiet: statusTroubles(report).join('\n'),
    json: { ok: isWell, ...report },
  }
}

/** When each host is pulled next, by the schedules of the config. What does the arithmetic is loaded only where there are some. */
async function withNextRuns(report: StatusReport, config: Config, line: CommandLine): Promise<StatusReport> {
  if (config.schedules.length === 0) return report
  const { nextDue } = await import('../schedule/times.ts')
  const next = new Map<string, string>()
  for (const schedule of config.schedules) {
    const at = nextDue(schedule, new Date(report.at)).toISOString()
    for (const { name } of await pulledHosts(config, schedule, line))
      if (at < (next.get(name) ?? '9')) next.set(name, at)
  }
  return { ...report, hosts: report.hosts.map((one) => ({ ...one, nextRun: next.get(one.host) })) }
}
