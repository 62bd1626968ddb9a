import { resolve } from 'node:path'
import { selectHosts } from '../config/select-hosts.ts'
import { ExitCode } from '../exit-codes.ts'
import { renderPrometheus } from '../report/prometheus.ts'
import { renderStatus, statusTroubles } from '../report/status-screen.ts'
import { configOf, type CommandContext, type CommandOutcome } from './context.ts'
import { putFile } from './put-file.ts'
import { statusOf } from './wire-status.ts'
import { tellNow } from './with-alerts.ts'

/** The flags of `status` as commander hands them over. */
export interface StatusFlags {
  /** A file for node_exporter's textfile collector. */
  readonly prometheus?: string
  /** Tell the channels of `notify:` what is due. */
  readonly alert?: boolean
}

/** `status [host…]`: how the backups stand. Exit 4 when something needs a person. */
export async function status(
  context: CommandContext,
  names: readonly string[],
  flags: StatusFlags,
): Promise<CommandOutcome> {
  const config = await configOf(context)
  const hosts = selectHosts(config, { names, all: names.length === 0 })
  const report = await statusOf(
    context,
    config,
    hosts.map(({ name }) => name),
  )
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
