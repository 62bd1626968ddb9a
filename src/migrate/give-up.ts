import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectionError, RelayError } from '../errors.ts'
import { UndecidedError } from '../restore/launch.ts'
import type { RestoreDriver } from '../restore/server/driver.ts'
import { listJournals } from '../restore/server/journals.ts'
import type { MigrateDependencies } from './dependencies.ts'
import type { Side } from './look.ts'

/** ms between two questions, and for all of them: longer than a lease lasts in silence. */
const PAUSE = 3000
const PATIENCE = 90_000

/**
 * Gives FROM up: it stays stopped, whatever happens. When the answer does not come, its journal is asked over a new
 * connection. Not interruptible. Throws RelayError when FROM serves again, UndecidedError when nobody can be asked.
 */
export async function giveUp(
  hold: RestoreDriver,
  from: Side,
  id: string,
  dependencies: MigrateDependencies,
): Promise<void> {
  const patient = new AbortController().signal
  try {
    const { ok } = await hold.commit(patient)
    if (ok) return
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error
    if ((await readDecision(from, id, dependencies)) === 'given-up') return
  }
  throw new RelayError('not-held', `${from.host.name} could not be given up, and serves`, {
    host: from.host.name,
    next: 'Look why its services run, then migrate again.',
  })
}

async function readDecision(
  { host, deployment, chosen }: Side,
  id: string,
  { restore: { pull } }: MigrateDependencies,
): Promise<'given-up' | 'serves'> {
  const patient = new AbortController().signal
  const deadline = performance.now() + PATIENCE
  let problem = 'its script does not end'
  while (performance.now() < deadline) {
    try {
      await using remote = await pull.connect(host, patient)
      const options = { deployment, privilege: chosen.privilege, signal: patient }
      const { journals, lockedBy } = await listJournals(remote, options)
      const journal = journals.find((one) => one.id === id)
      if (journal?.how === 'done') return 'given-up'
      // A script that lives may still read the line that gives it up.
      if (lockedBy === undefined) return 'serves'
    } catch (error) {
      if (!(error instanceof RelayError)) throw error
      problem = error.message
    }
    await sleep(PAUSE)
  }
  throw new UndecidedError('undecided', `whether ${host.name} was given up is not known: ${problem}`, {
    host: host.name,
    next: `Both go on as they are. Settle it when ${host.name} can be reached: relay-backup rollback --host ${host.name}`,
  })
}
