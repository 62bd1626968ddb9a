import type { RestorePlan, RestoreReport } from '../model/restore-report.ts'
import type { HostLock } from '../vault/contract.ts'
import type { SourceToRestore } from './plan.ts'
import type { Visit } from '../runs/visit.ts'
import type { RestoreRequest } from './preflight.ts'
import type { FoundServices } from './services.ts'

/** Everything that happened, in order, for the report. */
export interface Diary {
  readonly steps: { at: string; text: string }[]
  readonly step: (text: string) => void
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
