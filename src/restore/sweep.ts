import type { RestorePlan } from '../model/restore-report.ts'
import type { Visit } from '../runs/visit.ts'
import { sweepStaging } from './server/journals.ts'

/** Removes what restores that never began have unpacked: a server that went down removes nothing by itself. */
export async function sweepUnpacked(
  { remote, deployment, privilege, signal }: Visit,
  plan: RestorePlan,
): Promise<void> {
  const homes = [...new Set(plan.units.map((unit) => unit.base))]
  await sweepStaging(remote, { deployment, homes, privilege, signal })
}
