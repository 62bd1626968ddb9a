import type { RestorePlan, RestoreReport } from '../model/restore-report.ts'
import type { ServerServices } from '../model/server-services.ts'
import type { HostLock } from '../vault/contract.ts'
import type { SourceToRestore } from './plan.ts'
import type { Connected, RestoreRequest } from './preflight.ts'

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
  readonly connected: Connected
  readonly services: ServerServices
  readonly lock: HostLock | undefined
  readonly diary: Diary
}

/** What carrying it out came to. */
export type CarriedOut = Omit<RestoreReport, 'plan' | 'steps' | 'duration'>
