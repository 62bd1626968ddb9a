import { adHocHost, adHocTwin } from '../config/ad-hoc-host.ts'
import { loadConfig } from '../config/load.ts'
import { UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { Config, HostConfig } from '../model/config.ts'
import type { RollbackReport } from '../model/rollback-report.ts'
import { lockDeployment } from '../remote/deployment-lock.ts'
import { isAlias } from '../remote/openssh/alias.ts'
import { createReporter } from '../report/reporter.ts'
import { renderRollbackReport, rollbackReportToJson } from '../report/rollback-summary.ts'
import { rollbackHost } from '../rollback/rollback-host.ts'
import { resolveSecret } from '../secrets/resolve.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { chooseHosts } from './choose-hosts.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { confirmed } from './question.ts'
import { wireVisits } from './wire-pull.ts'

export interface RollbackFlags {
  readonly host: string
  readonly deployment?: string
  readonly restore?: string
  readonly discard?: boolean
  readonly acceptChanges?: boolean
  readonly yes?: boolean
}

/** `rollback --host HOST`: settles the last restore from its journal, from any workstation with the config. */
export async function rollback(
  context: CommandContext,
  _args: readonly string[],
  flags: RollbackFlags,
): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const [host] = await chooseHosts(context, config, { names: [flags.host], deployment: flags.deployment })
  if (host === undefined) throw new UsageError('--host names no host')
  await using reporter = createReporter(context.progress)
  const report = await rollbackHost(
    {
      host,
      findHost: (name) => findOther(context, config, host, name),
      restore: flags.restore,
      discard: flags.discard === true,
      acceptChanges: flags.acceptChanges === true,
      unseen: flags.yes === true || !context.interactive,
    },
    {
      ...wireVisits(context, reporter),
      vault: await openExistingVault(config.vault),
      reporter,
      now: context.now,
      lockDeployment,
      resolveSecret,
      confirm: async (what) => flags.yes === true || (await confirmed(context, host.name, what)),
    },
    context.signal,
  )
  const exitCode = exitCodeOf(report)
  const text = renderRollbackReport(report)
  return {
    exitCode,
    text,
    quiet: exitCode === ExitCode.done ? '' : `failed: ${text.replaceAll(/\n */g, '; ')}`,
    json: rollbackReportToJson(report),
  }
}

/** As `migrate` takes it: a host of the config, or an alias beside one. */
async function findOther(
  { signal }: CommandContext,
  config: Config,
  host: HostConfig,
  name: string,
): Promise<HostConfig | undefined> {
  const known = config.hosts.find((one) => one.name === name)
  if (known !== undefined || !(await isAlias(name, signal))) return known
  return adHocTwin(adHocHost(name, config), host)
}

function exitCodeOf(report: RollbackReport): ExitCode {
  switch (report.did) {
    case 'nothing-there':
    case 'settle':
      return ExitCode.done
    case 'no-restore':
    case 'undo':
      return report.held.some(({ outcome }) => outcome === 'failed') ? ExitCode.partial : ExitCode.done
    case 'discard':
      if (report.left.length === 0 && report.late.every(({ kept }) => !kept)) return ExitCode.done
      return report.restores.length === 0 ? ExitCode.failed : ExitCode.partial
  }
}
