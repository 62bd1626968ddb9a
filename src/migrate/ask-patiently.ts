import { setTimeout as sleep } from 'node:timers/promises'
import { RelayError } from '../errors.ts'
import type { HostConfig } from '../model/config.ts'
import { listJournals, type JournalList } from '../restore/server/journals.ts'
import { visit, type Visit, type VisitDependencies } from '../runs/visit.ts'

/** ms between two questions, and for all of them: longer than a lease lasts in silence. */
const PAUSE = 3000
const PATIENCE = 90_000

/**
 * Reads a server's journals over new connections until `read` finds what it looks for; `found` is undefined when it never
 * does, and `problem` then says what the last try ended with (undefined: nothing went wrong, but `read` found nothing).
 * Not interruptible: which of two servers serves depends on it.
 */
export async function askPatiently<T>(
  host: HostConfig,
  deployment: string,
  dependencies: VisitDependencies,
  read: (list: JournalList, place: Visit) => T | undefined | Promise<T | undefined>,
): Promise<{ readonly found: T | undefined; readonly problem: string | undefined }> {
  const { signal } = new AbortController()
  const deadline = performance.now() + PATIENCE
  let problem: string | undefined
  while (performance.now() < deadline) {
    try {
      await using place = await visit(host, { deployment, settles: true }, dependencies, signal)
      const found = await read(await listJournals(place.remote, place), place)
      if (found !== undefined) return { found, problem: undefined }
      problem = undefined
    } catch (error) {
      if (!(error instanceof RelayError)) throw error
      problem = error.message
    }
    await sleep(PAUSE)
  }
  return { found: undefined, problem }
}
