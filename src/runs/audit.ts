import { expected } from '../errors.ts'
import { auditOfRun, type AuditEntry } from '../model/audit-record.ts'
import type { EndedRun } from '../model/run-record.ts'
import type { Reporter } from '../report/contract.ts'
import type { Vault } from '../vault/contract.ts'
import { whoRuns } from './who.ts'

/** Who tells the log what was done. */
interface Auditor {
  readonly vault: Vault
  readonly reporter: Reporter
}

/** Writes a run into the audit log. What keeps it out is a warning: what was done is done. */
export async function auditRun(run: EndedRun, { vault, reporter }: Auditor): Promise<void> {
  const entry = auditOfRun(run)
  if (entry !== undefined) await orWarn(reporter, run.host, entry, () => vault.recordAudit(entry))
}

/** Writes into the audit log whom pulls encrypt to, when that is not whom they last encrypted to. Warns as {@link auditRun}. */
export async function auditRecipients(
  fingerprints: readonly string[],
  at: Date,
  { vault, reporter }: Auditor,
): Promise<void> {
  const entry = {
    at: at.toISOString(),
    by: whoRuns(),
    action: 'recipients',
    outcome: 'done',
    fingerprints,
  } as const
  await orWarn(reporter, undefined, entry, () => vault.recordRecipients(entry))
}

async function orWarn(
  reporter: Reporter,
  host: string | undefined,
  { action }: AuditEntry,
  write: () => Promise<void>,
): Promise<void> {
  try {
    await write()
  } catch (thrown) {
    const { message, details } = expected(thrown)
    reporter.event({
      type: 'warning',
      host,
      code: 'audit',
      message: `this ${action === 'recipients' ? 'change of recipients' : 'run'} is not in the audit log: ${message}`,
      next: details.next,
    })
  }
}
