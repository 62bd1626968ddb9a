import { setTimeout as sleep } from 'node:timers/promises'
import { RelayError } from '../errors.ts'
import { listJournals } from '../restore/server/journals.ts'
import { visit } from '../runs/visit.ts'
import { rollbackRestore } from '../restore/server/settle.ts'
import type { MigrateDependencies } from './dependencies.ts'
import type { Journey } from './journey.ts'

const PAUSE = 3000
/** ms; longer than a lease lasts in silence. */
const PATIENCE = 90_000

/**
 * Undoes TO over a new connection after the one that did it was lost. Resolves with why that could not be done, or
 * nothing. Not interruptible: FROM serves again, and TO must not.
 */
export async function settleTarget(
  { to, plan }: Journey,
  { restore: { pull } }: MigrateDependencies,
): Promise<string | undefined> {
  const { signal } = new AbortController()
  const deadline = performance.now() + PATIENCE
  let problem = ''
  while (performance.now() < deadline) {
    try {
      const known = { deployment: plan.deployment.to, settles: true }
      await using place = await visit(to, known, pull, signal)
      const { journals, lockedBy } = await listJournals(place.remote, place)
      const journal = journals.find(({ id }) => id === plan.id)
      if (lockedBy === undefined) {
        if (journal === undefined || journal.state === 'closed') return undefined
        const undone = await rollbackRestore(place.remote, { ...place, id: plan.id })
        return undone.outcome === 'stuck' ? `undoing it is stuck: ${undone.reason}` : undefined
      }
      problem = 'its script still runs'
    } catch (error) {
      if (!(error instanceof RelayError)) throw error
      problem = error.message
    }
    await sleep(PAUSE)
  }
  return `it is not known whether it was undone: ${problem}`
}
