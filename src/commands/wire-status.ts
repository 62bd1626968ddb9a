import { RelayError } from '../errors.ts'
import type { Config } from '../model/config.ts'
import type { StatusReport } from '../model/status-report.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import { readStatus } from '../status/read-status.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { vaultDisk } from '../vault/suitable.ts'
import type { CommandContext } from './context.ts'

/** How the backups of these hosts stand. A vault that can't be opened is a trouble of its own. */
export async function statusOf(
  context: CommandContext,
  config: Config,
  hosts: readonly string[],
): Promise<StatusReport> {
  const { env, now, signal } = context
  const vault = await openExistingVault(config.vault, { marks: openLedgerMarks(env) }).catch(
    (error: unknown) => {
      if (error instanceof RelayError) return error
      throw error
    },
  )
  if (vault instanceof RelayError) {
    const { code, message, details } = vault
    const next = details.next ?? 'Look at it with: relay-backup check'
    const trouble = { code: 'unreadable', about: code, message, next }
    return { at: now().toISOString(), vault: config.vault, hosts: [], troubles: [trouble] }
  }
  const disk = () => vaultDisk(config.vault)
  return await readStatus(hosts, config.alerts, { vault, vaultPath: config.vault, disk, now }, signal)
}
