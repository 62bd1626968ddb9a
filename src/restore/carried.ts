import type { RestorePlan, RestoreReport } from '../model/restore-report.ts'
import type { HostLock } from '../vault/contract.ts'
import type { RestoreDependencies } from './dependencies.ts'
import type { SourceToRestore } from './plan.ts'
import type { Visit } from '../runs/visit.ts'
import type { RestoreRequest } from './preflight.ts'
import type { FoundServices } from './services.ts'

/** Everything that happened, in order, for the report. */
export interface Diary {
  readonly steps: { at: string; text: string }[]
  readonly step: (text: string) => void
}

export function openDiary(
  { host }: Pick<RestoreRequest, 'host'>,
  { pull }: Pick<RestoreDependencies, 'pull'>,
): Diary {
  const steps: { at: string; text: string }[] = []
  return {
    steps,
    step: (text) => {
      steps.push({ at: pull.now().toISOString(), text })
      pull.reporter.event({ type: 'host-step', host: host.name, step: text })
    },
  }
}

/** A confirmed restore, on its way. */
export interface Carried {
  readonly request: RestoreRequest
  readonly plan: RestorePlan
  readonly sources: readonly SourceToRestore[]
  /** The target, with the privilege by which it is replaced. */
  readonly place: Visit
  readonly found: FoundServices
  /** Services that run, and that the files on the server would make otherwise already. */
  readonly changed: readonly string[]
  readonly lock: HostLock | undefined
  readonly diary: Diary
}

/** What carrying it out came to. */
export type CarriedOut = Omit<RestoreReport, 'plan' | 'steps' | 'duration'>
