import { UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { CaptureType } from '../model/config.ts'
import type { HostPullReport } from '../model/pull-report.ts'
import { parseDuration, parseSize } from '../model/units.ts'
import { planPulls } from '../pull/plan.ts'
import { pullHosts } from '../pull/pull-hosts.ts'
import {
  pullPlansToJson,
  pullPlanTroubles,
  pullTroubles,
  pullReportToJson,
  renderPullPlans,
  renderPullReport,
} from '../report/pull-summary.ts'
import { requireKnownSources } from '../config/select-hosts.ts'
import { auditRecipients } from '../runs/audit.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { insistOnRoom } from '../vault/suitable.ts'
import { chooseHosts } from './choose-hosts.ts'
import { configOf, type CommandContext, type CommandOutcome } from './context.ts'
import { withAlerts } from './with-alerts.ts'
import { wireEncryptor, wirePlanning, wirePull } from './wire-pull.ts'

/** How many hosts are pulled at a time when `--jobs` does not say. */
const DEFAULT_JOBS = 4

/** The flags of `pull` as commander hands them over. */
export interface PullFlags {
  readonly all?: boolean
  readonly tag?: string
  readonly source?: readonly string[]
  readonly type?: CaptureType
  readonly full?: boolean
  readonly ifOlderThan?: string
  readonly jobs?: string
  readonly bandwidth?: string
  readonly dryRun?: boolean
  readonly rotate: boolean
}

/** `pull HOST… | --all | --tag T`: capture now. */
export async function pull(
  context: CommandContext,
  names: readonly string[],
  flags: PullFlags,
): Promise<CommandOutcome> {
  const ifOlderThan = flagValue('--if-older-than', flags.ifOlderThan, parseDuration, '20h')
  const bandwidth = flagValue('--bandwidth', flags.bandwidth, parseRate, '10MiB/s')
  const jobs = flagValue('--jobs', flags.jobs, parseCount, '4') ?? DEFAULT_JOBS
  const config = await configOf(context)
  const hosts = await chooseHosts(context, config, { names, all: flags.all ?? false, tag: flags.tag })
  requireKnownSources(hosts, flags.source ?? [])

  if (flags.dryRun === true) {
    // An error of these would end the whole run.
    const vault = await openExistingVault(config.vault)
    const { findings } = await wireEncryptor(context, config)
    const plans = await planPulls(
      hosts,
      { sources: flags.source, type: flags.type, ifOlderThan },
      { ...wirePlanning(context, vault), insistOnRoom: (files) => insistOnRoom(config.vault, files) },
      context.signal,
    )
    return {
      exitCode: pullExitCode(plans),
      text: renderPullPlans(plans, findings, context),
      quiet: pullPlanTroubles(plans, findings).join('\n'),
      json: pullPlansToJson(plans, findings),
    }
  }
  const watched = { config, hosts: hosts.map(({ name }) => name), good: completeHosts }
  return await withAlerts(context, watched, async () => {
    await using wired = await wirePull(context, config, { bandwidth })
    await auditRecipients(wired.dependencies.encryptor.recipients, context.now(), wired.dependencies)
    const { source: sources, type } = flags
    const options = { sources, type, full: flags.full, ifOlderThan, rotate: flags.rotate, jobs }
    const report = await pullHosts(hosts, options, wired.dependencies, context.signal)
    return {
      exitCode: pullExitCode(report.hosts),
      text: renderPullReport(report, context),
      // Its events have said the rest of what is not well.
      quiet: pullTroubles(report).join('\n'),
      json: pullReportToJson(report),
    }
  })
}

/** A pull of some sources, or of schemas alone, is done and makes no complete backup. */
export function completeHosts({ json }: Pick<CommandOutcome, 'json'>): string[] {
  const { hosts } = json as {
    readonly hosts: readonly Pick<HostPullReport, 'host' | 'outcome' | 'complete'>[]
  }
  return hosts
    .filter(({ outcome, complete }) => outcome === 'done' && complete === true)
    .map(({ host }) => host)
}

/** The exit code of a pull (docs/design.md): the first that applies. */
export function pullExitCode(hosts: readonly Pick<HostPullReport, 'outcome'>[]): ExitCode {
  const outcomes = new Set(hosts.map((host) => host.outcome))
  if (outcomes.has('interrupted')) return ExitCode.interrupted
  if (outcomes.size === 1 && outcomes.has('locked')) return ExitCode.locked
  const good = hosts.filter((host) => host.outcome === 'done' || host.outcome === 'skipped').length
  if (good === hosts.length) return ExitCode.done
  return good === 0 && !outcomes.has('partial') ? ExitCode.failed : ExitCode.partial
}

function flagValue(
  flag: string,
  text: string | undefined,
  parse: (text: string) => number | undefined,
  example: string,
): number | undefined {
  if (text === undefined) return undefined
  const value = parse(text)
  if (value === undefined)
    throw new UsageError(`${flag} ${text}: not understood`, { next: `Write it like ${flag} ${example}` })
  return value
}

/** `10MiB/s` or `10MiB` in bytes per second. */
function parseRate(text: string): number | undefined {
  const bytes = parseSize(text.replace(/\/s$/, ''))
  return bytes !== undefined && bytes > 0 ? bytes : undefined
}

function parseCount(text: string): number | undefined {
  return /^[1-9]\d{0,3}$/.test(text) ? Number(text) : undefined
}
