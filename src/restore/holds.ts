import { RelayError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import { settleLeftHolds } from '../pull/quiesce.ts'
import type { Carried } from './carried.ts'
import type { RestoreDependencies } from './dependencies.ts'

/**
 * Lets run again what a pull that was cut off has left stopped or paused. A restore starts what ran before it, so it
 * must: throws RelayError `services-held` when one does not. The deployment is locked by the caller.
 */
export async function settleHolds(
  { place, diary }: Carried,
  { pull }: RestoreDependencies,
): Promise<readonly Finding[]> {
  const { host } = place
  const findings = await settleLeftHolds(place, pull)
  for (const { outcome, message, next } of findings) {
    if (outcome === 'failed') throw new RelayError('services-held', message, { host: host.name, next })
    diary.step(message)
  }
  return findings
}
