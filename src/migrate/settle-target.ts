import { secretsOf } from '../restore/command-services.ts'
import { loaderSecrets } from '../restore/loader-secrets.ts'
import { rollbackRestore } from '../restore/server/settle.ts'
import { askPatiently } from './ask-patiently.ts'
import type { MigrateDependencies } from './dependencies.ts'
import type { MigrationRun } from './migration-run.ts'

/**
 * Undoes TO over a new connection, when the connection that was to undo it is lost. Resolves with the reason why it could
 * not be undone, or with undefined when it was. Not interruptible: FROM serves again, and TO must not.
 */
export async function settleTarget(
  { to, plan, services }: MigrationRun,
  { restore: { pull } }: MigrateDependencies,
): Promise<string | undefined> {
  const { found, problem } = await askPatiently(
    to,
    plan.deployment.to,
    pull,
    async ({ journals, lockedBy }, place) => {
      if (lockedBy !== undefined) return undefined
      const journal = journals.find(({ id }) => id === plan.id)
      if (journal === undefined || journal.state === 'closed') return { stuck: undefined }
      const secrets = await loaderSecrets(to, [journal], pull.resolveSecret, place.signal)
      const undone = await rollbackRestore(place.remote, {
        ...place,
        id: plan.id,
        secrets,
        serviceSecrets: secretsOf(services.to),
      })
      return { stuck: undone.outcome === 'stuck' ? `undoing it is stuck: ${undone.reason}` : undefined }
    },
  )
  if (found !== undefined) return found.stuck
  return `it is not known whether it was undone: ${problem ?? 'its script still runs'}`
}
