import { RelayError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import { resumeLeftServices } from '../pull/quiesce.ts'
import type { RestoreRun } from './restore-run.ts'

/**
 * Lets those services run again that a pull which was cut off has left stopped or paused. They must run, because a
 * restore starts what ran before it: throws RelayError `services-held` when one does not. The caller has locked the
 * deployment.
 */
export async function insistOnResumed({ place, log }: RestoreRun): Promise<readonly Finding[]> {
  const { host } = place
  const findings = await resumeLeftServices(place)
  for (const { outcome, message, next } of findings) {
    if (outcome === 'failed') throw new RelayError('services-held', message, { host: host.name, next })
    log.step(message)
  }
  return findings
}
