import { setTimeout as sleep } from 'node:timers/promises'
import { isOutOfReach, RelayError } from '../errors.ts'
import type { HostConfig } from '../model/config.ts'
import { UndecidedError } from '../restore/launch.ts'
import { visit, type VisitDependencies } from '../runs/visit.ts'
import type { RestoreDriver, UndoResult } from '../restore/server/driver.ts'
import { listJournals, type JournalList } from '../restore/server/journals.ts'
import { rollbackRestore } from '../restore/server/settle.ts'
import type { MigrateDependencies } from './dependencies.ts'
import type { Journey } from './journey.ts'

/** ms between two questions, and for all of them: longer than a lease lasts in silence. */
const PAUSE = 3000
const PATIENCE = 90_000

/**
 * Tells TO to go on (`keep`) and FROM to stay stopped, both at once: a client that dies has told both or neither. A
 * server that does not answer is asked for its journal over a new connection. Not interruptible. Throws RelayError when
 * FROM is to serve: TO is not kept, or FROM runs again; UndecidedError when TO goes on and FROM can't be asked.
 */
export async function handOverTo(
  keep: () => Promise<void>,
  hold: RestoreDriver,
  journey: Journey,
  dependencies: MigrateDependencies,
): Promise<void> {
  const { from, plan, diary } = journey
  const patient = new AbortController().signal
  // Both lines are written before anything is waited for.
  const [keeping, giving] = [keep(), hold.commit(patient)]
  diary.step(plan.to, 'giving up the other side')
  const [kept, given] = await Promise.allSettled([keeping, giving])
  if (kept.status === 'rejected') await insistOnKept(kept.reason, journey, dependencies)
  if (given.status === 'fulfilled' && given.value.ok) return
  if (given.status === 'rejected') {
    if (!isOutOfReach(given.reason)) throw given.reason
    if ((await readDecision(journey, dependencies)) === 'given-up') return
  }
  throw new RelayError('not-held', `${from.host.name} could not be given up, and serves`, {
    host: from.host.name,
    next: 'Look why its services run, then migrate again.',
  })
}

/** Lets FROM serve, also when it was given up already. Throws what {@link isOutOfReach} when it can't be asked. */
export async function startFrom(hold: RestoreDriver, { from, plan }: Journey): Promise<UndoResult> {
  if (!hold.ended) return hold.rollback()
  const { signal } = new AbortController()
  return rollbackRestore(from.remote, { ...from, signal, id: plan.id })
}

/** TO's answer was lost or negative, so its journal says whether TO goes on. Throws the reason when it does not. */
async function insistOnKept(
  reason: unknown,
  { to, plan }: Journey,
  { restore: { pull } }: MigrateDependencies,
): Promise<void> {
  if (!isOutOfReach(reason)) throw reason
  const answer = await askPatiently(to, plan.deployment.to, pull, ({ journals, lockedBy }) => {
    const state = journals.find(({ id }) => id === plan.id)?.state
    if (state === 'kept') return true
    return lockedBy === undefined ? false : undefined
  })
  if (answer.found !== true) throw reason
}

async function readDecision(
  { from, plan }: Journey,
  { restore: { pull } }: MigrateDependencies,
): Promise<'given-up' | 'serves'> {
  const { host, deployment } = from
  const { found, problem } = await askPatiently(host, deployment, pull, ({ journals, lockedBy }) => {
    if (journals.find(({ id }) => id === plan.id)?.how === 'done') return 'given-up' as const
    // A script that lives may still read the line that gives it up.
    return lockedBy === undefined ? ('serves' as const) : undefined
  })
  if (found !== undefined) return found
  throw new UndecidedError('undecided', `whether ${host.name} was given up is not known: ${problem}`, {
    host: host.name,
    next: `Both go on as they are. Settle it when ${host.name} can be reached: relay-backup rollback --host ${host.name}`,
  })
}

/** Asks a server's journals over new connections until they answer; `found` is undefined when they never do. */
async function askPatiently<T>(
  host: HostConfig,
  deployment: string,
  dependencies: VisitDependencies,
  read: (list: JournalList) => T | undefined,
): Promise<{ readonly found: T | undefined; readonly problem: string }> {
  const { signal } = new AbortController()
  const deadline = performance.now() + PATIENCE
  let problem = 'its script does not end'
  while (performance.now() < deadline) {
    try {
      await using place = await visit(host, { deployment, settles: true }, dependencies, signal)
      const found = read(await listJournals(place.remote, place))
      if (found !== undefined) return { found, problem }
    } catch (error) {
      if (!(error instanceof RelayError)) throw error
      problem = error.message
    }
    await sleep(PAUSE)
  }
  return { found: undefined, problem }
}
