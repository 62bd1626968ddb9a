import { didYouMean } from '../model/nearest.ts'
import { UsageError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type { RestoreJournal } from './server/journals.ts'

/** Which restore a rollback is about. */
export interface ChosenJournal {
  /** Undefined: there is none to undo. */
  readonly journal: RestoreJournal | undefined
  /**
   * The last restore of all, when that is undone already. A person who names no restore may mean this one, and not
   * `journal`.
   */
  readonly undone: RestoreJournal | undefined
}

/**
 * Chooses the restore with this id; without an id one that is still open, else the last one that was done. A cutover that
 * is done here may still be open on the other server. Throws UsageError when no restore has the id.
 */
export function chooseJournal(
  host: string,
  /** The oldest first. */
  journals: readonly RestoreJournal[],
  id: string | undefined,
): ChosenJournal {
  if (id !== undefined) {
    const journal = journals.find((one) => one.id === id)
    if (journal !== undefined) return { journal, undone: undefined }
    throw new UsageError(`${host} has no restore ${printable(id)}`, {
      host,
      next:
        journals.length === 0
          ? 'No restore has left a journal there.'
          : `${didYouMean(
              id,
              journals.map((one) => one.id),
            )}There are: ${journals.map((one) => one.id).join(', ')}`,
    })
  }
  const open = journals.findLast((one) => one.state !== 'closed')
  if (open !== undefined) return { journal: open, undone: undefined }
  const journal = journals.findLast((one) => one.how === 'done' || isCutover(one))
  const last = journals.at(-1)
  return { journal, undone: journal === last ? undefined : last }
}

/**
 * A later cutover on one of a migration's servers that was done or is not settled. It makes the earlier migration
 * history there. `journals` are that server's, the oldest first.
 */
export function supersededBy(journals: readonly RestoreJournal[], id: string): RestoreJournal | undefined {
  const at = journals.findIndex((one) => one.id === id)
  // Its journal may be gone; an id is the time that a migration began at.
  const later = at === -1 ? journals.filter((one) => one.id > id) : journals.slice(at + 1)
  return later.findLast((one) => isCutover(one) && (one.state !== 'closed' || one.how === 'done'))
}

/** The cutover that decides whether a server serves: the last one that was done there. */
export function lastCutover(journals: readonly RestoreJournal[]): RestoreJournal | undefined {
  return journals.findLast((one) => isCutover(one) && one.how === 'done')
}

/** True for a side of a migration that hands over from one server to the other. */
export function isCutover({ migration }: RestoreJournal): boolean {
  return migration !== undefined && migration.role !== 'rehearsal'
}
