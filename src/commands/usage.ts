import { ExitCode } from '../exit-codes.ts'
import { renderUsage, usageTroubles } from '../report/usage-screen.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import { readUsage } from '../usage/usage.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { vaultDisk } from '../vault/suitable.ts'
import { chooseHosts } from './choose-hosts.ts'
import { configOf, type CommandContext, type CommandOutcome } from './context.ts'
import { wirePlanning } from './wire-pull.ts'

/** `usage [host…]`: what lies where, and how long the disks last. Exit 3 when some server was not reached, 1 when none was. */
export async function usage(context: CommandContext, names: readonly string[]): Promise<CommandOutcome> {
  const config = await configOf(context)
  const hosts = await chooseHosts(context, config, { names, all: names.length === 0, tag: undefined })
  const vault = await openExistingVault(config.vault, { marks: openLedgerMarks(context.env) })
  const report = await readUsage(
    hosts,
    {
      ...wirePlanning(context, vault),
      vault,
      vaultPath: config.vault,
      disk: () => vaultDisk(config.vault),
    },
    context.signal,
  )
  const failed = report.hosts.filter(({ error }) => error !== undefined).length
  return {
    exitCode:
      failed === 0 ? ExitCode.done : failed === report.hosts.length ? ExitCode.failed : ExitCode.partial,
    text: renderUsage(report, context),
    quiet: usageTroubles(report).join('\n'),
    json: report,
  }
}
