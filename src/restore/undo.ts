import { abortedBy, ConnectionError, InternalError, isOutOfReach, RelayError } from '../errors.ts'
import type { RestoreRun, RestoreResult } from './restore-run.ts'
import type { RestoreDriver } from './server/driver.ts'

/** Puts everything back after a failure, on the server, and says how that went. */
export async function undo(
  driver: RestoreDriver,
  error: RelayError,
  { plan, log, request }: RestoreRun,
  safetySnapshot: string | undefined,
): Promise<RestoreResult> {
  const { host } = request
  const common = { restored: [], safetySnapshot, findings: plan.findings }
  try {
    log.step('putting everything back')
    const undone = await driver.rollback()
    for (const note of undone.notes) log.step(note)
    if (undone.outcome === 'stuck') {
      log.step(`stuck: ${undone.reason}`)
      return {
        ...common,
        outcome: 'stuck',
        error: withNext(error, `Correct the reason, then run: relay-backup rollback --host ${host.name}`),
      }
    }
    log.step('the old data is back, services as before')
    return { ...common, outcome: 'rolled-back', error }
  } catch (lost) {
    if (!isOutOfReach(lost)) throw lost
    log.step(
      lost instanceof ConnectionError
        ? 'the connection is lost: the server puts everything back by itself within a minute'
        : 'the server answers no more: it puts everything back by itself when it can',
    )
    return {
      ...common,
      outcome: 'failed',
      error: withNext(error, `See how it ended: relay-backup rollback --host ${host.name}`),
    }
  }
}

function withNext(error: RelayError, next: string): RelayError {
  return new RelayError(error.code, error.message, { ...error.details, next, cause: error })
}

/** The reason why a restore failed, as an error for a person. */
export function asRelayError(thrown: unknown, signal: AbortSignal): RelayError {
  if (thrown instanceof RelayError) return thrown
  if (signal.aborted) return abortedBy(signal)
  return new InternalError(thrown)
}
