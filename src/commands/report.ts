import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { UsageError, type RelayError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { BackupReport, ReportPeriod } from '../model/backup-report.ts'
import type { Config } from '../model/config.ts'
import type { StatusReport } from '../model/status-report.ts'
import { deliver } from '../notify/deliver.ts'
import type { Message } from '../notify/message.ts'
import { renderReportHtml } from '../report/backup-report-html.ts'
import { renderReportText, reportTitle } from '../report/backup-report-text.ts'
import { troubleLine } from '../report/trouble-line.ts'
import { withoutFileNames } from '../runs/told-error.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import { buildReport, type ReportFacts } from '../status/build-report.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { configOf, type CommandContext, type CommandOutcome } from './context.ts'
import { putFile } from './put-file.ts'
import { delivery } from './with-alerts.ts'
import { statusOf } from './wire-status.ts'

/** The flags of `report` as commander hands them over. */
export interface ReportFlags {
  readonly period?: ReportPeriod
  /** Where the HTML goes. */
  readonly html?: string
  /** Sends it to the channels that want reports. */
  readonly send?: boolean
}

/** `report`: what became of the backups. With `--send`, exit 1 when no channel took it, 3 when some did not. */
export async function report(
  context: CommandContext,
  _args: readonly string[],
  { period = 'week', html, send = false }: ReportFlags,
): Promise<CommandOutcome> {
  const config = await configOf(context)
  const channels = config.notify.filter(({ on }) => on.includes('report'))
  if (send && channels.length === 0)
    throw new UsageError('No channel of the config takes reports', {
      next: 'Name one under `notify:`, with `report` among its `on`, or without `on`.',
    })
  const made = await make(context, config, period)
  const document = renderReportHtml(made)
  if (html !== undefined)
    await putFile(resolve(context.cwd, html), document, {
      code: 'report-file',
      what: 'The report',
      flag: '--html FILE',
      mode: 0o600,
    })
  const message: Message = {
    subject: `[relay-backup] ${made.machine}: ${reportTitle(made)}`,
    text: renderReportText(made, { color: false }),
    html: document,
    alerts: [],
    at: made.to,
    machine: made.machine,
  }
  const failed = send ? await sendAll(context, channels, message) : []
  const failures = failed.map(({ channel, error }) =>
    troubleLine({ label: 'failed', where: channel, message: error.message, next: error.details.next }),
  )
  return {
    exitCode:
      failed.length === 0
        ? ExitCode.done
        : failed.length === channels.length
          ? ExitCode.failed
          : ExitCode.partial,
    text: [renderReportText(made, context), ...(failures.length === 0 ? [] : ['', ...failures])].join('\n'),
    quiet: failures.join('\n'),
    json: made,
  }
}

async function make(context: CommandContext, config: Config, period: ReportPeriod): Promise<BackupReport> {
  const names = config.hosts.map(({ name }) => name)
  const status = await statusOf(context, config, names)
  const facts = status.hosts.length === 0 ? [] : await factsOf(context, config, status)
  const built = buildReport({ period, machine: hostname() }, status, facts, context.now())
  // A report goes where an alert goes.
  const plain = (said: string) => withoutFileNames(said, names)
  const attention = built.attention.map((one) => ({
    ...one,
    message: plain(one.message),
    next: plain(one.next),
  }))
  return { ...built, attention }
}

/** A host that can't be read has a trouble that says so, and nothing else to be told. */
async function factsOf(
  context: CommandContext,
  config: Config,
  { hosts }: StatusReport,
): Promise<ReportFacts[]> {
  const vault = await openExistingVault(config.vault, { marks: openLedgerMarks(context.env) })
  return await Promise.all(
    hosts.map(async ({ host, troubles }): Promise<ReportFacts> => {
      const nothing = { host, snapshots: [], runs: [], ledger: [] }
      if (vault === undefined || troubles.some(({ code }) => code === 'unreadable')) return nothing
      const [snapshots, runs, ledger] = await Promise.all([
        vault.snapshots(host, { retired: true }),
        vault.runs(host),
        vault.ledger(host),
      ])
      return { host, snapshots, runs, ledger }
    }),
  )
}

async function sendAll(
  context: CommandContext,
  channels: Config['notify'],
  message: Message,
): Promise<{ readonly channel: string; readonly error: RelayError }[]> {
  const tried = await Promise.all(
    channels.map(async (channel) => {
      const error = await deliver(channel, { message }, delivery(context), context.signal)
      return error === undefined ? [] : [{ channel: channel.name, error }]
    }),
  )
  return tried.flat()
}
