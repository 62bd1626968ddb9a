import { isOutOfReach, RelayError } from '../errors.ts'
import { UndecidedError } from '../restore/launch.ts'
import { secretsOf } from '../restore/command-services.ts'
import type { RestoreDriver, UndoResult } from '../restore/server/driver.ts'
import { rollbackRestore } from '../restore/server/settle.ts'
import { askPatiently } from './ask-patiently.ts'
import type { MigrateDependencies } from './dependencies.ts'
import type { MigrationRun } from './migration-run.ts'

/**
 * Tells TO to go on (`keep`) and FROM to stay stopped, both at once: a client that dies has told both or neither. A
 * server that does not answer is asked for its journal over a new connection. Not interruptible. Throws RelayError when
 * FROM is to serve: TO is not kept, or FROM runs again; UndecidedError when TO goes on and FROM can't be asked.
 */
export async function handOverTo(
  keep: () => Promise<void>,
  fromDriver: RestoreDriver,
  run: MigrationRun,
  dependencies: MigrateDependencies,
): Promise<void> {
  const { from, plan, log } = run
  const patient = new AbortController().signal
  // Both lines are written before anything is waited for.
  const [keeping, giving] = [keep(), fromDriver.commit(patient)]
  log.step(plan.to, 'giving up the other side')
  const [kept, given] = await Promise.allSettled([keeping, giving])
  if (kept.status === 'rejected') await insistOnKept(kept.reason, run, dependencies)
  if (given.status === 'fulfilled' && given.value.ok) return
  if (given.status === 'rejected') {
    if (!isOutOfReach(given.reason)) throw given.reason
    if ((await readDecision(run, dependencies)) === 'given-up') return
  }
  throw new RelayError('not-held', `${from.host.name} could not be given up, and serves`, {
    host: from.host.name,
    next: 'Look why its services run, then migrate again.',
  })
}

/** Lets FROM serve, also when it was given up already. Throws what {@link isOutOfReach} when it can't be asked. */
export async function startFrom(
  fromDriver: RestoreDriver,
  { from, plan, services }: MigrationRun,
): Promise<UndoResult> {
  if (!fromDriver.ended) return fromDriver.rollback()
  const { signal } = new AbortController()
  return rollbackRestore(from.remote, {
    ...from,
    signal,
    id: plan.id,
    serviceSecrets: secretsOf(services.from),
  })
}

/** TO's answer was lost or negative, so its journal says whether TO goes on. Throws the reason when it does not. */
async function insistOnKept(
  reason: unknown,
  { to, plan }: MigrationRun,
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
  { from, plan }: MigrationRun,
  { restore: { pull } }: MigrateDependencies,
): Promise<'given-up' | 'serves'> {
  const { host, deployment } = from
  const { found, problem } = await askPatiently(host, deployment, pull, ({ journals, lockedBy }) => {
    if (journals.find(({ id }) => id === plan.id)?.how === 'done') return 'given-up' as const
    // A script that lives may still read the line that gives it up.
    return lockedBy === undefined ? ('serves' as const) : undefined
  })
  if (found !== undefined) return found
  const why = problem ?? 'its script does not end'
  throw new UndecidedError('undecided', `whether ${host.name} was given up is not known: ${why}`, {
    host: host.name,
    next: `Both go on as they are. Settle it when ${host.name} can be reached: relay-backup rollback --host ${host.name}`,
  })
}
