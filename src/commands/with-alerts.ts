import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { expected, type RelayError } from '../errors.ts'
import { exitCodeOf } from '../exit-codes.ts'
import type { Config } from '../model/config.ts'
import type { StatusReport } from '../model/status-report.ts'
import type { Ping } from '../notify/channels/ping.ts'
import { deliver, PATIENCE } from '../notify/deliver.ts'
import { tellStatus, type TellDependencies, type Undelivered } from '../notify/tell.ts'
import type { Reporter } from '../report/contract.ts'
import { createReporter } from '../report/reporter.ts'
import { withRun } from '../runs/run.ts'
import { withoutFileNames } from '../runs/told-error.ts'
import { resolveSecret } from '../secrets/resolve.ts'
import { openToldAlerts } from '../state/told-alerts.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { statusOf } from './wire-status.ts'

/** What a command does, for those who are told. */
export interface Watched {
  readonly config: Config
  /** What it works on. */
  readonly hosts: readonly string[]
  /** Of these, the hosts of which it has made a complete backup. */
  readonly good: (outcome: CommandOutcome) => readonly string[]
}

/**
 * Runs a command, and tells the channels of the config what follows from it: pings at its begin and end, and what is due by the
 * status after it. Whatever goes wrong with a channel is a warning and a line in the history, and changes neither the
 * command's result nor its exit code.
 */
export async function withAlerts(
  context: CommandContext,
  { config, hosts, good }: Watched,
  command: () => Promise<CommandOutcome>,
): Promise<CommandOutcome> {
  if (config.notify.length === 0) return await command()
  const id = randomUUID()
  const began = performance.now()
  const starting = pingAll(context, config, { moment: 'start', id })
  let ended: { readonly outcome: CommandOutcome } | { readonly error: RelayError }
  try {
    ended = { outcome: await command() }
  } catch (thrown) {
    ended = { error: expected(thrown) }
  }
  const exitCode = 'error' in ended ? exitCodeOf(ended.error) : ended.outcome.exitCode
  const text = withoutFileNames('error' in ended ? ended.error.message : (ended.outcome.quiet ?? ''), hosts)
  const milliseconds = performance.now() - began
  const quietly = async (): Promise<Undelivered[]> => [
    ...(await starting),
    ...(await pingAll(context, config, { moment: 'end', id, exitCode, text, milliseconds })),
    ...(await tellStatusOf(context, config, hosts, 'error' in ended ? [] : good(ended.outcome))),
  ]
  // A person who has stopped a run waits for no server.
  await warn(context, config, context.signal.aborted ? [] : await unlessStopped(context, quietly))
  if ('error' in ended) throw ended.error
  return ended.outcome
}

/** Tells the channels what is due by this status, as after a run. */
export async function tellNow(context: CommandContext, config: Config, report: StatusReport): Promise<void> {
  await warn(context, config, await unlessStopped(context, () => tellReport(context, config, report, [])))
}

async function tellStatusOf(
  context: CommandContext,
  config: Config,
  hosts: readonly string[],
  good: readonly string[],
): Promise<Undelivered[]> {
  return await tellReport(context, config, await statusOf(context, config, hosts), good)
}

async function tellReport(
  context: CommandContext,
  config: Config,
  report: StatusReport,
  good: readonly string[],
): Promise<Undelivered[]> {
  const store = openToldAlerts(context.env)
  const at = (host: string | undefined) => ({ vault: config.vault, host })
  const dependencies: TellDependencies = {
    ...delivery(context),
    machine: hostname(),
    store: {
      recall: (host) => store.recall(at(host)),
      remember: (host, told) => store.remember(at(host), told),
    },
  }
  return await tellStatus(config.notify, report, good, config.alerts, dependencies, context.signal)
}

/** As all deliveries of this process are made. */
export function delivery({ now }: CommandContext) {
  return { resolveSecret, now, patience: PATIENCE }
}

/** Never rejects: it runs beside the command. */
async function pingAll(
  context: CommandContext,
  { notify }: Config,
  ping: Ping,
): Promise<readonly Undelivered[]> {
  return await unlessStopped(context, async () => {
    const tried = await Promise.all(
      notify.map(async (channel): Promise<Undelivered[]> => {
        const error = await deliver(channel, { ping }, delivery(context), context.signal)
        return error === undefined ? [] : [{ channel: channel.name, error, hosts: [] }]
      }),
    )
    return tried.flat()
  })
}

/** What was not delivered; what else goes wrong here, a full disk for one, is undelivered, too. */
async function unlessStopped(
  context: CommandContext,
  telling: () => Promise<readonly Undelivered[]>,
): Promise<readonly Undelivered[]> {
  try {
    return await telling()
  } catch (thrown) {
    return context.signal.aborted ? [] : [{ channel: 'notify', error: expected(thrown), hosts: [] }]
  }
}

/** A warning each, and a line in the history of each host that is concerned. */
async function warn(
  context: CommandContext,
  config: Config,
  undelivered: readonly Undelivered[],
): Promise<void> {
  if (undelivered.length === 0) return
  await using reporter = createReporter(context.progress)
  for (const { channel, error } of undelivered) {
    const next = error.details.next ?? `Try it with: relay-backup notify test ${channel}`
    reporter.event({ type: 'warning', code: 'notify', message: `${channel}: ${error.message}`, next })
  }
  const vault = await openExistingVault(config.vault).catch(() => undefined)
  for (const { channel, error, hosts } of undelivered) {
    for (const host of hosts) {
      const request = { operation: 'notify', host: { name: host }, locks: false } as const
      const finding = { check: channel, outcome: 'failed', message: error.message } as const
      await withRun(request, { vault, reporter: SILENT, now: context.now }, context.signal, () =>
        Promise.resolve({ result: undefined, end: { outcome: 'failed', error, findings: [finding] } }),
      ).catch(() => {})
    }
  }
}

/** What was to be told has been told as a warning. */
const SILENT: Reporter = { event: () => {} }
