import { RelayError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import type { RestorePlan } from '../model/restore-report.ts'
import {
  discardRestores,
  findLateWrites,
  listJournals,
  type LateWrites,
  type RestoreJournal,
} from './server/journals.ts'
import type { Visit } from '../runs/visit.ts'
import { formatCount } from '../model/units.ts'

/**
 * The closed restores whose set-aside data is not needed after a good restore, because that has replaced all of their
 * paths again. Data of any other path stays until somebody discards it.
 */
export function superseded(journals: readonly RestoreJournal[], plan: RestorePlan): string[] {
  const replaced = new Set(plan.units.map((unit) => unit.target))
  return journals
    .filter((journal) => journal.state === 'closed' && journal.id !== plan.id && journal.targets.length > 0)
    .filter((journal) => journal.targets.every((target) => replaced.has(target)))
    .map((journal) => journal.id)
}

/**
 * Removes what superseded restores have set aside. The new restore is done and stays so. Data that can't be removed is
 * a warning.
 */
export async function discardSuperseded(
  { remote, deployment, privilege, signal }: Visit,
  plan: RestorePlan,
): Promise<Finding[]> {
  const warning = (message: string): Finding => ({
    check: 'set-aside',
    outcome: 'warning',
    message: `what earlier restores had set aside is still there: ${message}`,
    next: `Remove it with: relay-backup rollback --host ${plan.host} --discard`,
  })
  try {
    const { journals } = await listJournals(remote, { deployment, privilege, signal })
    const ids = superseded(journals, plan)
    if (ids.length === 0) return []
    const late = await findLateWrites(remote, { deployment, privilege, signal, ids })
    const gone = ids.filter((id) => !late.some((one) => one.id === id))
    const { left } =
      gone.length === 0
        ? { left: [] }
        : await discardRestores(remote, { deployment, privilege, signal, ids: gone })
    return [...late.map((one) => lateFinding(plan.host, one)), ...left.map(warning)]
  } catch (error) {
    if (!(error instanceof RelayError)) throw error
    return [warning(error.message)]
  }
}

function lateFinding(host: string, { id, files, path, names }: LateWrites): Finding {
  return {
    check: 'written-since',
    outcome: 'warning',
    message: `${formatCount(files, 'file was', 'files were')} written after restore ${id} (${printable(names)}), and nowhere else: kept in ${printable(path)}`,
    next: `Take from it what is wanted; then: relay-backup rollback --host ${host} --discard --restore ${id}`,
  }
}
