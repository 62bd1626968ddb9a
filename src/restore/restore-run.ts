import type { RestorePlan, RestoreReport } from '../model/restore-report.ts'
import type { HostLock } from '../vault/contract.ts'
import type { RestoreDependencies } from './dependencies.ts'
import type { SourceToRestore } from './plan.ts'
import { tellStep } from '../runs/tell-step.ts'
import type { Visit } from '../runs/visit.ts'
import type { RestoreRequest } from './preflight.ts'
import type { FoundServices } from './services.ts'

/** The steps of a run in their order, for its report. */
export interface RestoreLog {
  readonly steps: { at: string; text: string }[]
  readonly step: (text: string) => void
}

export function openLog(
  { host }: Pick<RestoreRequest, 'host'>,
  { pull }: Pick<RestoreDependencies, 'pull'>,
): RestoreLog {
  const steps: { at: string; text: string }[] = []
  return {
    steps,
    step: (text) => steps.push({ at: tellStep(pull, host.name, text), text }),
  }
}

/** A confirmed restore, on its way. */
export interface RestoreRun {
  readonly request: RestoreRequest
  readonly plan: RestorePlan
  readonly sources: readonly SourceToRestore[]
  /** The target, with the privilege by which it is replaced. */
  readonly place: Visit
  readonly found: FoundServices
  /** Services that run, and that the files on the server would make otherwise already. */
  readonly changed: readonly string[]
  /** Compose has judged the files of the snapshot before they were staged. */
  readonly judged?: boolean
  readonly lock: HostLock | undefined
  readonly log: RestoreLog
}

/** What a restore came to, as its report says it. */
export type RestoreResult = Omit<RestoreReport, 'plan' | 'steps' | 'duration'>
